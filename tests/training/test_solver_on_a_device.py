"""A head whose blocks a pretended CUDA device works on: the same head, also where the device is full."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from headswap.training.config import TrainConfig
from headswap.training.linear import blocks, solver
from headswap.training.linear.blocks import Block, RowBlocks
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.logistic import loss_and_slope
from headswap.training.linear.solver import SolvedHead, fit_head
from tests.pretend_device import OnDevice, pretend_device

IMAGES, WIDTH, CLASSES = 400, 24, 4
CONFIG = TrainConfig(l2_grid=(0.01, 0.1), folds=3)


def drawn(*, several: bool = False) -> LabeledFeatures:
    source = torch.Generator().manual_seed(0)
    numbers = torch.arange(IMAGES) % CLASSES
    centres = torch.randn(CLASSES, WIDTH, generator=source)
    features = torch.randn(IMAGES, WIDTH, generator=source) * 2 + centres[numbers]
    if not several:
        return LabeledFeatures(features, numbers, CLASSES)
    labels = torch.rand(IMAGES, CLASSES, generator=source).round()
    labels[::7, 1] = torch.nan
    return LabeledFeatures(features, labels, CLASSES)


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Block]]:
    """Blocks that went to the device, for a solver that finds everything large and has blocks of 64."""
    seen: list[Block] = []
    there = Block.on

    def on(self: Block, device: str) -> Block:
        seen.append(there(self, device))
        return seen[-1]

    monkeypatch.setattr(solver, "_LARGE", 0)
    monkeypatch.setattr(blocks, "_MOST_ROWS", 64)
    monkeypatch.setattr(blocks, "_FEWEST_ROWS", 1)
    with patch.object(Block, "on", on):
        yield seen


def equal(first: SolvedHead, second: SolvedHead) -> bool:
    pairs: list[tuple[Tensor | None, Tensor | None]] = [
        (first.weight, second.weight),
        (first.bias, second.bias),
        (first.fold_logits, second.fold_logits),
    ]
    same = [one is not None and other is not None and torch.equal(one, other) for one, other in pairs]
    return all(same) and first.l2 == second.l2 and first.fold_losses == second.fold_losses


@pytest.mark.parametrize("several", [False, True], ids=["one label", "several, some of them not known"])
def test_the_head_is_that_of_the_processor(uploads: list[Block], several: bool) -> None:
    images = drawn(several=several)
    wanted = fit_head(images, config=CONFIG)
    assert uploads == []

    with pretend_device("cuda"):
        found = fit_head(images, config=CONFIG)

    assert equal(wanted, found)
    assert not isinstance(found.weight, OnDevice)
    assert all(isinstance(block.rows, OnDevice) for block in uploads)
    assert sum(len(block.rows) for block in uploads) == IMAGES  # each once, for all passes


def test_what_has_no_room_to_stay_comes_for_each_pass(
    uploads: list[Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = drawn()
    wanted = fit_head(images, config=CONFIG)
    monkeypatch.setattr(blocks, "free_memory", lambda _device: 2 * 3 * 64 * (WIDTH + 3) * 4)

    with pretend_device("cuda"):
        found = fit_head(images, config=CONFIG)

    assert equal(wanted, found)
    rows = [len(block.rows) for block in uploads]
    assert sum(rows) > 10 * IMAGES
    first = uploads[0].positions
    assert sum(torch.equal(block.positions, first) for block in uploads) == 1  # this one stayed


def test_a_device_that_is_full_leaves_it_to_the_processor_and_keeps_nothing(
    uploads: list[Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = drawn()
    wanted = fit_head(images, config=CONFIG)
    there = loss_and_slope
    first: list[weakref.ref[Tensor]] = []
    alive: list[bool] = []

    def full_in_the_second_pass(blocks: RowBlocks, *more: Any) -> tuple[Tensor, Tensor]:
        if blocks.device == "cuda" and not first:
            found = there(blocks, *more)
            first.append(weakref.ref(uploads[0].rows))
            uploads.clear()
            return found
        if blocks.device == "cuda" and first:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return there(blocks, *more)

    def released(device: str) -> None:
        if first:
            alive.append(first[0]() is not None)

    monkeypatch.setattr(solver, "loss_and_slope", full_in_the_second_pass)
    monkeypatch.setattr(solver, "release_memory", released)

    with pretend_device("cuda"):
        found = fit_head(images, config=CONFIG)

    assert equal(wanted, found)
    assert alive == [False], "what is given back to the device is held by no one"


def test_a_device_without_room_for_one_block_leaves_it_to_the_processor(uploads: list[Block]) -> None:
    images = drawn()
    wanted = fit_head(images, config=CONFIG)

    with pretend_device("cuda", largest_bytes=1000):
        found = fit_head(images, config=CONFIG)

    assert equal(wanted, found)


def test_another_fault_of_the_device_is_told(uploads: list[Block], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(solver, "loss_and_slope", broken)

    with pretend_device("cuda"), pytest.raises(RuntimeError, match="illegal memory access"):
        fit_head(drawn(), config=CONFIG)


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_few_images_stay_on_the_processor_and_so_do_all_on_a_mac(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "mps":
        monkeypatch.setattr(solver, "_LARGE", 0)

    def never(self: Block, device: str) -> Block:
        raise AssertionError(f"a block goes to {device}")

    with patch.object(Block, "on", never), pretend_device(name):  # type: ignore[arg-type]
        found = fit_head(drawn(), config=CONFIG)

    assert found.weight.shape == (CLASSES, WIDTH)
