"""What a lesson says follows from the figures of its run: a grid of figures for every sentence."""

from __future__ import annotations

import itertools
import re

import pytest

from headswap.lessons import (
    all_at_once,
    everything,
    how_many,
    no_magic,
    norms,
    old_optimizer,
    two_heads,
    what_is_a_head,
    which_layer,
)
from headswap.lessons.chance import half_interval, is_clear, points
from headswap.lessons.glasses import _sentences as glasses_said
from headswap.lessons.lesson import Number
from headswap.lessons.loop import LessonEpoch

SHARES = (0.0, 0.25, 0.5, 0.55, 0.6, 0.75, 1.0)
TOTALS = (20, 40, 100, 400)
GRID = list(itertools.product(SHARES, SHARES, TOTALS))
CLAIMS = re.compile(r"ahead|fewer|lost|drift cost|drift brought| more than the head")


def test_a_difference_is_clear_only_with_enough_images() -> None:
    assert not is_clear(0.58, 0.58, 400)
    assert not is_clear(1.0, 0.75, 4)
    assert not is_clear(0.75, 0.6, 24)
    assert is_clear(0.75, 0.6, 400)
    assert is_clear(0.9, 0.3, 24)
    assert not is_clear(0.3, 0.9, 24)


def test_an_interval_is_wide_for_few_values_and_endless_for_one() -> None:
    assert half_interval([0.5]) == float("inf")
    assert half_interval([0.5, 0.6]) == pytest.approx(12.71 * 0.05, rel=1e-3)
    assert half_interval([0.5, 0.6] * 20) < 0.02
    assert (points(0.104), points(-0.01)) == ("10 points", "1 point")


def test_what_changed_is_claimed_only_where_it_is_clear_and_in_its_direction() -> None:
    for before, after, total in GRID:
        drift = norms._Drift(
            line=(before, after),
            moved=0.3,
            again=before,
            still=before,
            unmoved=0.0,
            mixed=after,
            one_class=after,
        )
        seen = LessonEpoch(1.0, 0.9, after), LessonEpoch(1.0, 0.9, before)
        ways = tuple(
            everything._Variant(
                name="way",
                text="way",
                right=round(share * total),
                total=total,
                seconds=1.0,
                trained=9,
                backbone_same=True,
            )
            for share in (before, before, before, after)
        )
        told = (
            norms._said(drift, total),
            all_at_once._said(*seen, before, epochs=2, classes=4, total=total),
            everything._said(ways, 2, 4),
        )

        for sentences, shows in told:
            verdict = sentences[-1]
            assert shows is is_clear(before, after, total)
            assert bool(CLAIMS.search(verdict)) is (shows or is_clear(after, before, total))
            assert ("by chance" in verdict) is not bool(CLAIMS.search(verdict))
            if shows:
                assert points(before - after) in verdict
                assert re.search("ahead of everything from nothing by|fewer|cost", verdict)


@pytest.mark.parametrize(("train", "test"), [(0.9, 0.5), (0.5, 0.5), (0.5, 0.9)])
def test_a_gap_is_named_where_there_is_one(train: float, test: float) -> None:
    cold = LessonEpoch(1.0, train, test)

    sentences, _ = all_at_once._said(cold, cold, 0.5, epochs=1, classes=4, total=24)

    assert ("Its gap is 40 points" in sentences[2]) is (train > test)
    assert ("no gap" in sentences[2]) is (train <= test)


def test_by_heart_and_guessing_are_said_of_shuffled_labels_where_they_are_so() -> None:
    for train, test, total in GRID:
        kinds = tuple(
            no_magic._Kind(name=name, text=name, train=train, test=test) for name in ("a", "b", "c", "d")
        )

        sentences, shows = no_magic._said(kinds, 0.3, epochs="1 pass", guess=0.25, total=total)

        assert ("not by heart" in sentences[1]) is (train < 0.9)
        assert ("no better than guessing" in sentences[1]) is not is_clear(test, 0.25, total)
        assert shows is (train >= 0.9 and not is_clear(test, 0.25, total))


def test_glasses_are_called_worse_only_beyond_the_draws_and_the_images() -> None:
    for (right, wrong, total), low in itertools.product(GRID, (-0.1, 0.0, 0.1)):
        names = ("undivided", "unnormalised", "swapped", "squashed")
        means = {"right": right, **dict.fromkeys(names, wrong)}
        losses = tuple(
            Number(name=f"lost_{name}", value=right - wrong, low=low, high=1.0, text="") for name in names
        )

        said = " ".join(glasses_said(means, losses, {name: name for name in names}, total))

        assert ("Clearly worse" in said) is (low > 0 and is_clear(right, wrong, total))
        assert ("No clear loss" in said) is not ("Clearly worse" in said)


@pytest.mark.parametrize("half", [0.0, 0.02, 0.2])
@pytest.mark.parametrize(
    "means",
    [
        [0.3, 0.45, 0.65, 0.8, 0.82],
        [0.31, 0.42, 0.6, 0.74, 0.82],
        [0.3, 0.35, 0.45, 0.55, 0.7],
        [0.58, 0.58, 0.58, 0.58, 0.58],
        [0.8, 0.6, 0.5, 0.4, 0.3],
    ],
)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_bend_is_said_only_where_the_draws_can_tell(count: int, means: list[float], half: float) -> None:
    sizes = [1, 2, 5, 10, 20][:count]
    numbers = of(means[:count], half)

    said, early = how_many._bent_text(sizes, numbers)

    claimed = "bends at" in said or "begins to bend" in said
    assert claimed is not ("cannot tell" in said or "No bend is clear" in said)
    assert not (claimed and half == 0.2)
    assert not (early and not claimed)
    assert not (count < 3 and claimed)
    assert ("may bring more" in said) <= (means[count - 1] > means[count - 2])


def test_what_is_said_of_the_bend_follows_from_the_numbers() -> None:
    sizes = [1, 2, 5, 10, 20]

    assert how_many._bent_text(sizes, of([0.3, 0.45, 0.65, 0.8, 0.82], 0.01)) == (
        "The curve bends at 10 of each: from there twice the pictures bring less than half of what a "
        "doubling brought before.",
        True,
    )
    beginning, _ = how_many._bent_text(sizes, of([0.31, 0.42, 0.6, 0.74, 0.82], 0.01))
    assert "The first 10 bring 43 points; twice as many bring 8 more, less than the 14" in beginning
    straight, early = how_many._bent_text(sizes, of([0.3, 0.35, 0.45, 0.55, 0.7], 0.01))
    assert "No bend is clear in this run: the step from 10 to 20 of each brought 15 points, and" in straight
    assert not early
    noisy, _ = how_many._bent_text(sizes, of([0.58, 0.58, 0.59, 0.6, 0.58], 0.1))
    assert "which may be chance" in noisy


def of(means: list[float], half: float) -> tuple[Number, ...]:
    return tuple(Number(name="", value=mean, low=mean - half, high=mean + half, text="") for mean in means)


@pytest.mark.parametrize("moved", [0.0, 0.2])
@pytest.mark.parametrize("end", [0.3, 1.4, 2.0])
def test_a_loss_is_said_to_stay_or_to_fall_only_where_it_does(moved: float, end: float) -> None:
    losses = (1.4, end)
    early = old_optimizer._Order(losses if moved else (1.4, 1.4), moved, 0.5, ())
    late = old_optimizer._Order(losses, 0.5, 0.5, ())

    (first, second), shows = old_optimizer._said(early, late)

    assert ("stays at" in first and "exactly 0" in first) is (moved == 0)
    assert ("the loss falls" in second) is (losses[1] < losses[0])
    assert shows is (moved == 0 and losses[1] < losses[0])


def test_a_way_is_said_to_change_nothing_only_where_nothing_changed() -> None:
    for note, width, change in itertools.product((1000, 4), (0, 4), (0.0, 0.5)):
        answers = {"wrong_attribute": 1000, "out_features": note, "wrong_width": width, "right": 4}

        sentences, shows = which_layer._said(answers, change, "fc")

        assert shows is (note == 1000 and change == 0)
        assert ("change nothing" in sentences[0]) is shows
        assert ("is an error" in sentences[1]) is (width == 0)
        assert sentences[2].endswith("(fc) the network gives 4 answers.")


def test_votes_by_hand_and_helping_heads_are_told_as_they_are() -> None:
    assert "come out the same" in what_is_a_head._by_hand_text(1e-6, same=True)
    assert "differently, by as much as 0.5" in what_is_a_head._by_hand_text(0.5, same=False)
    found = two_heads._Found(
        paths=("a",), main_only=1000, refusal="", helping=1000, used=1000, main_loss=1.0, whole_loss=2.0
    )
    assert "makes no difference" in two_heads._same_text(found)
