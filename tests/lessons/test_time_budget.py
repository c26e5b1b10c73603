"""An experiment of a slow network does less, and says so; of a quick one, nothing is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from headswap.lessons import material as materials
from headswap.lessons.catalogue import run_lesson
from headswap.lessons.config import LessonConfig
from headswap.lessons.material import Material
from headswap.lessons.time_budget import how_to_train, images_to_see
from tests.pipeline.tiny_network import TINY


def test_a_quick_network_sees_every_image_and_practises_as_often_as_was_set() -> None:
    assert images_to_see(14, 0.003, least=24, most=96) == 96
    assert how_to_train(12, 0.011, images=72, most=4).epochs == 4
    assert how_to_train(12, 0.011, images=72, most=4).every == 1


@pytest.mark.parametrize("image_s", [0.02, 0.05, 0.2, 1.0, 10.0])
def test_the_slower_a_network_the_fewer_images_and_passes(image_s: float) -> None:
    train = how_to_train(12, image_s, images=72, most=4)

    steps = train.epochs * len(range(0, 72, train.every))
    assert train.epochs >= 1
    assert steps == 1 or 2 * steps * image_s <= 12 * 1.1
    assert images_to_see(14, image_s, least=24, most=96) < 96
    assert images_to_see(14, image_s, least=24, most=96) >= 24


@pytest.fixture(scope="module")
def tiny(tiny_weights: Path) -> LessonConfig:
    """What is left out is the same of any network; and of sixteen images."""
    return LessonConfig(model=TINY, weights=str(tiny_weights), most_images=16, small_px=32)


def test_what_was_left_out_is_said(
    tiny: LessonConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(materials, "seconds_to_see", lambda body, images: 0.5)
    monkeypatch.setattr(materials, "seconds_to_train", lambda network, site, spec: 0.5)

    result = run_lesson("everything", replace(tiny, most_images=96), workspace=tmp_path)

    assert result.images == 24
    assert result.sentences[-1].endswith("only 24 pictures were used and it practised for only 1 pass.")
    assert "1 pass." in result.sentences[1]


def test_what_one_experiment_left_out_is_not_said_of_the_next(
    tiny: LessonConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(materials, "seconds_to_train", lambda network, site, spec: 0.5)
    material = Material(tiny, tmp_path)

    slow = run_lesson("everything", workspace=tmp_path, material=material)
    other = run_lesson("which-layer", workspace=tmp_path, material=material)

    assert "practised for only" in slow.sentences[-1]
    assert not [line for line in other.sentences if "practised for only" in line]


def test_few_images_of_a_slow_network_are_all_used_and_nothing_is_said(
    tiny: LessonConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(materials, "seconds_to_see", lambda body, images: 0.5)
    for number, name in enumerate(("a", "b")):
        (tmp_path / "set" / name).mkdir(parents=True)
        for shade in range(5):
            noise = np.random.default_rng(10 * number + shade).integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "set" / name / f"{shade}.png")
    material = Material(replace(tiny, data=str(tmp_path / "set"), most_images=96), tmp_path / "work")

    assert len(material.manifest.images) == 10
    assert material.slowness == ""


def test_nothing_is_said_where_nothing_was_left_out(tiny: LessonConfig, tmp_path: Path) -> None:
    material = Material(replace(tiny, seconds=10_000), tmp_path)

    assert len(material.manifest.images) == 16
    assert material.slowness == ""


def test_measuring_a_network_changes_nothing_of_what_is_drawn_by_chance(
    tiny: LessonConfig, tmp_path: Path
) -> None:
    material = Material(tiny, tmp_path)
    assert material.small.height == 32  # loads the network
    assert material.draws
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)

    assert material.train.epochs >= 1

    assert torch.equal(torch.rand(3), wanted)
