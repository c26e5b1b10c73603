"""A head with a sigmoid for each label, against scikit-learn's logistic regression of each label alone."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from headswap.training.config import TrainConfig
from headswap.training.linear.cross_validation import cross_validate
from headswap.training.linear.heads import LinearHeads, agree
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.solver import fit_head, folds_of
from tests.training.test_cross_validation import site

random = np.random.default_rng(5)
LABELS = (random.random((90, 3)) < (0.5, 0.3, 0.15)).astype(np.float32)
FEATURES = (random.normal(size=(90, 20)) + LABELS @ random.normal(size=(3, 20))).astype(np.float32)


def test_the_solution_is_that_of_one_against_the_rest() -> None:
    l2 = 0.1
    solved = fit_head(
        LabeledFeatures(torch.from_numpy(FEATURES), torch.from_numpy(LABELS), 3), config=TrainConfig(l2=l2)
    )

    standard = (FEATURES - FEATURES.mean(0)) / np.sqrt(FEATURES.var(0) + 1e-8)
    exact = LogisticRegression(C=1 / (len(FEATURES) * l2), tol=1e-8, max_iter=5000)
    oracle = OneVsRestClassifier(exact).fit(standard, LABELS)
    said = torch.from_numpy(FEATURES) @ solved.weight.T + solved.bias
    np.testing.assert_allclose(said.sigmoid().numpy(), oracle.predict_proba(standard), atol=2e-3)


def test_every_image_is_answered_out_of_fold_and_groups_stay_whole() -> None:
    groups = [number // 2 for number in range(90)]
    folds = folds_of(LABELS, groups, 4, 0)
    solved = fit_head(LabeledFeatures(torch.from_numpy(FEATURES), torch.from_numpy(LABELS), 3, groups))

    assert folds is not None
    assert (folds[::2] == folds[1::2]).all()
    assert all(LABELS[folds == fold].any(axis=0).all() for fold in range(4))
    assert solved.fold_logits is not None
    assert solved.fold_logits.shape == LABELS.shape
    assert len(solved.fold_losses) == 4


def test_a_lift_over_a_relu_is_taken_off_and_a_clipped_place_is_seen() -> None:
    solved = fit_head(LabeledFeatures(torch.from_numpy(FEATURES), torch.from_numpy(LABELS), 3))
    heads = LinearHeads((solved,), (20,), bias_offset=40.0)
    features = torch.from_numpy(FEATURES[:8])
    network = heads.logits(features) + 40.0

    proved = agree(heads, features, network, several=True)
    assert proved is not None
    assert proved.factor == 1.0
    network.view(-1)[heads.logits(features).abs().argmin()] += 0.09
    assert agree(heads, features, network, several=True) is None


def test_a_label_whose_groups_would_fall_into_one_fold_is_spread_out() -> None:
    pairs = [(0, 1), (2, 3), (0, 2), (1, 3), (4, 5)]  # groups that have each label
    labels = np.array([[float(group in pair) for pair in pairs] for group in range(6)], np.float32)

    for seed in range(20):
        folds = folds_of(labels, None, 3, seed)
        assert folds is not None
        assert all(folds[first] != folds[second] for first, second in pairs)


def test_a_label_that_a_part_cannot_hold_is_the_last_choice_of_its_heads() -> None:
    labels = torch.from_numpy(LABELS.copy())
    labels[:, 2] = 0.0
    labels[:2, 2] = 1.0
    groups = [0, 0, *range(2, 90)]  # all of the third label in one group: its fold's heads never saw it
    images = LabeledFeatures(torch.from_numpy(FEATURES), labels, 3, groups)

    logits = cross_validate(images, site(20, 3), has_bias=(True,), folds=3, seed=0)

    assert (logits[:2, 2] < logits[:2, :2].min()).all()
    assert torch.isfinite(logits).all()


def test_a_label_is_solved_on_the_images_of_which_it_is_known() -> None:
    l2, labels = 0.1, LABELS.copy()
    labels[:40, 1] = np.nan
    labels[30:60, 2] = np.nan

    solved = fit_head(
        LabeledFeatures(torch.from_numpy(FEATURES), torch.from_numpy(labels), 3), config=TrainConfig(l2=l2)
    )

    standard = (FEATURES - FEATURES.mean(0)) / np.sqrt(FEATURES.var(0) + 1e-8)
    said = (torch.from_numpy(FEATURES) @ solved.weight.T + solved.bias).sigmoid().numpy()
    for label in range(3):
        known = ~np.isnan(labels[:, label])
        oracle = LogisticRegression(C=1 / (known.sum() * l2), tol=1e-8, max_iter=5000)
        oracle.fit(standard[known], labels[known, label])
        np.testing.assert_allclose(said[:, label], oracle.predict_proba(standard)[:, 1], atol=3e-3)
    assert solved.fold_logits is not None
    assert torch.isfinite(solved.fold_logits).all()
