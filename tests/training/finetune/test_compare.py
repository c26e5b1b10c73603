"""Two networks on the same held-back pictures: is one clearly better?"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, log_loss

from headswap.training.finetune.compare import balance, compare, leaves_room, score_held_out, together
from headswap.training.finetune.objective import label_loss, loss_for, right_answers

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


def test_of_several_labels_the_losses_are_added_and_average_precision_must_rise() -> None:
    random = torch.Generator().manual_seed(0)
    labels = (torch.rand(60, 3, generator=random) < 0.4).float()
    rough = 2 * labels - 1 + 2 * torch.randn(60, 3, generator=random)
    fine = 4 * labels - 2 + torch.randn(60, 3, generator=random)

    gain = compare(score_held_out(rough, labels), score_held_out(fine, labels))
    none = compare(score_held_out(rough, labels), score_held_out(3 * rough, labels))

    for logits, precision in ((rough, gain.precision_before), (fine, gain.precision_after)):
        assert precision == pytest.approx(average_precision_score(labels.numpy(), logits.numpy()))
    assert gain.is_clear()
    assert not gain.is_harm
    assert compare(score_held_out(fine, labels), score_held_out(rough, labels)).is_harm
    assert (none.is_clear(), none.is_harm) == (False, False), "sureness alone"
    assert "mean average precision was" in gain.text("pictures", ", before")
    both = together([score_held_out(rough[:30], labels[:30]), score_held_out(rough[30:], labels[30:])])
    assert both.ranking is not None
    assert both.ranking.value == pytest.approx(gain.precision_before, abs=0.05)
    assert leaves_room(rough, labels)
    assert not leaves_room(9 * labels - 4, labels)
    each = [log_loss(labels[:, k].numpy(), rough[:, k].double().sigmoid().numpy()) for k in range(3)]
    assert float(loss_for(labels, 3)(rough.double(), labels)) == pytest.approx(float(np.sum(each)))
    assert float(label_loss(rough, labels, label_smoothing=0.2)) == pytest.approx(
        float(label_loss(rough, 0.8 * labels + 0.1)), rel=1e-5
    )
    assert right_answers(9 * labels - 4, labels).all()
