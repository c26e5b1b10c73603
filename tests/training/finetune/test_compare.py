"""Two networks on the same held-back pictures: is one clearly better?"""

from __future__ import annotations

import torch

from headswap.training.finetune.compare import balance, compare, score_held_out, together

LABELS = torch.arange(40) % 2


def logits(right: int, sure: float = 2.0) -> torch.Tensor:
    """Of 40 pictures the first `right` are right."""
    said = torch.where(torch.arange(40) < right, LABELS, 1 - LABELS)
    return torch.nn.functional.one_hot(said, 2).float() * sure


def test_the_same_answers_are_neither_gain_nor_harm() -> None:
    gain = compare(score_held_out(logits(30), LABELS), score_held_out(logits(30), LABELS))

    assert gain.right == 0
    assert not gain.is_clear()
    assert not gain.is_harm


def test_sureness_alone_is_no_gain() -> None:
    gain = compare(score_held_out(logits(30), LABELS), score_held_out(logits(30, sure=20.0), LABELS))

    assert abs(gain.loss) < 1e-3
    assert not gain.is_clear()


def test_many_more_right_is_clear_and_many_fewer_is_harm() -> None:
    better = compare(score_held_out(logits(24), LABELS), score_held_out(logits(38), LABELS))
    worse = compare(score_held_out(logits(38), LABELS), score_held_out(logits(24), LABELS))

    assert better.right == 14
    assert better.is_clear(tried=4)
    assert worse.is_harm
    assert not worse.is_clear()


def test_the_best_of_many_tries_has_to_show_more() -> None:
    noise = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)) * 0.8
    gain = compare(
        score_held_out(logits(30) + noise, LABELS), score_held_out(logits(32) + noise * 0.6, LABELS)
    )
    errors = gain.loss / gain.loss_error

    assert errors > 1
    assert gain.is_clear()
    assert not gain.is_clear(tried=10**6)


def test_several_parts_are_judged_as_one() -> None:
    both = together([score_held_out(logits(30), LABELS), score_held_out(logits(20), LABELS)])

    assert len(both.losses) == 80
    assert int(both.right.sum()) == 50


def test_a_rare_class_weighs_as_much_as_a_common_one() -> None:
    weights = balance(torch.tensor([0, 0, 0, 1]), 3)

    assert torch.allclose(weights, torch.tensor([2 / 3, 2.0, 0.0]))
