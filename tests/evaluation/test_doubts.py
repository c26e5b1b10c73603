from __future__ import annotations

import numpy as np
import pytest

from headswap.evaluation.doubts import doubts_of
from headswap.evaluation.metrics import Floats, Labels, softmax


def noisy(seed: int, *, count: int = 200, classes: int = 5) -> tuple[Labels, Labels, Floats]:
    """True labels, labels of which ten are wrong, and what unsure heads believe."""
    random = np.random.default_rng(seed)
    truth = np.arange(count) % classes
    given = truth.copy()
    planted = random.choice(count, 10, replace=False)
    given[planted] = (truth[planted] + 1) % classes
    logits = random.normal(size=(count, classes)) + 5.0 * np.eye(classes)[truth]
    return truth, given, softmax(logits)


def test_planted_wrong_labels_come_first() -> None:
    truth, given, probabilities = noisy(0)

    doubts = doubts_of(given, probabilities)

    assert sum(truth[row] != given[row] for row, _ in doubts[:10]) >= 8
    assert all(suggested == truth[row] for row, suggested in doubts[:5])


def test_a_class_keeps_at_least_one_picture() -> None:
    labels = np.array([0] * 10 + [1])
    probabilities = np.tile([0.9, 0.1], (11, 1))

    assert doubts_of(labels, probabilities) == ()


def test_the_same_labels_are_doubted_as_by_cleanlab() -> None:
    find = pytest.importorskip("cleanlab.filter", reason="cleanlab is not installed").find_label_issues
    for seed in range(5):
        _, given, probabilities = noisy(seed)

        theirs = find(
            given,
            probabilities,
            filter_by="confident_learning",
            return_indices_ranked_by="normalized_margin",
            n_jobs=1,
        )

        assert [row for row, _ in doubts_of(given, probabilities)] == theirs.tolist()
