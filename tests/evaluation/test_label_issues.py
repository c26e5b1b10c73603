from __future__ import annotations

import numpy as np
import pytest

from headswap.evaluation.label_issues import label_issues_of, wrong_label_odds
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

    label_issues = label_issues_of(given, probabilities)

    assert sum(truth[row] != given[row] for row, _ in label_issues[:10]) >= 8
    assert all(suggested == truth[row] for row, suggested in label_issues[:5])


def test_a_class_keeps_at_least_one_image() -> None:
    labels = np.array([0] * 10 + [1])
    probabilities = np.tile([0.9, 0.1], (11, 1))

    assert label_issues_of(labels, probabilities) == ()


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

        assert [row for row, _ in label_issues_of(given, probabilities)] == theirs.tolist()


def test_what_is_suggested_is_believed_for_its_class_and_not_just_the_largest_number() -> None:
    surely, hardly = [0.02, 0.96, 0.02], [0.3, 0.3, 0.4]
    rows = [[0.9, 0.05, 0.05]] * 9 + [[0.1, 0.47, 0.43]] + [surely] * 10 + [hardly] * 10
    labels = np.array([0] * 10 + [1] * 10 + [2] * 10)

    assert label_issues_of(labels, np.array(rows)) == ((9, 2),)  # 47 % is little for the second class


def heads(seed: int, *, count: int, accuracy: float, wrong: int) -> tuple[Labels, Floats, set[int]]:
    """Labels, logits of heads whose sureness fits, and the rows whose label was planted wrong."""
    random, classes = np.random.default_rng(seed), 4
    pull = {0.98: 8.0, 0.83: 3.5, 0.6: 1.5}[accuracy]
    logits = random.normal(size=(count, classes)) + pull * np.eye(classes)[np.arange(count) % classes]
    believed = softmax(logits * 1.0)
    labels = np.array([random.choice(classes, p=row) for row in believed])  # as sure as it should be
    planted = random.choice(count, wrong, replace=False)
    labels[planted] = (labels[planted] + random.integers(1, classes, wrong)) % classes
    return labels, logits * 1.7, set(planted.tolist())  # surer than it should be


@pytest.mark.parametrize("accuracy", [0.98, 0.83, 0.6])
def test_a_head_s_own_mistakes_are_hardly_ever_proposed(accuracy: float) -> None:
    proposed = candidates = 0
    for seed in range(10):
        labels, logits, _ = heads(seed, count=96, accuracy=accuracy, wrong=0)
        odds = wrong_label_odds(labels, logits)
        found = label_issues_of(labels, softmax(logits))
        candidates += len(found)
        proposed += sum(odds[row] > 0.5 for row, _ in found)

    assert proposed <= 15  # of 960; none of these labels is wrong
    assert accuracy > 0.9 or candidates > 6 * proposed  # what confident learning alone would have proposed


def test_planted_labels_are_still_proposed_where_heads_hardly_err() -> None:
    found = planted = 0
    for seed in range(10):
        labels, logits, wrong = heads(seed, count=96, accuracy=0.98, wrong=4)
        odds = wrong_label_odds(labels, logits)
        rows = {row for row, _ in label_issues_of(labels, softmax(logits)) if odds[row] > 0.5}
        found, planted = found + len(rows & wrong), planted + len(wrong)

    assert found >= 0.8 * planted


def test_what_is_proposed_is_among_what_cleanlab_proposes() -> None:
    find = pytest.importorskip("cleanlab.filter", reason="cleanlab is not installed").find_label_issues
    for seed in range(5):
        labels, logits, _ = heads(seed, count=96, accuracy=0.83, wrong=4)
        odds, probabilities = wrong_label_odds(labels, logits), softmax(logits)

        theirs = find(labels, probabilities, filter_by="confident_learning", n_jobs=1)

        ours = [row for row, _ in label_issues_of(labels, probabilities) if odds[row] > 0.5]
        assert set(ours) <= set(np.flatnonzero(theirs).tolist())
