from __future__ import annotations

import numpy as np
import pytest

from headswap.errors import TooFewImages
from headswap.evaluation import metrics
from headswap.evaluation.label_issues import label_issues_of, wrong_label_odds
from headswap.evaluation.metrics import (
    calibrated,
    confusion_matrix,
    even_share,
    expected_calibration_error,
    fit_temperature,
    paired_interval,
    softmax,
    wilson_interval,
)


def test_seventeen_of_twenty_is_probably_64_to_95_percent() -> None:
    low, high = wilson_interval(17, 20)

    assert round(low, 2) == 0.64
    assert round(high, 2) == 0.95


@pytest.mark.parametrize(("right", "total"), [(0, 5), (5, 5), (1, 1), (0, 1)])
def test_an_interval_stays_within_0_and_1_and_holds_the_measured_share(right: int, total: int) -> None:
    low, high = wilson_interval(right, total)

    assert 0.0 <= low <= right / total <= high <= 1.0
    assert low < high


def test_an_empty_test_asks_for_images() -> None:
    with pytest.raises(TooFewImages, match="Add pictures"):
        wilson_interval(0, 0)
    with pytest.raises(TooFewImages, match="Add pictures"):
        expected_calibration_error(np.empty((0, 2)), np.empty(0, dtype=np.int64))


def test_rows_are_truth_and_columns_are_what_was_said() -> None:
    counts = confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)

    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_a_confident_and_always_wrong_model_has_the_worst_error() -> None:
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0]])

    assert expected_calibration_error(probabilities, np.array([1, 1])) == 1.0


def test_a_temperature_brings_back_the_true_sureness() -> None:
    random = np.random.default_rng(0)
    true_logits = random.normal(size=(4000, 3)) * 2
    labels = np.array([random.choice(3, p=row) for row in softmax(true_logits)])

    temperature = fit_temperature(true_logits * 5, labels)

    assert temperature == pytest.approx(5.0, rel=0.1)
    before = expected_calibration_error(softmax(true_logits * 5), labels)
    after = expected_calibration_error(softmax(true_logits * 5 / temperature), labels)
    assert after < before / 3


def test_images_that_are_all_answered_rightly_do_not_ask_for_boundless_sureness() -> None:
    labels = np.arange(76) % 2
    logits = np.where(np.eye(2, dtype=bool)[labels], 1.0, -1.0) * np.linspace(0.5, 6.0, 76)[:, None]

    temperature = fit_temperature(logits, labels)

    assert temperature > 0.2  # the end of the search is at 0.05
    assert 0.9 < softmax(logits / temperature).max(axis=1).mean() < 77 / 78


@pytest.mark.parametrize("classes", [2, 3, 40])
@pytest.mark.parametrize("images", [1, 20, 500])
def test_spreading_a_share_bounds_sureness_keeps_the_order_and_sums_to_one(classes: int, images: int) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(50, classes)) * 3
    logits[0] = [1e6, *[0.0] * (classes - 1)]

    told = calibrated(logits, 1.0, even_share(images, classes))

    assert np.allclose(told.sum(axis=1), 1.0)
    assert told.max() == pytest.approx((images + 1) / (images + 2))
    assert (np.diff(np.take_along_axis(told, logits.argsort(axis=1), axis=1)) >= 0).all()
    assert (told.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_with_two_classes_the_share_is_the_rule_of_succession() -> None:
    logits = np.array([[1.2, -0.3]])

    told, plain = calibrated(logits, 1.0, even_share(10, 2)), softmax(logits)

    assert np.allclose(told, (10 * plain + 1) / 12)


def test_the_interval_of_a_paired_difference_is_never_narrowed_to_nothing() -> None:
    low, high = paired_interval(10, 2, 100)

    assert (low, high) == pytest.approx((0.0108, 0.1460), abs=1e-4)
    assert paired_interval(2, 10, 100) == pytest.approx((-high, -low))
    assert paired_interval(0, 0, 100)[1] > 0.01, "a hundred equal answers do not prove equality"


def test_a_table_looked_at_in_parts_says_what_the_whole_one_says(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(210) % 7
    logits = (random.normal(size=(210, 7)) + 2.5 * np.eye(7)[labels]).astype(np.float32)
    labels[::15] = (labels[::15] + 1) % 7

    def everything() -> tuple[float, np.ndarray, np.ndarray, float, tuple[tuple[int, int], ...]]:
        told = calibrated(logits, 1.3, 0.01)
        error, odds = expected_calibration_error(told, labels), wrong_label_odds(labels, logits)
        return fit_temperature(logits, labels), told, odds, error, label_issues_of(labels, told)

    temperature, told, odds, error, issues = everything()
    monkeypatch.setattr(metrics, "_CELLS", 70)  # ten rows
    parts = everything()

    assert parts[0] == pytest.approx(temperature, rel=1e-6)
    assert np.array_equal(parts[1], told)
    assert np.allclose(parts[2], odds, rtol=1e-9)
    assert parts[3] == error
    assert parts[4] == issues
    assert len(issues) > 5
