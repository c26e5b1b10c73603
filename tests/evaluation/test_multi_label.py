"""Figures of several labels per picture, against scikit-learn's own."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from headswap.evaluation.multi_label import (
    all_right,
    average_precision,
    average_precision_interval,
    choose_thresholds,
    fit_label_temperature,
    label_probabilities,
    label_scores,
)
from headswap.evaluation.report import TestAnswer as ExamAnswer

random = np.random.default_rng(3)
HAS = random.random((60, 4)) < (0.5, 0.2, 0.1, 0.0)
LOGITS = np.asarray(np.round(random.normal(size=HAS.shape) + 2.0 * HAS, 1), np.float64)  # some are equal


def test_average_precision_and_every_share_are_those_of_scikit_learn() -> None:
    said = LOGITS >= 0.5
    probabilities = label_probabilities(LOGITS, 1.0, 0.0)

    scores = label_scores("abcd", np.full(4, 0.6), probabilities, said, HAS)

    for number, one in enumerate(scores[:3]):
        truth, told = HAS[:, number], said[:, number]
        exact = metrics.average_precision_score(truth, probabilities[:, number])
        assert one.average_precision == pytest.approx(exact)
        assert one.precision == pytest.approx(metrics.precision_score(truth, told))
        assert one.recall == pytest.approx(metrics.recall_score(truth, told))
        assert one.f1 == pytest.approx(metrics.f1_score(truth, told))
        assert one.share == truth.mean()
        for value, interval in (
            (one.average_precision, one.average_precision_interval),
            (one.precision, one.precision_interval),
            (one.recall, one.recall_interval),
        ):
            assert value is not None
            assert interval is not None
            assert 0 <= interval[0] <= value <= interval[1] <= 1
    nobody = scores[3]
    assert (nobody.images, nobody.recall, nobody.average_precision, nobody.f1) == (0, None, None, None)


def test_a_threshold_gives_the_best_f1_that_any_gives() -> None:
    cuts = choose_thresholds(LOGITS, HAS)

    for number in range(3):
        truth, row = HAS[:, number], LOGITS[:, number]
        every = [metrics.f1_score(truth, row >= cut) for cut in np.append(np.unique(row), 99.0)]
        assert metrics.f1_score(truth, row >= cuts[number]) == pytest.approx(max(every))
    assert cuts[3] == 0.0  # nothing to choose it by: a probability of one half
    assert (choose_thresholds(None, HAS) == 0).all()


def test_too_sure_logits_are_cooled_and_a_lift_is_taken_off() -> None:
    truth = random.random((4000, 2))
    has = (random.random(truth.shape) < truth).astype(float)
    logits = 3.0 * np.log(truth / (1 - truth))

    assert fit_label_temperature(logits, has) == pytest.approx(3.0, rel=0.1)
    np.testing.assert_allclose(label_probabilities(logits + 70.0, 3.0, 0.0, offset=70.0), truth, atol=1e-9)
    assert label_probabilities(np.array([[900.0, -900.0]]), 1.0, 0.1) == pytest.approx(
        np.array([[0.95, 0.05]])
    )


def test_no_width_at_the_ends_is_no_certainty() -> None:
    assert average_precision(np.array([0.9, 0.1]), np.array([True, False])) == 1.0
    assert average_precision(np.array([0.9]), np.array([False])) is None
    assert average_precision_interval(1.0, 10)[0] == pytest.approx(0.722, abs=0.001)
    low, high = average_precision_interval(0.8, 25)
    assert (low, high) == pytest.approx((0.600, 0.914), abs=0.001)


def test_an_answer_of_several_labels_is_right_when_all_of_them_are() -> None:
    answer = ExamAnswer(
        file="a", sha256="0", truth=-1, probabilities=(0.9, 0.4, 0.1), truths=(0, 1), said=(0, 1)
    )

    assert answer.is_right
    assert answer.sure == pytest.approx(0.6)
    assert answer.believed == pytest.approx(0.4)


def test_a_label_that_is_not_known_of_an_image_counts_for_nothing() -> None:
    labels = HAS.astype(np.float64)
    labels[::3, 0] = np.nan
    known = ~np.isnan(labels[:, 0])
    said = LOGITS >= 0.5

    score = label_scores("abcd", np.full(4, 0.6), LOGITS, said, labels)[0]

    assert score.average_precision == pytest.approx(
        metrics.average_precision_score(HAS[known, 0], LOGITS[known, 0])
    )
    assert score.recall == pytest.approx(metrics.recall_score(HAS[known, 0], said[known, 0]))
    assert score.share == HAS[known, 0].mean()
    assert choose_thresholds(LOGITS, labels)[0] == choose_thresholds(LOGITS[known], HAS[known])[0]
    expected = [all(said[n, k] == HAS[n, k] for k in range(4) if k or known[n]) for n in range(60)]
    assert all_right(said, labels).tolist() == expected
    both = [fit_label_temperature(LOGITS, one) for one in (HAS, np.where(np.isnan(labels), 1.0, labels))]
    assert fit_label_temperature(LOGITS, labels) not in both
