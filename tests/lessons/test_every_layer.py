"""A head on each block alone: on drawings the late blocks know it, and no network is asked twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from headswap import lessons
from headswap.lessons.every_layer import LESSON
from headswap.lessons.lesson import LessonResult
from headswap.lessons.material import Material

Ran = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[LessonResult, ...]]


def test_on_the_sample_set_the_last_blocks_know_more_than_the_first_on_every_seed(seen: Run) -> None:
    for result in seen("every-layer", whole=True):
        blocks = [number.value for number in result.numbers if number.name.startswith("block_")]

        assert len(blocks) == 12
        assert sum(blocks[-4:]) / 4 > sum(blocks[:4]) / 4 + 0.1
        assert result["best_block"] > 6
        assert result.shows


def test_all_other_lessons_are_given_the_last_features_alone(material: Material) -> None:
    features, (whole, _) = material.features(), material.block_features()

    assert features.shape[1] == sum(material.site.in_features) < whole.shape[1]
    assert torch.allclose(features, whole[:, -features.shape[1] :], rtol=1e-2, atol=1e-2)
    folder = Path(lessons.__file__).parent
    files = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    for word in ("block_features", "heads.wide", "taps"):
        assert {name for name, text in files.items() if word in text} <= {"material", "every_layer"}


def test_every_block_has_an_interval_and_the_sentences_say_what_was_measured(seen: Run) -> None:
    (result,) = seen("every-layer", seeds=(0,))

    for number in result.numbers:
        if number.name.startswith("block_") or number.name == "all":
            assert (number.low or 0) <= number.value <= (number.high or 0)
    best = max(n.value for n in result.numbers if n.name.startswith("block_"))
    assert f"with {100 * best:.0f} %" in result.sentences[1]
    assert f"All together get {100 * result['all']:.0f} %." in result.sentences[1]


def test_what_the_blocks_give_side_by_side_is_what_a_wide_head_reads(material: Material) -> None:
    features, widths = material.block_features()

    assert features.shape == (len(material.manifest.images), sum(widths)) == (64, 6240)
    assert widths[-1] == 1280 + 1280, "spread of the last block, and what reaches the head"


def test_both_versions_run(ran: Ran) -> None:
    assert ran(LESSON, 0, "wrong")["width"] == 576
    assert ran(LESSON, 0, "right")["width"] == 1160
