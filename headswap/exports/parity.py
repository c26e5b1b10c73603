"""Whether everything in the zip says the same: `check.json`, measured and never assumed.

Flow:  images --Bundle--> ExpectedAnswer;  the same images --page, predict.py, ONNX--> Route,
           each compared

predict.py and predict_onnx.py are really run, in processes that cannot import headswap (the second
not even torch).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headswap.bundle.prediction import Prediction
from headswap.bundle.predictor import Bundle
from headswap.data.manifest import ImageRecord, Manifest
from headswap.field_types import keys_on_disk

BOUND = 0.001  # of any probability: a tenth of the last digit that the page shows
MOST_IMAGES = 10
MOST_LOST_POINTS = 1.0  # of accuracy by a network in eight bits: more is said in words that cannot be missed
_MOST_BYTES = 8_000_000  # of one image that travels in the zip
_LONGEST_RUN_S = 600.0
_SOME_LEFT_OUT = 3  # the exit code of pictures.py where it answered for the others
_WITHOUT = (  # started in the zip's folder, with some packages hidden; it ends before there is much garbage
    "import gc, runpy, sys; gc.disable(); hidden = sys.argv[1].split(','); "
    "sys.modules.update(dict.fromkeys(hidden)); sys.argv = sys.argv[2:]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


@dataclass(frozen=True, kw_only=True)
class ExpectedAnswer:
    """What the bundle says of one image of the zip."""

    __pydantic_config__ = keys_on_disk(ood_score="unlike")

    file: str  # inside the zip's folder
    truth: str | None  # the class it was sorted into; None: a drawing of ours
    label: str
    probabilities: dict[str, float]  # most likely first
    labels: tuple[str, ...] | None = None  # where an image may have several; None: it has one class
    ood_score: float | None = None  # over 1: unlike everything trained on; None: the bundle cannot say


@dataclass(frozen=True, kw_only=True)
class Route:
    """One way to ask the network, compared with what is expected."""

    __pydantic_config__ = keys_on_disk(images="pictures")

    name: str  # page, bundle, predict.py, model.onnx
    images: int = 0  # asked
    same: int = 0  # given the same label and warning, or one that ties with it within the bound
    largest_difference: float | None = None  # of any probability; None: it was not measured
    problem: str = ""  # why not
    note: str = ""  # how it was measured, where that is not by running it

    @property
    def agrees(self) -> bool:
        """Within the bound, on every image."""
        measured = self.largest_difference is not None and self.largest_difference <= BOUND
        return measured and self.same == self.images


@dataclass(frozen=True, kw_only=True)
class QuantizedCheck:
    """How well the smaller network does on the images that were not trained on."""

    __pydantic_config__ = keys_on_disk(images="pictures")

    name: str  # of its file
    size_bytes: int
    full_size_bytes: int  # of the same network in single precision
    images: int  # of the test, at least 1
    right: int
    right_full: int  # by the bundle itself
    same: int  # given the same label and warning as by the bundle
    largest_difference: float  # of any probability
    low: float  # its accuracy lies between these two, 95 times of 100
    high: float

    @property
    def lost_points(self) -> float:
        """Percentage points of accuracy; below zero where it happens to do better."""
        return 100 * (self.right_full - self.right) / self.images

    @property
    def is_costly(self) -> bool:
        """Whether it loses more than one point."""
        return self.lost_points > MOST_LOST_POINTS


@dataclass(frozen=True, kw_only=True)
class ParityCheck:
    """check.json."""

    __pydantic_config__ = keys_on_disk(images="pictures", routes="ways")

    bound: float  # no probability may differ by more
    agree: bool  # every way that was measured keeps it
    routes: tuple[Route, ...]  # ways to ask that were compared
    images: tuple[ExpectedAnswer, ...]  # of the data set, test images first
    drawings: tuple[ExpectedAnswer, ...]  # of kinds on which programs disagree
    int8: QuantizedCheck | None = None  # the smaller network, where one travels along


def choose_images(manifest: Manifest) -> tuple[ImageRecord, ...]:
    """Up to ten of the images that are still there: test first, the classes taking turns."""
    there = [one for one in manifest.images if _travels(manifest.path(one))]
    ranks: dict[str, int] = {}

    def rank_of(image: ImageRecord) -> tuple[bool, int, str]:
        key = f"{image.part == 'test'} {image.class_name}"
        ranks[key] = ranks.get(key, -1) + 1
        return image.part != "test", ranks[key], image.class_name

    ranked = [(rank_of(one), one) for one in sorted(there, key=lambda one: one.sha256)]
    return tuple(one for _, one in sorted(ranked, key=lambda pair: pair[0])[:MOST_IMAGES])


def _travels(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= _MOST_BYTES


def expect(bundle: Bundle, folder: Path, truths: Mapping[str, str | None]) -> tuple[ExpectedAnswer, ...]:
    """Let the bundle itself answer, image by image, for {file in the folder: class or None}."""
    return tuple(
        expected_answer(file, truth, bundle.predict(folder / file)) for file, truth in truths.items()
    )


def expected_answer(file: str, truth: str | None, said: Prediction) -> ExpectedAnswer:
    """A prediction of the bundle, to compare with."""
    return ExpectedAnswer(
        file=file,
        truth=truth,
        label=said.label,
        probabilities=said.probabilities,
        labels=said.labels,
        ood_score=said.ood_score,
    )


def compare(
    name: str,
    expected: Sequence[ExpectedAnswer],
    said: Sequence[Mapping[str, float]],
    ood_scores: Sequence[float | None],
) -> Route:
    """Compare answers with what is expected.

    Args:
        name: what to call this way.
        expected: N answers of the bundle.
        said: N times {class: probability}.
        ood_scores: N OOD scores; None where this way cannot say.
    """
    differences = [
        abs(answer[label] - share)
        for one, answer in zip(expected, said, strict=True)
        for label, share in one.probabilities.items()
    ]
    same = [
        _same_label(one, answer) and _same_warning(one.ood_score, strange)
        for one, answer, strange in zip(expected, said, ood_scores, strict=True)
    ]
    return Route(
        name=name, images=len(expected), same=sum(same), largest_difference=max(differences, default=0.0)
    )


def compare_predictions(name: str, expected: Sequence[ExpectedAnswer], said: Sequence[Prediction]) -> Route:
    """The same for answers of the bundle itself."""
    return compare(name, expected, [one.probabilities for one in said], [one.ood_score for one in said])


def _same_label(one: ExpectedAnswer, said: Mapping[str, float]) -> bool:
    """The label, or one that ties with it within the bound; of several, every probability within it."""
    if one.labels is not None:
        return all(abs(said[name] - share) <= BOUND for name, share in one.probabilities.items())
    return max(said.values()) - said[one.label] <= BOUND


def _same_warning(expected: float | None, said: float | None) -> bool:
    if expected is None or said is None:
        return expected is said
    return (expected > 1) == (said > 1) or abs(expected - said) <= BOUND


def run_script(
    folder: Path, script: str, expected: Sequence[ExpectedAnswer], *, name: str, hidden: Sequence[str]
) -> Route:
    """Run one of the zip's programs as a stranger would, and compare what it prints.

    Args:
        folder: the zip's files.
        script: predict.py or predict_onnx.py.
        expected: for the images that it is asked about.
        name: what to call this way.
        hidden: packages that it must do without.
    """
    command = [sys.executable, "-B", "-X", "utf8", "-c", _WITHOUT, ",".join(hidden), script, "--json"]
    try:
        done = subprocess.run(
            [*command, *(one.file for one in expected)],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            timeout=_LONGEST_RUN_S,
        )
    except subprocess.TimeoutExpired:
        return Route(name=name, problem=f"{script} did not answer within {_LONGEST_RUN_S:g} seconds.")
    if done.returncode not in (0, _SOME_LEFT_OUT):
        last = (done.stderr.strip().splitlines() or [f"{script} ended without a word."])[-1]
        return Route(name=name, problem=last[:300])
    answers = {one["file"]: one for one in json.loads(done.stdout)["predictions"]}
    unread = [one.file for one in expected if one.file not in answers]
    if unread:
        return Route(name=name, problem=f"{script} could not read {unread[0]}.")
    said = [answers[one.file] for one in expected]
    return compare(name, expected, [one["probabilities"] for one in said], [one["unlike"] for one in said])


def check_of(
    routes: Sequence[Route], expected: Sequence[ExpectedAnswer], int8: QuantizedCheck | None = None
) -> ParityCheck:
    """Put what was measured together."""
    measured = [route for route in routes if route.largest_difference is not None]
    return ParityCheck(
        bound=BOUND,
        agree=all(route.agrees for route in measured),
        routes=tuple(routes),
        images=tuple(one for one in expected if one.truth is not None),
        drawings=tuple(one for one in expected if one.truth is None),
        int8=int8,
    )
