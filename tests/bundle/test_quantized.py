"""What the smaller network loses is counted on the test images and said; a point is the bound."""

from __future__ import annotations

import pytest

from headswap.cli import answers
from headswap.errors import TooFewImages
from headswap.exports.model_card import _agreement
from headswap.exports.parity import ExpectedAnswer, QuantizedCheck, Route, check_of, compare
from headswap.exports.quantized import count_right, quantization_summary
from headswap.storage.files import from_json, to_json

SIZES = (4_600_000, 14_000_000)


def expected(truth: str, label: str, ood_score: float | None = None) -> ExpectedAnswer:
    other = {"mug": "pen", "pen": "mug"}[label]
    shares = {label: 0.6, other: 0.4}
    return ExpectedAnswer(file="a", truth=truth, label=label, probabilities=shares, ood_score=ood_score)


def judged(images: int, *, wrong: int) -> QuantizedCheck:
    """The bundle is right everywhere; of the smaller network some answers are wrong."""
    answers = [expected("mug", "mug")] * images
    shares = [
        {"mug": 0.45, "pen": 0.55} if place < wrong else {"mug": 0.6, "pen": 0.4} for place in range(images)
    ]
    way = compare("model_int8.tflite", answers, shares, [None] * images)
    said = [("pen" if place < wrong else "mug", None) for place in range(images)]
    return count_right(way, answers, said, sizes=SIZES)


def test_what_it_loses_is_counted_in_points_of_accuracy_with_their_interval() -> None:
    check = judged(40, wrong=2)

    assert (check.right, check.right_full, check.same, check.images) == (38, 40, 38, 40)
    assert check.lost_points == pytest.approx(5.0)
    assert check.largest_difference == pytest.approx(0.15)
    assert check.low == pytest.approx(0.835, abs=0.001)
    assert check.high == pytest.approx(0.986, abs=0.001)


@pytest.mark.parametrize(("images", "wrong", "is_costly"), [(100, 1, False), (99, 1, True), (40, 0, False)])
def test_more_than_one_point_is_said_in_words_that_cannot_be_missed(
    images: int, wrong: int, is_costly: bool
) -> None:
    check = judged(images, wrong=wrong)

    assert check.is_costly is is_costly
    assert quantization_summary(check).startswith("Careful: ") is is_costly


def test_a_network_that_happens_to_do_better_is_not_said_to_lose() -> None:
    way = Route(name="model_int8.tflite", images=2, same=1, largest_difference=0.3)

    check = count_right(
        way, [expected("mug", "mug"), expected("mug", "pen")], [("mug", None), ("mug", None)], sizes=SIZES
    )

    assert check.lost_points == pytest.approx(-50)
    assert "it gains 50.0 points" in quantization_summary(check)


def test_another_warning_is_another_answer() -> None:
    way = Route(name="model_int8.tflite", images=1, same=1, largest_difference=0.0)

    check = count_right(way, [expected("mug", "mug", ood_score=0.9)], [("mug", 1.1)], sizes=SIZES)

    assert (check.right, check.same) == (1, 0)


def test_without_test_images_nothing_is_claimed() -> None:
    with pytest.raises(TooFewImages):
        count_right(Route(name="model_int8.tflite"), [], [], sizes=SIZES)


def test_check_json_the_model_card_and_the_shell_say_it() -> None:
    int8 = judged(40, wrong=2)
    check = check_of([Route(name="model.tflite", images=1, same=1, largest_difference=1e-6)], [], int8)

    read_again = from_json(type(check), to_json(check))

    assert read_again.int8 == int8
    assert check.agree, "the smaller network is another one: it breaks no promise of the others"
    sentence = (
        "names 38 of the 40 pictures of the exam right, 95% (83% to 99%), the network itself 40: it loses"
    )
    assert sentence in _agreement(check)
    said = answers.export(check, {"out": "a.zip"})
    assert sentence in said.text
    assert said.record["int8"]["lost_points"] == pytest.approx(5.0)
    assert answers.export(check_of([], []), {"out": "a.zip"}).record["int8"] is None
