"""What version 0.1 left on people's disks still opens and says the same: two bundles and a saved project.

`tests/version_0_1/` was written by version 0.1.0 (commit e57e92f) from the sample drawings, with a network of
random weights: a solved head whose answers are the mean of image and mirror image, and a run in which the
last blocks moved too.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import headswap
from headswap.pipeline.project_file import unpack_project

HERE = Path(__file__).parent / "version_0_1"


@pytest.mark.parametrize("kind", ["head", "last"])
def test_a_bundle_of_version_0_1_gives_the_answers_that_it_gave(kind: str, sample: Path) -> None:
    then: dict[str, dict[str, float]] = json.loads((HERE / "predictions.json").read_text("utf-8"))[kind]

    bundle = headswap.load_bundle(HERE / kind)

    assert len(then) == 4
    for name, probabilities in then.items():
        now = bundle.predict(sample / "try" / name).probabilities
        assert now == pytest.approx(probabilities, abs=1e-4), name


def test_a_project_of_version_0_1_opens_with_its_images_and_its_run(tmp_path: Path) -> None:
    opened = unpack_project(HERE / "project.headswap.zip", tmp_path)

    assert opened.name == "Birds & <b>fruit</b>"
    assert len(opened.runs) == 1
    assert len(list((tmp_path / "images").iterdir())) == 24
