"""Several networks on the same pictures: kept rows, networks that cannot be had, a stop on the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import headswap
from headswap.errors import BadSetting, TooFewImages
from headswap.events import Event, Note, Progress
from headswap.pipeline.compare import compare
from headswap.pipeline.comparison import ComparisonRow

LITE = "tf_efficientnet_lite0"


def test_a_network_that_cannot_be_had_is_listed_and_ends_nothing(few_drawings: Path, workspace: Path) -> None:
    found = compare(few_drawings, models=["no-such-network", LITE], folds=4, workspace=workspace)

    missing, row = found.rows
    assert missing.state == "not done"
    assert "no-such-network" in missing.reason
    assert row.model == f"timm/{LITE}"
    assert row.total == 24
    assert row.accuracy == row.right / 24
    assert row.interval is not None
    assert row.interval[0] < (row.accuracy or 0) <= row.interval[1]
    assert (row.accuracy or 0) > 0.8
    wide = 3 * 6240 + 3 if row.head == "wide" else 0  # a head over every block stands next to the plain one
    assert row.parameters == 3_371_008 + 3 * 1280 + 3 + wide
    assert row.right_last <= row.right
    assert (row.size_bytes or 0) > 4 * row.parameters
    assert (row.ms_per_image or 0) > 0
    assert found.best == row
    assert found.baseline_accuracy == pytest.approx(1 / 3)


def test_the_body_is_never_run_twice_and_a_finished_row_is_kept(
    few_drawings: Path, workspace: Path, tmp_path: Path
) -> None:
    first = headswap.compare(few_drawings, models=[LITE], workspace=workspace, folds=4)
    heard: list[Event] = []
    again = headswap.compare(few_drawings, models=[LITE], workspace=workspace, folds=4, listener=heard.append)
    other = headswap.compare(few_drawings, models=[LITE], workspace=workspace, folds=3)

    assert again.rows == first.rows
    assert not [event for event in heard if isinstance(event, Progress) and event.step != "pictures"]
    assert other.rows[0].computed == 0, "other folds need no new features"


def test_a_network_that_was_trained_again_under_its_name_is_measured_again(
    few_drawings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = tmp_path / "seed.txt"
    (tmp_path / "of_one_name.py").write_text(
        "import torch\nfrom pathlib import Path\nfrom tests.pipeline.tiny_network import TinyNetwork\n\n"
        "def network():\n"
        f"    torch.manual_seed(int(Path({str(seed)!r}).read_text()))\n"
        "    return TinyNetwork().eval()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def rows(number: int) -> tuple[ComparisonRow, ...]:
        seed.write_text(str(number))
        return compare(few_drawings, models=["of_one_name:network"], folds=3, workspace=tmp_path / "w").rows

    first, other = rows(0), rows(1)

    assert {row.state for row in (*first, *other)} == {"done"}
    assert len(list((tmp_path / "w" / "comparisons").iterdir())) == 2
    assert rows(0) == first
    assert rows(1) == other


def test_a_stop_keeps_the_rows_that_are_there(few_drawings: Path, workspace: Path) -> None:
    def stop_at_the_second(event: Event) -> None:
        if isinstance(event, Note) and "2 of 2" in event.sentence:
            raise KeyboardInterrupt

    found = compare(
        few_drawings, models=[LITE, "resnet18"], folds=4, workspace=workspace, listener=stop_at_the_second
    )

    assert found.stopped
    assert [row.model for row in found.rows] == [f"timm/{LITE}"]


def test_features_are_shared_with_teaching(few_drawings: Path, tmp_path: Path) -> None:
    headswap.teach(few_drawings, out=tmp_path / "bundle", workspace=tmp_path / "work")

    found = compare(few_drawings, models=[LITE], workspace=tmp_path / "work", folds=3)

    assert found.rows[0].computed == 0, "no picture goes through the body twice"


def test_a_class_of_one_image_cannot_be_judged(few_drawings: Path, tmp_path: Path, workspace: Path) -> None:
    shutil.copytree(few_drawings / "bird", tmp_path / "set" / "bird")
    (tmp_path / "set" / "bug").mkdir()
    shutil.copy(next((few_drawings / "fruit").iterdir()), tmp_path / "set" / "bug")

    with pytest.raises(TooFewImages, match="bug has not two pictures that differ"):
        compare(tmp_path / "set", models=[LITE], workspace=workspace)


@pytest.mark.parametrize(
    ("models", "folds", "sentence"),
    [([], 5, "There is no network to compare"), ([LITE], 1, "folds is 1"), ([LITE], 21, "Choose 2 to 20")],
)
def test_settings_that_cannot_be_are_refused(
    models: list[str], folds: int, sentence: str, few_drawings: Path, workspace: Path
) -> None:
    with pytest.raises(BadSetting, match=sentence):
        compare(few_drawings, models=models, folds=folds, workspace=workspace)
