from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from headswap.app.service.exports import ExportView, ZipEntry
from headswap.app.ui.steps.export_panel import agreement, example, zip_panel
from headswap.app.ui.widgets.html import rendered
from headswap.exports.parity import ExpectedAnswer, Route, check_of


@pytest.fixture
def ready(tmp_path: Path, hostile: str) -> ExportView:
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.writestr("x", b"0" * 4000)
    sure = {"mug": 0.93, hostile: 0.07}
    expected = [
        ExpectedAnswer(file="check/exam-01.png", truth="mug", label="mug", probabilities=sure),
        ExpectedAnswer(
            file="check/rotated.jpg", truth=None, label="mug", probabilities={"mug": 0.6, hostile: 0.4}
        ),
    ]  # fmt: skip
    ways = [
        Route(name="page", images=2, same=2, largest_difference=1.25e-5),
        Route(name="model.onnx", problem=f"It has {hostile} in it."),
    ]
    sizes = {"weights.safetensors": 2_500_000, "check/a.png": 100, "check/b.png": 200, "seal.json": 7}
    sizes["report.json"] = 3
    return ExportView(
        state="ready", share=1.0, zip_file=tmp_path / "mine.zip",
        contents=tuple(ZipEntry(*entry) for entry in sizes.items()), check=check_of(ways, expected),
    )  # fmt: skip


def test_what_is_in_the_zip_is_named_with_its_purpose_and_size(ready: ExportView) -> None:
    table = rendered(zip_panel(ready))

    assert "mine.zip" in table
    assert "5 files, 2.5\u00a0MB unpacked" in table
    assert "The numbers of the network, body and new head" in table
    assert "1 picture of yours and 1 drawn ones" in table
    assert "300\u00a0B" in table  # both pictures together
    assert "For headswap itself: 2 records" in table
    assert "10\u00a0B" in table


def test_each_way_says_on_how_many_images_it_is_the_same(ready: ExportView, hostile: str) -> None:
    panel = rendered(agreement(ready.check))

    assert "This page" in panel
    assert "same on 2 of 2" in panel
    assert "not run" in panel
    assert "Largest difference in any answer: 0.000013. Allowed is 0.001." in panel
    assert hostile not in panel
    assert "They do not all say the same" not in panel


def test_a_difference_beyond_the_bound_is_a_warning(ready: ExportView) -> None:
    check = check_of([Route(name="predict.py", images=2, same=1, largest_difference=0.2)], [])

    panel = rendered(agreement(check))

    assert "They do not all say the same." in panel
    assert "same on 1 of 2" in panel


def test_the_example_shows_what_it_really_says(ready: ExportView, hostile: str) -> None:
    shown = rendered(example(ready))

    assert "python predict.py check/exam-01.png" in shown
    assert " 93 %" in shown
    assert hostile not in shown


def test_progress_failure_and_nothing_yet_each_have_their_words(ready: ExportView) -> None:
    packing = rendered(zip_panel(ExportView(state="packing", sentence="Running predict.py.", share=0.45)))
    failed = rendered(zip_panel(replace(ready, state="failed", problem="No <room>.", remedy="Free some.")))

    assert 'aria-valuenow="45"' in packing
    assert "Running predict.py." in packing
    assert "No &lt;room&gt;." in failed
    assert "Nothing to take home yet" in rendered(zip_panel(ExportView(state="not begun")))


def test_the_commands_can_be_copied_as_they_stand(ready: ExportView) -> None:
    lines = rendered(example(ready)).partition('aria-label="Example">')[2].splitlines()

    assert lines[:2] == ["pip install -r requirements.txt", "python predict.py check/exam-01.png"]
    assert not [line for line in lines if "$" in line]
