from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headswap.data.manifest import ImageRecord, Manifest, Part
from headswap.evaluation import evaluate
from headswap.evaluation.evaluate import EvaluationInputs, SplitLogits, build_report, temperature_of
from headswap.evaluation.metrics import calibrated
from headswap.evaluation.report import FinetuneSummary, LearningCurve, Report
from headswap.storage.files import from_json, to_json

CLASSES = ("cat", "dog")


def manifest_of(labels: list[int], part: Part = "train", *, light: list[float] | None = None) -> Manifest:
    images = tuple(
        ImageRecord(
            file=f"{part} {number}",
            source="",
            class_name=CLASSES[label],
            sha256=f"{part} {number}",
            width=100,
            height=100,
            fingerprint="0" * 64,
            brightness=0.5 if light is None else light[number],
            group=number,
            part=part,
        )
        for number, label in enumerate(labels)
    )
    return Manifest(name="", root="", classes=CLASSES, images=images)


def split_logits(manifest: Manifest, said: list[int], *, sureness: float = 3.0) -> SplitLogits:
    logits = np.zeros((len(said), 2))
    logits[np.arange(len(said)), said] = sureness
    return SplitLogits(
        files=[image.file for image in manifest.images],
        sha256s=[image.sha256 for image in manifest.images],
        labels=np.array([manifest.label(image) for image in manifest.images]),
        logits=logits,
    )


def inputs_of(
    labels: list[int],
    said: list[int],
    *,
    train: tuple[list[int], list[int]] = ([0] * 20 + [1] * 10, [0] * 20 + [1] * 10),
    train_right: int = 30,
) -> EvaluationInputs:
    test, known = manifest_of(labels, "test"), manifest_of(train[0])
    return EvaluationInputs(
        manifest=replace(test, images=known.images + test.images),
        test=split_logits(test, said),
        train=split_logits(known, train[1]),
        train_right=train_right,
    )


def report_of(inputs: EvaluationInputs) -> Report:
    return build_report(inputs, temperature=temperature_of(inputs.train))


def sentences(report: Report) -> str:
    return " ".join(one.sentence for one in report.advice)


def cross_validated(inputs: EvaluationInputs, said: list[int]) -> EvaluationInputs:
    return replace(inputs, cross_validated=split_logits(inputs.manifest, said))


def test_the_figures_of_a_small_test_add_up() -> None:
    report = report_of(inputs_of([0, 0, 0, 1], [0, 0, 1, 1]))

    assert (report.method, report.right, report.total, report.accuracy) == ("exam", 3, 4, 0.75)
    assert (report.test_right, report.test_total) == (3, 4)
    assert report.confusion == ((2, 1), (0, 1))
    assert (report.baseline_class, report.baseline_accuracy) == ("cat", 0.75)
    assert report.class_scores[0].recall == 2 / 3
    assert report.class_scores[1].precision == 0.5
    assert report.hardest[0].file == "test 2"


def test_too_small_a_test_is_replaced_by_every_image_judged_out_of_sample() -> None:
    labels = [0] * 20 + [1] * 10 + [0, 0, 1, 1]
    said = [1, *labels[1:]]

    report = report_of(cross_validated(inputs_of([0, 0, 1, 1], [0, 0, 1, 1]), said))

    assert (report.method, report.right, report.total) == ("cross-validated", 33, 34)
    assert (report.test_right, report.test_total) == (4, 4)
    assert len(report.answers) == sum(map(sum, report.confusion)) == 34
    assert report.interval[1] - report.interval[0] < 0.2
    assert report.baseline_accuracy == 22 / 34


def test_a_test_image_is_told_one_way_in_the_report_and_by_the_final_head() -> None:
    random = np.random.default_rng(1)
    labels = [0, 1] * 20
    inputs = inputs_of([0, 1, 1], [0, 0, 1], train=(labels, labels))
    folds = random.normal(size=(43, 2))  # heads of the folds say something else of every picture
    every = replace(split_logits(inputs.manifest, [*labels, 0, 1, 1]), logits=folds)

    report = report_of(replace(inputs, cross_validated=every))

    final = calibrated(inputs.test.logits, temperature_of(inputs.train), report.even_share)
    told = {answer.file: answer.probabilities for answer in report.answers}
    assert report.method == "cross-validated"
    assert [told[file] for file in inputs.test.files] == [tuple(row) for row in final.tolist()]
    test = [answer for answer in report.answers if answer.file in set(inputs.test.files)]
    assert sum(answer.is_right for answer in test) == report.test_right == 2


def test_nobody_is_surer_than_the_images_that_checked_it() -> None:
    labels = [0, 1] * 30
    inputs = inputs_of([0, 1] * 25, [0, 1] * 25, train=(labels, labels))
    huge = replace(inputs.test, logits=inputs.test.logits * 1e4)
    checked = split_logits(manifest_of(labels), labels, sureness=15.0)

    report = report_of(replace(inputs, test=huge, train=checked))

    assert report.calibration is not None
    assert report.calibration.temperature > 0.06
    assert max(answer.sure for answer in report.answers) <= 61 / 62 + 1e-12
    assert min(min(answer.probabilities) for answer in report.answers) >= 1 / 62 - 1e-12
    assert all(abs(sum(answer.probabilities) - 1) < 1e-12 for answer in report.answers)


def test_a_test_of_fifty_speaks_for_itself() -> None:
    inputs = inputs_of([0, 1] * 25, [0, 1] * 25)

    report = report_of(cross_validated(inputs, [0] * 80))

    assert (report.method, report.total) == ("exam", 50)


def test_sureness_of_a_cross_validated_verdict_is_corrected_by_images_of_other_groups() -> None:
    random = np.random.default_rng(0)
    labels = [0, 1] * 20
    said = [label if random.random() < 0.75 else 1 - label for label in labels]
    inputs = inputs_of([0, 1], [0, 1], train=(labels, said))
    every = split_logits(inputs.manifest, [*said, 0, 1], sureness=20.0)

    report = report_of(replace(inputs, cross_validated=every))

    assert report.calibration is not None
    assert report.calibration.error_before > 0.15
    assert report.calibration.error_after < report.calibration.error_before
    assert {round(answer.sure, 2) for answer in report.answers[:-2]} <= {
        round(answer.sure, 2) for answer in report.answers[:2]
    }  # one temperature for each half


def test_a_class_that_is_never_called_has_no_precision() -> None:
    assert report_of(inputs_of([0, 1], [0, 0])).class_scores[1].precision is None


def test_a_planted_wrong_label_is_doubted_first() -> None:
    labels = [0] * 20 + [1] * 20
    said = list(labels)
    labels[5] = 1  # shown as a cat, labelled dog

    report = report_of(inputs_of([0, 1], [0, 1], train=(labels, said)))

    assert report.label_issues[0].file == "train 5"
    assert (report.label_issues[0].label, report.label_issues[0].suggested) == (1, 0)


def test_no_better_than_the_commonest_class_is_said_so() -> None:
    report = report_of(inputs_of([0, 0, 0, 1], [0, 0, 0, 0]))

    assert "Not shown to be better than always saying “cat”" in report.advice[0].sentence


@pytest.mark.parametrize(
    ("gained", "lost", "words", "silent"),
    [(12, 2, "more and more varied pictures help", "hardly helped"),
     (1, 1, "more pictures of the same kind hardly helped", "varied pictures"),
     (6, 4, "varied pictures usually help", "hardly helped")],
    ids=["more pictures still help", "they no longer do", "chance explains it"],
)  # fmt: skip
def test_a_solved_head_that_falls_short_gets_the_way_out_that_was_measured_and_is_not_called_overfitted(
    gained: int, lost: int, words: str, silent: str
) -> None:
    labels = [0, 1] * 50
    said = [1 - label if number < 30 else label for number, label in enumerate(labels)]
    inputs = inputs_of(labels, said, train=(labels, said), train_right=100)
    fewer_right = 80 - gained + lost
    learning = LearningCurve(
        fewer=50, fewer_right=fewer_right, more=75, more_right=80, total=100, gained=gained, lost=lost
    )

    advice = sentences(report_of(replace(inputs, learning=learning)))

    assert "by heart" not in advice, "it separates its training images, as nearly every solved head does"
    assert words in advice.lower()
    assert silent not in advice


@pytest.mark.parametrize(
    ("depth", "held_back_right", "overfits"),
    [("last", 70, True), ("last", 100, False), ("head", 70, False)],
    ids=["body tuned, images held back are wrong", "body tuned, they are right", "the solved head was kept"],
)
def test_only_a_tuned_body_that_fails_on_images_held_back_is_called_overfitted(
    depth: str, held_back_right: int, overfits: bool
) -> None:
    labels = [0, 1] * 50
    predicted = [1 - label if number < 30 else label for number, label in enumerate(labels)]
    tuned = FinetuneSummary(
        asked="last", depth=depth, learning_rate=1e-3, epochs=3, planned_epochs=8, parts=2, tried=1,
        validation=100, right_before=60, right_after=held_back_right, sentence="",
    )  # fmt: skip
    inputs = inputs_of(labels, predicted, train=(labels, predicted), train_right=100)

    advice = sentences(report_of(replace(inputs, finetune=tuned)))

    assert ("rather than what they have in common (overfitting)" in advice) is overfits
    assert "try another network" in advice


@pytest.mark.parametrize(("wrong", "advised"), [(9, True), (3, False)])
def test_nine_wrong_of_a_hundred_are_worth_going_further_and_three_are_not(wrong: int, advised: bool) -> None:
    labels = [0, 1] * 50
    said = [1 - label if number < wrong else label for number, label in enumerate(labels)]

    report = report_of(inputs_of(labels, said, train=(labels, said), train_right=100))

    assert any(one.moves_backbone for one in report.advice) is advised


def test_underfitting_is_named() -> None:
    labels = [0, 1] * 50
    said = [1 - label if number < 30 else label for number, label in enumerate(labels)]

    advice = sentences(report_of(inputs_of(labels, said, train=(labels, said), train_right=75)))

    assert "underfitting" in advice
    assert "try another network" in advice


def test_a_network_that_may_have_learned_darkness_is_named() -> None:
    labels = [0, 1] * 30
    light = [0.2 + 0.5 * label for label in labels]
    test, known = manifest_of(labels, "test", light=light), manifest_of(labels, light=light)
    inputs = EvaluationInputs(
        manifest=replace(test, images=known.images + test.images),
        test=split_logits(test, labels),
        train=None,
        train_right=60,
    )

    report = report_of(inputs)

    assert [shortcut.name for shortcut in report.shortcuts] == ["brightness"]
    assert "may have learned how light or dark the picture is" in sentences(report)


def test_test_images_that_a_body_can_hardly_tell_from_train_are_warned_of() -> None:
    inputs = inputs_of([0, 1] * 25, [0, 1] * 25)

    report = report_of(replace(inputs, cross_split_duplicates=("test 1", "test 2", "test 3")))

    assert "3 exam pictures look to the network almost the same" in sentences(report)


def test_a_report_survives_json() -> None:
    report = report_of(cross_validated(inputs_of([0, 1], [0, 1]), [0] * 20 + [1] * 10 + [0, 1]))

    assert from_json(Report, to_json(report)) == report


def test_of_millions_of_probabilities_a_report_keeps_the_likeliest_and_the_true_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    classes, random = 30, np.random.default_rng(0)
    images = tuple(
        replace(manifest_of([0]).images[0], file=str(number), class_name=f"{number % classes:02d}",
                part="test" if number < 60 else "train")
        for number in range(90)
    )  # fmt: skip
    names = tuple(f"{number:02d}" for number in range(classes))
    manifest = Manifest(name="", root="", classes=names, images=images)
    labels = np.arange(60) % classes
    logits = random.normal(size=(60, classes)) + np.eye(classes)[labels]
    files = [image.file for image in images[:60]]
    test = SplitLogits(files=files, sha256s=files, labels=labels, logits=logits)
    inputs = EvaluationInputs(manifest=manifest, test=test, train=None, train_right=30)
    full = build_report(inputs, temperature=1.0)
    monkeypatch.setattr(evaluate, "_MOST_PROBABILITIES", 60 * classes - 1)

    short = from_json(Report, to_json(build_report(inputs, temperature=1.0)))

    assert {len(one.probabilities) for one in short.answers} == {20, 21}  # the true one may be unlikely
    assert [(a.label, a.sure, a.believed) for a in short.answers] == [
        (a.label, a.sure, a.believed) for a in full.answers
    ]
    assert [one.file for one in short.hardest] == [one.file for one in full.hardest]
    assert replace(short, answers=()) == replace(full, answers=())
