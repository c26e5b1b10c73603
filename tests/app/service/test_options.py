from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from headswap.app.jobs.cluster import ClusterState
from headswap.app.jobs.job import JobState
from headswap.app.jobs.queue import Queue
from headswap.app.jobs.store import Store
from headswap.app.processes.local import LocalRunner
from headswap.app.service.accounts import add
from headswap.app.service.limits import PROFILES
from headswap.app.service.options import Options, ServeChoices, choices_of, is_local, start_text
from headswap.cli.shell import call_of
from headswap.errors import BadSetting
from headswap.storage.locations import default_workspace, sample_folder
from tests.app.jobs.conftest import UNTIL_TOLD, WORKER, Office


def read(*words: str, **environment: str) -> Options:
    call = call_of(["serve", *words])
    assert call is not None
    return choices_of(ServeChoices(**call.arguments), environment)


@pytest.fixture
def have_processors(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets this machine have so many of them."""

    def have(number: int) -> None:
        monkeypatch.setattr("os.sched_getaffinity", lambda _process: set(range(number)), raising=False)

    return have


def test_without_a_word_it_serves_one_person_at_this_machine() -> None:
    chosen = read()

    assert (chosen.profile, chosen.server_address.host, chosen.server_address.people) == ("me", None, None)
    assert chosen.settings.limits.spare
    assert chosen.settings.protected
    assert chosen.settings.workspace == default_workspace()
    assert chosen.settings.sample == sample_folder() / "train"


def test_what_may_take_long_has_its_seconds() -> None:
    limits = read("--import-timeout-s", "60", "--answer-timeout-s", "7").settings.limits

    assert (limits.import_timeout_s, limits.answer_timeout_s) == (60.0, 7.0)


def test_the_workspace_is_named_by_an_option_or_by_the_environment(tmp_path: Path) -> None:
    named, other = tmp_path / "named", tmp_path / "other"

    assert read(HEADSWAP_WORKSPACE=str(other)).settings.workspace == other
    assert read("--workspace", str(named), HEADSWAP_WORKSPACE=str(other)).settings.workspace == named


@pytest.mark.parametrize(
    ("words", "environment", "opens"),
    [
        ((), {}, False),
        ((), {"DISPLAY": ":0"}, True),
        ((), {"WAYLAND_DISPLAY": "wayland-0"}, True),
        (("--host", "127.0.0.1"), {"DISPLAY": ":0"}, True),
        (("--no-browser",), {"DISPLAY": ":0"}, False),
        (("--browser",), {}, True),
        ((), {"DISPLAY": ":0", "CI": "true"}, False),
        ((), {"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "10.0.0.2 1 10.0.0.1 22"}, False),
        ((), {"DISPLAY": ":0", "SPACE_ID": "some/space", "GRADIO_SERVER_NAME": "0.0.0.0"}, False),
        (("--for", "class", "--auth", __file__), {"DISPLAY": ":0"}, False),
        (("--for", "lab", "--auth", __file__), {"DISPLAY": ":0"}, False),
    ],
)
def test_a_browser_opens_for_one_person_at_a_screen_and_nowhere_else(
    words: tuple[str, ...], environment: dict[str, str], opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")

    assert read(*words, **environment).server_address.opens_browser is opens


def test_windows_and_macos_need_no_display_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for platform in ("win32", "darwin"):
        monkeypatch.setattr(sys, "platform", platform)
        assert read().server_address.opens_browser


@pytest.mark.parametrize("who", ["class", "lab"])
def test_a_class_or_lab_without_codes_is_refused_with_the_line_to_type(who: str) -> None:
    with pytest.raises(BadSetting, match=rf"headswap users add {who}\.json NAME .* --auth {who}\.json"):
        read("--for", who)


@pytest.mark.parametrize("port", ["0", "-1", "65536"])
def test_a_port_that_does_not_exist_is_refused(port: str) -> None:
    with pytest.raises(BadSetting, match=rf"The port is {port}\. Choose one from 1 to 65535"):
        read("--port", port)


def test_a_class_pays_no_memory_for_spares_and_single_figures_can_be_changed() -> None:
    chosen = read("--for", "class", "--auth", __file__, "--pictures", "300", "--hours-kept", "0", "--spare")

    assert not read("--for", "class", "--auth", __file__).settings.for_queue().spare_idle_s
    assert read("--for", "class", "--auth", __file__).settings.for_queue().worker_bytes == 4_000_000_000
    assert (chosen.settings.limits.pictures, chosen.settings.limits.hours_kept) == (300, 0)
    assert chosen.settings.for_queue().spare_idle_s > 0


def test_every_figure_is_said_at_the_start() -> None:
    said = start_text(read("--for", "lab", "--auth", __file__, "--disk-gb", "7.5", "--worker-gb", "0"))

    assert said.startswith("headswap for a lab, in ")
    assert re.search(r"disk for one person +7\.5 GB\n", said)
    assert re.search(r"memory for one run +no limit\n", said)
    assert re.search(r"size of one picture +200 megapixels\n", said)
    assert re.search(r"a spare worker is kept warm +no\n", said)
    assert re.search(rf"who comes in +the names in {re.escape(__file__)}\n", said)
    assert re.search(r"who comes in +anyone at this machine\n", start_text(read()))


def test_what_the_system_does_not_hold_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    held = start_text(read())
    monkeypatch.setattr("platform.system", lambda: "Windows")
    monkeypatch.setattr("headswap.app.service.options.is_held_by_system", lambda: False)

    said = start_text(read())

    assert "The process that reads strangers' pictures " in held
    assert "each is watched" not in held or sys.platform != "linux"
    assert "is not held on this system (Windows): it may do what the server may." in said
    assert "This system holds no process to its memory: each is watched" in said


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
    assert "cross the network in clear; the camera is off" in start_text(chosen)


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


@pytest.mark.parametrize("profile", PROFILES)
def test_without_a_word_one_run_is_taught_and_may_use_every_processor(
    profile: str, have_processors: Callable[[int], None]
) -> None:
    have_processors(64)

    settings = read("--for", profile, "--auth", __file__).settings.for_queue()

    assert (settings.capacity, settings.threads) == (1, 0)
    assert read("--for", profile, "--auth", __file__, "--runs", "1").settings.for_queue() == settings


@pytest.mark.parametrize(("runs", "threads"), [(2, 32), (5, 12), (48, 1), (64, 1)])
def test_runs_at_the_same_time_share_the_processors(
    runs: int, threads: int, have_processors: Callable[[int], None]
) -> None:
    have_processors(64)

    settings = read("--runs", f"{runs}").settings.for_queue()

    assert (settings.capacity, settings.threads) == (runs, threads)


@pytest.mark.parametrize(
    ("here", "said"),
    [
        (8, r"runs is 9, and this server may use 8 processors\. Choose 1 to 8\."),
        (1, r"runs is 9, and this server may use 1 processor\. Choose 1\."),
    ],
)
def test_more_runs_than_processors_are_refused(
    here: int, said: str, have_processors: Callable[[int], None]
) -> None:
    have_processors(here)

    with pytest.raises(BadSetting, match=said):
        read("--runs", "9")


def test_how_many_runs_there_are_at_the_same_time_is_said_at_the_start(
    have_processors: Callable[[int], None],
) -> None:
    have_processors(64)

    def said(*words: str, processors: int) -> str:
        return start_text(read(*words), ClusterState(processors=processors))

    assert re.search(r"runs taught at the same time on this machine +1\n", start_text(read()))
    assert "a cluster (12 processors; 8 runs at the same time)\n" in said(processors=12)
    assert "a cluster (3 processors; 4 runs at the same time)\n" in said("--runs", "4", processors=3)
    assert "a cluster (1 processor; 1 run at the same time)\n" in said(processors=1)


def test_two_people_are_served_at_the_same_time_and_a_third_waits(
    tmp_path: Path, have_processors: Callable[[int], None]
) -> None:
    have_processors(6)
    settings = replace(read("--runs", "2", "--no-spare").settings.for_queue(), room_bytes=0)
    store = Store(tmp_path / "jobs.db")
    office = Office(store, Queue(store, LocalRunner(), settings, worker=WORKER))
    try:
        ann, bob, cyd = (office.submit(owner=name, **UNTIL_TOLD) for name in ("ann", "bob", "cyd"))
        office.tick_until(lambda: all(office.job(job_id).progress is not None for job_id in (ann, bob)))
        waiting = (office.job(cyd).state, office.queue.position(cyd))
        given = [_environment(office.job(job_id).worker) for job_id in (ann, bob)]
        first = office.end(ann)
        taken = office.claimed(cyd)

        assert waiting == (JobState.QUEUED, 1)
        assert first.state == JobState.DONE
        assert (taken.state, office.job(bob).state) == (JobState.RUNNING, JobState.RUNNING)
        if sys.platform == "linux":
            assert all("OMP_NUM_THREADS=3" in variables for variables in given)
    finally:
        office.stop_everybody()


def _environment(worker: str) -> set[str]:
    file = Path("/proc", worker.partition(":")[0], "environ")
    return set(file.read_text(encoding="utf-8").split("\0")) if file.exists() else set()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--runs", "0"), r"runs is 0\. Choose 1 or more"),
        (("--runs", "-1"), r"runs is -1\. Choose 1 or more"),
        (("--pictures", "0"), r"pictures is 0\. Choose 1 or more"),
        (("--worker-gb", "-1"), r"worker-gb is -1\. Choose 0 or more"),
        (("--hours-kept", "nan"), r"hours-kept is nan\. Choose 0 or more"),
    ],
)
def test_a_figure_that_cannot_work_is_refused(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        read(*words)
