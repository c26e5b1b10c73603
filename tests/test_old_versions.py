"""What older versions left on people's disks still opens and says the same: bundles, and a project of each.

All were written from the sample drawings, with a network of random weights. `tests/version_0_1/` by 0.1.0
(commit e57e92f): a solved head whose answers are the mean of image and mirror image, and a run in which the
last blocks moved too. `tests/version_0_2/` by 0.2.0 (commit 9b9df67d): a head on every layer, with the
features that it keeps; a head with norms that moved; a head of several labels.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import headswap
from headswap.pipeline.project_file import unpack_project

HERE = Path(__file__).parent
BUNDLES = [path.parent for path in sorted(HERE.glob("version_*/*/bundle.json"))]


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_bundle_gives_the_answers_that_it_gave(bundle: Path, sample: Path) -> None:
    said = json.loads((bundle.parent / "predictions.json").read_text("utf-8"))
    then: dict[str, dict[str, float]] = said[bundle.name]

    loaded = headswap.load_bundle(bundle)

    assert len(then) == 4
    for name, probabilities in then.items():
        now = loaded.predict(sample / "try" / name).probabilities
        assert now == pytest.approx(probabilities, abs=1e-4), name


def test_five_bundles_of_two_versions_are_tried() -> None:
    assert len(BUNDLES) == 5


@pytest.mark.parametrize(("version", "images"), [("version_0_1", 24), ("version_0_2", 16)])
def test_a_project_opens_with_its_images_and_its_run(version: str, images: int, tmp_path: Path) -> None:
    opened = unpack_project(HERE / version / "project.headswap.zip", tmp_path)

    assert opened.name == "Birds & <b>fruit</b>"
    assert len(opened.runs) == 1
    assert len(list((tmp_path / "images").iterdir())) == images


def test_features_that_0_2_kept_still_give_other_classes(tmp_path: Path) -> None:
    done = headswap.edit(
        HERE / "version_0_2" / "wide", tmp_path / "fewer", remove=["bug"], merge={"living": ["bird", "fruit"]}
    )

    assert sorted(done.report.classes) == ["living", "vehicle"]
    assert done.train_images > 30
