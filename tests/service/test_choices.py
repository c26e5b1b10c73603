from __future__ import annotations

import re
from pathlib import Path

import pytest

from headswap.errors import BadSetting
from headswap.service.choices import Choices, is_local, read_choices, start_words
from headswap.service.codes import add


def read(*words: str, home: Path = Path("/home"), **environment: str) -> Choices:
    return read_choices(words, environment, home)


def test_without_a_word_it_serves_one_person_at_this_machine() -> None:
    chosen = read()

    assert (chosen.whom, chosen.door.host, chosen.door.people) == ("me", None, None)
    assert chosen.settings.limits.spare
    assert chosen.settings.protected
    assert chosen.settings.workspace == Path("/home/workspace").resolve()


def test_a_class_pays_no_memory_for_spares_and_single_figures_can_be_changed() -> None:
    chosen = read("--for", "class", "--pictures", "300", "--hours-kept", "0", "--spare")

    assert not read("--for", "class").settings.for_queue().spare_idle_s
    assert read("--for", "class").settings.for_queue().worker_bytes == 4_000_000_000
    assert (chosen.settings.limits.pictures, chosen.settings.limits.hours_kept) == (300, 0)
    assert chosen.settings.for_queue().spare_idle_s > 0


def test_every_figure_is_said_at_the_start() -> None:
    said = start_words(read("--for", "lab", "--disk-gb", "7.5", "--worker-gb", "0"))

    assert said.startswith("headswap for a lab, in ")
    assert re.search(r"disk for one person +7\.5 GB\n", said)
    assert re.search(r"memory of one teaching +no limit\n", said)
    assert re.search(r"size of one picture +200 megapixels\n", said)
    assert re.search(r"a spare worker is kept warm +no\n", said)
    assert re.search(r"who comes in +anybody at this machine\n", said)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.20", "::", "example.org", "10.0.0.1"])
def test_a_whole_network_without_codes_is_refused(host: str) -> None:
    with pytest.raises(BadSetting, match=rf"{re.escape(host)} opens this to a whole network.*users add"):
        read("--host", host)
    with pytest.raises(BadSetting, match="whole network"):
        read(GRADIO_SERVER_NAME=host)


@pytest.mark.parametrize("host", [None, "", "localhost", "127.0.0.1", "127.8.0.1", "::1", "[::1]"])
def test_this_machine_needs_no_codes(host: str | None) -> None:
    assert is_local(host)


def test_with_codes_and_no_certificate_it_says_that_all_is_in_clear(tmp_path: Path) -> None:
    add(tmp_path / "class.json", ("ada",))

    chosen = read("--host", "0.0.0.0", "--auth", str(tmp_path / "class.json"))

    assert not chosen.settings.protected
    assert "cross the network in clear; the camera is off" in start_words(chosen)


def test_with_a_certificate_it_is_protected(tmp_path: Path) -> None:
    add(tmp_path / "class.json", ("ada",))
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).touch()
    words = ("--host", "0.0.0.0", "--auth", str(tmp_path / "class.json"))

    assert read(
        *words, "--certificate", str(tmp_path / "c.pem"), "--key", str(tmp_path / "k.pem")
    ).settings.protected
    with pytest.raises(BadSetting, match="Give both --certificate and --key"):
        read(*words, "--certificate", str(tmp_path / "c.pem"))
    with pytest.raises(BadSetting, match="There is no file"):
        read("--auth", str(tmp_path / "nobody.json"))


def test_a_hosting_space_has_a_door_of_its_own() -> None:
    assert read(GRADIO_SERVER_NAME="0.0.0.0", SPACE_ID="some/space").settings.protected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--pictures", "0"), r"pictures is 0\. Choose 1 or more"),
        (("--worker-gb", "-1"), r"worker-gb is -1\. Choose 0 or more"),
        (("--hours-kept", "nan"), r"hours-kept is nan\. Choose 0 or more"),
    ],
)
def test_a_figure_that_cannot_work_is_refused(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        read(*words)
