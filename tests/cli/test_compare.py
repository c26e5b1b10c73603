"""`headswap compare`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from headswap.cli.shell import call_of

LITE = "tf_efficientnet_lite0"


def test_a_table_and_a_plot_of_what_could_be_judged(
    few_drawings: Path, tmp_path: Path, shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    code = shell(
        "compare", few_drawings, "--models", LITE, "nothing", "--folds", 4, "--plot", tmp_path / "p.svg"
    )

    said = capsys.readouterr().out
    assert code == 0
    assert "% to" in said
    assert "nothing: No zoo has a network called 'nothing'" in said
    assert "24 pictures, each judged by a head that never saw it (4 folds)" in said
    assert LITE in ElementTree.parse(tmp_path / "p.svg").getroot().attrib["aria-label"]


def test_the_record_holds_every_row(few_drawings: Path, answer: Callable[..., dict[str, Any]]) -> None:
    record = answer("compare", few_drawings, "--models", LITE, "--folds", 4)

    assert record["counts"] == {"bird": 8, "fruit": 8, "vehicle": 8}
    assert record["rows"][0]["accuracy"] > 0.8
    assert record["rows"][0]["ms_per_picture"] > 0


def test_one_network_is_nothing_to_compare_and_that_comes_first(
    few_drawings: Path, shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell("compare", few_drawings, "--models", LITE, "--folds", 4) == 0

    assert capsys.readouterr().out.startswith("One network is nothing to compare")


@pytest.mark.parametrize(
    ("plot", "sentence"), [("p.png", "Let its name end in .svg"), ("nowhere/p.svg", "There is no folder")]
)
def test_a_plot_that_cannot_be_written_is_said_before_the_work(
    plot: str, sentence: str, few_drawings: Path, tmp_path: Path, shell: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert shell("compare", few_drawings, "--models", LITE, "--plot", tmp_path / plot) == 2

    assert sentence in capsys.readouterr().err


def test_a_race_ends_with_one_table_and_the_command_that_takes_the_winner(
    few_drawings: Path, tmp_path: Path, shell: Callable[..., int], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # what this machine has fetched does not race
    plot = tmp_path / "race.svg"
    drawings = shutil.copytree(few_drawings, tmp_path / "drawings")
    (drawings / "bird" / "broken.png").write_bytes(b"no picture")

    code = shell(
        "compare", drawings, "--models", "auto", "--most-mb", 19, "--any-use", "--seed", 7, "--plot", plot
    )

    said = capsys.readouterr().out
    assert code == 0
    assert f"{LITE} is the only network that could be judged" in said
    assert "Decided on 18 practice pictures" in said
    assert "On the 6 exam pictures, which the race never looked at" in said
    assert "left out: bird/broken.png" in said
    command = said.splitlines()[-1]
    assert command == f"  headswap teach {drawings} --model timm/{LITE} --seed 7"
    taken = call_of(command.split()[1:])
    assert taken is not None
    assert taken.arguments["model"] == f"timm/{LITE}"
    assert LITE in ElementTree.parse(plot).getroot().attrib["aria-label"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("auto", "--most-ms", "0"), "most_ms is 0.0. Choose a number above 0"),
        ((LITE, "--fetch"), "Limits and fetching are for a race among networks"),
        ((LITE, "auto"), "auto was given together with names of networks"),
    ],
)
def test_choices_of_a_race_that_do_not_go_together_are_one_sentence(
    words: tuple[str, ...], sentence: str, few_drawings: Path, shell: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert shell("compare", few_drawings, "--models", *words) == 2

    assert sentence in capsys.readouterr().err
