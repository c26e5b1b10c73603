"""Every picture is judged by a head that never saw it, nor a near duplicate of it."""

from __future__ import annotations

import pytest
import torch

from headswap.errors import TooFewImages
from headswap.heads.site import HeadLayer, HeadSite
from headswap.training.linear import cross_validation as folds
from headswap.training.linear.cross_validation import cross_validate
from headswap.training.linear.labeled_features import LabeledFeatures


def site(width: int, classes: int) -> HeadSite:
    return HeadSite(
        layers=(HeadLayer(path="fc", kind="Linear", in_features=width),),
        num_classes=classes,
        input_size=(3, 8, 8),
    )


def features(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes that noise alone cannot tell apart."""
    labels = torch.arange(count) % 3
    return torch.randn(count, 40, generator=torch.Generator().manual_seed(seed)), labels


def judge(count: int, groups: list[int]) -> float:
    drawn, labels = features(count)
    logits = cross_validate(
        LabeledFeatures(drawn, labels, 3, groups), site(40, 3), has_bias=(True,), folds=5, seed=0
    )
    return float((logits.argmax(1) == labels).float().mean())


def test_noise_is_not_learned() -> None:
    assert judge(90, list(range(90))) < 0.55


def test_a_copy_in_another_fold_would_give_the_answer_away_and_in_its_group_does_not() -> None:
    drawn, labels = features(45)
    twice, both = torch.cat([drawn, drawn + 1e-3]), torch.cat([labels, labels])

    def right(groups: list[int]) -> float:
        logits = cross_validate(
            LabeledFeatures(twice, both, 3, groups), site(40, 3), has_bias=(True,), folds=5, seed=0
        )
        return float((logits.argmax(1) == both).float().mean())

    apart, together = right(list(range(90))), right(list(range(45)) * 2)
    assert apart > 0.75
    assert together < 0.55


def test_a_set_too_large_to_choose_in_each_fold_is_judged_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(folds, "_MOST_WORK", 1.0)

    assert judge(90, list(range(90))) < 0.55


def test_a_class_of_one_group_cannot_be_judged() -> None:
    with pytest.raises(TooFewImages, match="fewer than two pictures that differ"):
        judge(6, [0, 1, 2, 0, 3, 4])
