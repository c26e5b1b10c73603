"""Ridge regression for heads that read many features of few images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from headswap.errors import TeachingFailed
from headswap.heads.site import HeadLayer, HeadSite, Tap
from headswap.training.config import TrainConfig
from headswap.training.linear.heads import fit_heads
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.ridge import L2_GRID, MOST_IMAGES, fit_ridge
from headswap.training.linear.solver import fit_head


def clouds(count: int = 60, width: int = 400, classes: int = 3, apart: float = 1.0) -> tuple[Tensor, Tensor]:
    """Classes that lie apart along a few of many noisy directions, of very different scales."""
    made = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    middles = torch.zeros(classes, width)
    middles[:, :30] = apart * torch.randn(classes, 30, generator=made)
    scale = 10.0 ** torch.empty(width).uniform_(-2, 2, generator=made)
    return (middles[labels] + torch.randn(count, width, generator=made)) * scale + scale, labels


def test_it_is_the_ridge_regression_of_the_textbook() -> None:
    features, labels = clouds()
    found = fit_ridge(LabeledFeatures(features, labels, 3), config=TrainConfig(l2=0.1))

    standard = (features - features.mean(0)) / features.std(0, unbiased=False)
    rows = standard.double().numpy()
    wanted = np.eye(3)[labels.numpy()] * 2 - 1
    length = float((rows**2).sum(axis=1).mean())
    textbook = Ridge(alpha=0.1 * length).fit(rows, wanted)
    said = textbook.predict(rows)

    ours = (features @ found.weight.T + found.bias).double().numpy()
    factor = (ours * said).sum() / (said * said).sum()  # only the sureness is set afterwards
    assert np.allclose(ours, factor * said, atol=2e-3 * factor)


def test_its_answers_out_of_fold_are_as_sure_as_they_are_right() -> None:
    features, labels = clouds(count=120)

    found = fit_ridge(LabeledFeatures(features, labels, 3))

    assert found.fold_logits is not None
    sure = found.fold_logits.softmax(1).max(dim=1).values.mean()
    right = (found.fold_logits.argmax(1) == labels).float().mean()
    assert right > 0.5
    assert abs(float(sure - right)) < 0.1


def test_the_penalty_with_the_least_loss_is_taken_and_may_be_given() -> None:
    features, labels = clouds()

    free = fit_ridge(LabeledFeatures(features, labels, 3))
    again = fit_ridge(LabeledFeatures(features, labels, 3), config=TrainConfig(l2=free.l2))

    assert min(free.fold_losses) == pytest.approx(again.fold_losses[0])
    assert torch.equal(free.weight, again.weight)
    assert torch.equal(free.bias, again.bias)


def test_a_rare_class_counts_as_much_as_a_common_one() -> None:
    features, labels = clouds(count=200, classes=2, width=500, apart=2.0)
    few = torch.cat([torch.nonzero(labels == 0).flatten(), torch.nonzero(labels == 1).flatten()[:8]])

    found = fit_ridge(LabeledFeatures(features[few], labels[few], 2))

    others = torch.nonzero(labels == 1).flatten()[8:]
    said = (features[others] @ found.weight.T + found.bias).argmax(1)
    assert (said == 1).float().mean() > 0.3


@pytest.mark.parametrize(
    ("count", "width", "intercept"),
    [(60, 40, True), (60, 400, False), (4, 400, True), (MOST_IMAGES + 60, MOST_IMAGES + 100, True)],
    ids=["few features", "no bias", "one image of a class", "many images"],
)
def test_elsewhere_the_usual_head_is_solved(count: int, width: int, intercept: bool) -> None:
    features, labels = clouds(count=count, width=width)
    config = TrainConfig(l2_grid=(0.1,), folds=2)

    ours = fit_ridge(LabeledFeatures(features, labels, 3), intercept=intercept, config=config)
    usual = fit_head(LabeledFeatures(features, labels, 3), intercept=intercept, config=config)

    assert torch.equal(ours.weight, usual.weight)


def test_numbers_that_are_none_are_refused() -> None:
    features, labels = clouds()
    features[3, 5] = float("nan")

    with pytest.raises(TeachingFailed, match="not numbers"):
        fit_ridge(LabeledFeatures(features, labels, 3))


def test_features_that_are_the_same_for_every_image_give_a_head_that_knows_nothing() -> None:
    head = fit_ridge(LabeledFeatures(torch.ones(12, 40), torch.arange(12) % 3, 3), config=TrainConfig())

    assert torch.isfinite(head.weight).all()
    assert head.weight.abs().max() < 1e-6


def test_penalties_that_are_given_are_tried_and_no_others() -> None:
    features, labels = clouds()

    found = fit_ridge(LabeledFeatures(features, labels, 3), config=TrainConfig(l2_grid=(0.3, 0.02)))

    assert found.l2 in (0.3, 0.02)
    assert len(found.fold_losses) == 2
    assert len(fit_ridge(LabeledFeatures(features, labels, 3)).fold_losses) == len(L2_GRID)


def test_more_images_are_solved_by_what_chose_the_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headswap.training.linear.ridge.MOST_IMAGES", 60)
    features, labels = clouds(count=70)
    every = LabeledFeatures(features, labels, 3)
    some = every.rows(torch.arange(70) < 60)
    wide = HeadSite(
        layers=(HeadLayer(path="head", kind="Linear", in_features=400, out_features=3),),
        num_classes=3,
        input_size=(3, 64, 64),
        taps=(Tap(path="block", layout="NCHW", channels=200),),
    )
    chosen = fit_heads(some, wide, has_bias=[True], config=TrainConfig())
    given = TrainConfig(l2=chosen.solved[0].l2)

    again = fit_heads(every, wide, has_bias=[True], config=given, like=chosen)
    unlike = fit_heads(every, wide, has_bias=[True], config=given)

    assert chosen.solved[0].by_ridge
    assert again.solved[0].by_ridge
    assert not unlike.solved[0].by_ridge
    assert not fit_heads(some, wide, has_bias=[True], config=given, like=unlike).solved[0].by_ridge
