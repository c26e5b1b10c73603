"""Mean average precision with its uncertainty, against scikit-learn's and images left out one by one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from headswap.evaluation.label_ranking import paired_gap, rank_labels

random = np.random.default_rng(4)
HAS = random.random((40, 4)) < (0.5, 0.2, 0.1, 0.0)
HAS[:2, 2] = True
SCORES: NDArray[np.float64] = np.round(
    random.normal(size=HAS.shape) + 2.0 * HAS.astype(np.float64), 1
)  # with equal ones among them


def exact(scores: np.ndarray, has: np.ndarray) -> float:
    return float(np.mean([average_precision_score(has[:, label], scores[:, label]) for label in range(3)]))


def test_what_each_image_contributes_is_what_leaving_it_out_says() -> None:
    found = rank_labels(SCORES, HAS)

    assert found.value == pytest.approx(exact(SCORES, HAS))
    for image in range(40):
        without = exact(np.delete(SCORES, image, axis=0), np.delete(HAS, image, axis=0))
        assert found.parts[image] == pytest.approx(40 * found.value - 39 * without)


def test_the_interval_holds_the_true_figure_as_often_as_it_says() -> None:
    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        has = random.random((count, 3)) < (0.2, 0.4, 0.5)
        return 1.2 * has + random.normal(size=has.shape), has

    true = exact(*draw(100_000))
    intervals = [rank_labels(*draw(100)).interval for _ in range(200)]
    hits = sum(low <= true <= high for low, high in intervals)

    assert 180 <= hits <= 199


def test_a_difference_is_of_the_same_images_and_never_certain_on_few() -> None:
    good, same = rank_labels(SCORES, HAS), rank_labels(2 * SCORES, HAS)
    poor = rank_labels(random.permutation(SCORES), HAS)

    assert paired_gap(good, same)[0] == 0.0
    assert paired_gap(good, same)[1][0] < 0.0 < paired_gap(good, same)[1][1]
    gap, (low, high) = paired_gap(good, poor)
    assert 0.0 < low < gap < high
    perfect, empty = rank_labels(HAS.astype(np.float64), HAS), rank_labels(SCORES, np.zeros_like(HAS))
    assert perfect.interval[0] < perfect.value == 1.0
    assert (empty.value, empty.interval[0]) == (0.0, 0.0)
    assert rank_labels(SCORES[:1], HAS[:1]).parts.shape == (1,)
