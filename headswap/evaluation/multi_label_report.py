"""The report where an image may have several labels.

Flow:  EvaluationInputs --build_multi_label_report--> Report, with a `LabelScore` for each label

An image counts as right when every label of it was told rightly; what always saying the most common set of
labels would get stands next to it. Thresholds come from training images only; where the test is too small
and every image is judged out of fold, those of each half come from the other half, groups whole.
A label that is not known of an image (it came later) is neither right nor wrong there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from headswap.data.manifest import Manifest, joined
from headswap.evaluation.evaluate import ENOUGH_FOR_A_TEST, FEWEST_TO_CALIBRATE, EvaluationInputs, SplitLogits
from headswap.evaluation.metrics import Floats, even_share, wilson_interval
from headswap.evaluation.multi_label import (
    Bools,
    Table,
    all_right,
    choose_thresholds,
    fit_label_temperature,
    has_of,
    known_of,
    label_probabilities,
    label_scores,
)
from headswap.evaluation.report import Advice, Calibration, ClassScore, LabelScore, Report, TestAnswer

_HALVES = 2
_TWO = 2  # answers of each label: yes and no
_FEW = 20  # training images with a label, below which more of them help most
_BINS = 15


def label_temperature_of(train: SplitLogits | None) -> float:
    """Calibrate on out-of-fold logits of training images; 1 when there are too few."""
    if train is None or len(train.labels) < FEWEST_TO_CALIBRATE:
        return 1.0
    return fit_label_temperature(train.logits, train.labels)


def build_multi_label_report(inputs: EvaluationInputs) -> Report:
    """Put the report together; `inputs` hold (N, C) labels of 0 and 1, NaN where one is not known."""
    manifest, train, test = inputs.manifest, inputs.train, inputs.test
    temperature = label_temperature_of(train)
    share = even_share(len((train or test).labels), _TWO)
    cuts = choose_thresholds(None if train is None else train.logits, (train or test).labels)
    thresholds = label_probabilities(cuts, temperature, share)
    whole = inputs.cross_validated
    small = whole is not None and len(test.labels) < ENOUGH_FOR_A_TEST
    if whole is not None and small:
        judged, told = _judged_crosswise(whole, test, manifest, cuts)
    else:
        judged, told = test, test.logits >= cuts
    judged, told = _with_any_known(judged, told)
    probabilities, truth = label_probabilities(judged.logits, temperature, share), judged.labels
    right, total = int(all_right(told, truth).sum()), len(truth)
    common = most_common(manifest)
    known = train is not None and len(train.labels) >= FEWEST_TO_CALIBRATE
    scores = label_scores(manifest.classes, thresholds, probabilities, told, truth)
    return Report(
        classes=manifest.classes,
        method="cross-validated" if small else "exam",
        answers=_answers(judged, probabilities, told),
        right=right,
        total=total,
        accuracy=right / total if total else 0.0,
        interval=wilson_interval(right, total),
        baseline_class=joined(common),
        baseline_accuracy=float(all_right(np.isin(manifest.classes, common)[None], truth).mean()),
        train_right=inputs.train_right,
        train_total=len(manifest.part("train")),
        class_scores=tuple(
            ClassScore(name=one.name, images=one.images, precision=one.precision, recall=one.recall)
            for one in scores
        ),
        confusion=(),
        calibration=_calibration(judged, probabilities, temperature) if known else None,
        advice=label_advice(scores, manifest),
        test_right=int(all_right(test.logits >= cuts, test.labels).sum()),
        test_total=len(test.labels),
        cross_split_duplicates=inputs.cross_split_duplicates,
        finetune=inputs.finetune,
        even_share=share,
        label_scores=scores,
    )


def _with_any_known(judged: SplitLogits, told: Bools) -> tuple[SplitLogits, Bools]:
    """Without the images of which no label is known."""
    some = known_of(judged.labels).any(axis=1)
    if some.all():
        return judged, told
    rows = np.flatnonzero(some).tolist()
    kept = SplitLogits(
        files=[judged.files[row] for row in rows],
        sha256s=[judged.sha256s[row] for row in rows],
        labels=judged.labels[rows],
        logits=np.asarray(judged.logits)[rows],
    )
    return kept, told[rows]


def most_common(manifest: Manifest) -> tuple[str, ...]:
    """The set of labels that most training images have, of those with every label known if any are."""
    train = manifest.part("train")
    counted = Counter(image.names for image in train if not image.unknown) or Counter(p.names for p in train)
    return max(counted, key=lambda names: (counted[names], names))


def _judged_crosswise(
    whole: SplitLogits, test: SplitLogits, manifest: Manifest, cuts: Floats
) -> tuple[SplitLogits, Bools]:
    """All images, and what is said of each: the test part's as the final head answers them."""
    in_test = np.array([image.part == "test" for image in manifest.images])
    half = np.array([image.group for image in manifest.images]) % _HALVES
    logits = whole.logits.copy()
    told = logits >= cuts
    for number in range(_HALVES):
        mine, other = half == number, half != number
        if mine.any() and other.any():
            told[mine] = logits[mine] >= choose_thresholds(logits[other], whole.labels[other])
    logits[in_test] = test.logits
    told[in_test] = test.logits >= cuts
    return SplitLogits(files=whole.files, sha256s=whole.sha256s, labels=whole.labels, logits=logits), told


def _answers(judged: SplitLogits, probabilities: Floats, told: Bools) -> tuple[TestAnswer, ...]:
    """Of each image, about the labels that are known of it."""
    known, has = known_of(judged.labels), has_of(judged.labels)
    rows = zip(judged.files, judged.sha256s, probabilities, told & known, has, known, strict=True)
    return tuple(
        TestAnswer(
            file=file,
            sha256=sha256,
            truth=-1,
            probabilities=tuple(row[asked].tolist()),
            among=() if asked.all() else tuple(np.flatnonzero(asked).tolist()),
            truths=tuple(np.flatnonzero(true).tolist()),
            said=tuple(np.flatnonzero(said).tolist()),
        )
        for file, sha256, row, said, true, asked in rows
    )


def _calibration(judged: SplitLogits, probabilities: Floats, temperature: float) -> Calibration:
    plain = label_probabilities(judged.logits, 1.0, 0.0)
    return Calibration(
        temperature=temperature,
        error_before=_calibration_error(plain, judged.labels),
        error_after=_calibration_error(probabilities, judged.labels),
    )


def _calibration_error(probabilities: Floats, labels: Table) -> float:
    """How far probabilities of all labels are from how often they are there, by bins of equal width."""
    known = known_of(labels)
    flat, true = probabilities[known], has_of(labels[known])
    bins = np.clip(np.ceil(flat * _BINS).astype(int), 1, _BINS)
    return float(np.abs(np.bincount(bins, weights=true - flat, minlength=_BINS + 1)).sum() / len(flat))


def label_advice(scores: Sequence[LabelScore], manifest: Manifest) -> tuple[Advice, ...]:
    """What to do next, where the figures say it."""
    return tuple(_advice(scores, manifest))


def _advice(scores: Sequence[LabelScore], manifest: Manifest) -> Iterator[Advice]:
    counted = Counter(name for image in manifest.part("train") for name in image.names)
    few = [name for name in manifest.classes if counted[name] < _FEW]
    if few:
        listed = ", ".join(few[:4]) + (f" and {len(few) - 4} more" if len(few) > 4 else "")
        yield Advice(
            code="more-pictures",
            sentence=f"More pictures are the first thing to try: {listed} "
            f"{'has' if len(few) == 1 else 'have'} fewer than {_FEW} to practise on.",
            figures={"classes": len(few), "fewest": min(counted[name] for name in few)},
        )
    for one in scores:
        low = one.average_precision_interval
        if low is not None and low[0] <= one.share:
            yield Advice(
                code="baseline",
                sentence=f"“{one.name}” is not shown to be told better than by a blind guess. Check that the "
                "pictures show it, and that its rows in the table are right.",
                figures={"at_least": low[0], "baseline": one.share},
            )
