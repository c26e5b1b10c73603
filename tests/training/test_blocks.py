"""Heads solved on row blocks: the same as from one table, the same bits wherever blocks are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from headswap.threads import torch_threads
from headswap.training.linear import blocks, solver
from headswap.training.linear.blocks import Answer, Each, RowBlocks
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.lock_step import in_lock_step
from headswap.training.linear.logistic import held_out_logits, held_out_losses, loss_and_slope
from headswap.training.linear.ridge import fit_ridge
from headswap.training.linear.solver import fit_head, span_of

IMAGES, WIDTH, CLASSES, FOLDS = 900, 12, 5, 3


def drawn(count: int = IMAGES, width: int = WIDTH, classes: int = CLASSES) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, width, generator=source)
    return torch.randn(count, width, generator=source) * 2 + centres[labels], labels


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks of 64 rows; returns how many there are of nine hundred images in three folds."""
    monkeypatch.setattr(blocks, "_MOST_ROWS", 64)
    monkeypatch.setattr(blocks, "_FEWEST_ROWS", 1)
    return 15


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As where heads are solved: the last digits depend on the number."""
    with torch_threads(1):
        yield


def row_blocks(each: Each = blocks.here) -> RowBlocks:
    features, labels = drawn()
    folds = np.random.default_rng(1).permutation(np.arange(IMAGES) % FOLDS)
    return replace(span_of(LabeledFeatures(features, labels, CLASSES), folds, centre=True).images, each=each)


def solutions() -> Tensor:
    return torch.randn(FOLDS, CLASSES, WIDTH + 1, generator=torch.Generator().manual_seed(2))


def last_first(work: Callable[[int], Answer], numbers: Sequence[int]) -> Iterator[tuple[int, Answer]]:
    for number in reversed(numbers):
        yield number, work(number)


def many_at_once(work: Callable[[int], Answer], numbers: Sequence[int]) -> Iterator[tuple[int, Answer]]:
    with ThreadPoolExecutor(
        4, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:  # each has its own number
        asked = {pool.submit(work, number): number for number in numbers}
        for done in as_completed(asked):
            yield asked[done], done.result()


def test_sums_over_blocks_are_those_of_one_table(small_blocks: int) -> None:
    images, tried = row_blocks(), solutions()

    losses, slopes = loss_and_slope(images, tried, [0, 1, None])

    assert len(images.blocks) == small_blocks
    for number, left_out in enumerate((0, 1, None)):
        seen = images.folds != (-1 if left_out is None else left_out)
        solution = tried[number].double().requires_grad_()
        logits = images.rows[seen].double() @ solution[:, :-1].T + solution[:, -1]
        each = torch.nn.functional.cross_entropy(logits, images.labels[seen], reduction="none")
        loss = (each * images.weights[seen]).sum()
        loss.backward()
        assert solution.grad is not None
        assert torch.allclose(losses[number], loss, rtol=1e-5)
        assert torch.allclose(slopes[number], solution.grad, atol=2e-4 * float(solution.grad.abs().max()))


@pytest.mark.parametrize("each", [last_first, many_at_once], ids=["backwards", "four at once"])
@pytest.mark.usefixtures("small_blocks", "one_thread")
def test_whoever_looks_at_the_blocks_in_whatever_order_every_bit_is_the_same(each: Each) -> None:
    tried = solutions()
    of_folds = {fold: tried[fold] for fold in range(FOLDS)}
    of_penalties = dict.fromkeys(range(FOLDS), tried)

    def everything(images: RowBlocks) -> list[Tensor]:
        return [
            *loss_and_slope(images, tried, list(range(FOLDS))),
            held_out_losses(images, of_penalties),
            held_out_logits(images, of_folds),
        ]

    before, after = everything(row_blocks()), everything(row_blocks(each))

    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_answers_out_of_fold_stand_where_their_images_stood() -> None:
    images, tried = row_blocks(), solutions()

    found = held_out_logits(images, {fold: tried[fold] for fold in range(FOLDS)})

    for row in (0, 17, IMAGES - 1):
        place = int(images.order[row])
        mine = tried[int(images.folds[row])]
        assert torch.allclose(found[place], mine[:, :-1] @ images.rows[row] + mine[:, -1], atol=1e-5)


@pytest.mark.parametrize(
    ("fit", "count", "width"),
    [(fit_head, 200, 12), (fit_head, 60, 200), (fit_ridge, 60, 200)],
    ids=["logistic", "in the span of the images", "ridge"],
)
def test_a_head_of_many_blocks_is_the_head_of_few(
    fit: Callable[..., Any], count: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels = drawn(count, width)
    few = fit(LabeledFeatures(features, labels, CLASSES))
    monkeypatch.setattr(blocks, "_MOST_ROWS", 7)
    monkeypatch.setattr(blocks, "_FEWEST_ROWS", 1)

    many = fit(LabeledFeatures(features, labels, CLASSES))

    assert many.l2 == few.l2
    assert (many.fold_logits.softmax(1) - few.fold_logits.softmax(1)).abs().max() < 5e-3
    ours, theirs = ((features @ one.weight.T + one.bias).softmax(1) for one in (many, few))
    assert (ours - theirs).abs().max() < 1e-3


class Tables(TorchDispatchMode):
    """How large the tables are that torch makes, and which of them hold a number for each image and class."""

    def __init__(self, images: int, classes: int) -> None:
        super().__init__()
        self.whole, self.largest, self._cells = set[int](), 0, images * classes

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else (made,):
            if isinstance(one, Tensor) and one.numel() >= self._cells:
                self.whole.add(one.untyped_storage().data_ptr())
            elif isinstance(one, Tensor):
                self.largest = max(self.largest, one.untyped_storage().nbytes() // 4)
        return made


def test_no_table_of_images_times_classes_is_whole_but_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    count, classes = 1_500, 60
    monkeypatch.setattr(blocks, "_CELLS", 2**13)
    for name in ("_FOLD_ITERATIONS", "_FINAL_ITERATIONS"):
        monkeypatch.setattr(solver, name, 2)
    features, labels = drawn(count, 8, classes)

    with Tables(count, classes) as tables:
        solved = fit_head(LabeledFeatures(features, labels, classes))

    assert solved.fold_logits is not None
    assert solved.fold_logits.shape == (count, classes)
    assert len(tables.whole) == 1
    assert tables.largest <= 4 * 256 * classes  # of a block of 256 rows, for three folds or four penalties


def test_searches_are_answered_together_and_end_one_by_one() -> None:
    passes: list[list[int]] = []

    def search(steps: int) -> Callable[[Callable[[int], int]], int]:
        return lambda ask: sum(ask(step) for step in range(steps))

    def answer(asked: dict[int, int]) -> dict[int, int]:
        passes.append(list(asked))
        return {number: 10 * number + step for number, step in asked.items()}

    found = in_lock_step([search(1), search(3), search(2)], answer)

    assert found == [0, 33, 41]
    assert passes == [[0, 1, 2], [1, 2], [1]]


def test_what_goes_wrong_on_either_side_of_a_search_is_told() -> None:
    def asks_twice(ask: Callable[[int], int]) -> int:
        return ask(1) + ask(2)

    def fails(ask: Callable[[int], int]) -> int:
        raise ZeroDivisionError("the search")

    def cannot(asked: dict[int, int]) -> dict[int, int]:
        raise InterruptedError("the pass")

    with pytest.raises(ZeroDivisionError, match="the search"):
        in_lock_step([asks_twice, fails], lambda asked: asked)
    with pytest.raises(InterruptedError, match="the pass"):
        in_lock_step([asks_twice, asks_twice], cannot)
