"""What the endpoints for machines give back: plain JSON, each with its fields named.

Flow:  JobView + Report --status_of--> Status
"""

from typing import TypedDict

from headswap.app.service.service import Service
from headswap.app.service.views import JobView


class HeadAnswer(TypedDict):
    """One classifier head. Not `path`: gradio's client takes anything with a path for a file."""

    layer: str
    kind: str
    in_features: int


class Inspected(TypedDict):
    """A network, opened up."""

    model: str
    heads: list[HeadAnswer]
    num_classes: int
    parameters: int
    head_parameters: int
    weights: str
    licence: str | None
    evidence: list[str]


class NotUsed(TypedDict):
    """A file that was left out."""

    file: str
    reason: str


class Started(TypedDict):
    """A run that was asked for."""

    job: str
    classes: dict[str, int]
    left_out: list[NotUsed]


class RunResult(TypedDict):
    """The report."""

    accuracy: float
    interval: list[float]
    right: int
    total: int
    baseline_accuracy: float
    advice: list[str]


class Status(TypedDict):
    """How a run goes."""

    job: str
    state: str
    sentence: str
    share: float
    seconds_left: float | None
    place: int | None
    problem: str
    remedy: str
    result: RunResult | None


class PredictionAnswer(TypedDict):
    """What a picture shows."""

    label: str
    sure: float
    probabilities: dict[str, float]
    is_unlike: bool


def status_of(service: Service, owner: str, job: str) -> Status:
    """A run as a program sees it; with its report when it is done."""
    view = service.job(owner, job)
    return {
        "job": view.id,
        "state": view.state,
        "sentence": view.sentence,
        "share": view.share,
        "seconds_left": view.seconds_left,
        "place": view.queue_position,
        "problem": view.problem,
        "remedy": view.remedy,
        "result": _result(service, owner, view) if view.state == "done" else None,
    }


def _result(service: Service, owner: str, view: JobView) -> RunResult:
    report = service.results.report(owner, view.id)
    return {
        "accuracy": report.accuracy,
        "interval": list(report.interval),
        "right": report.right,
        "total": report.total,
        "baseline_accuracy": report.baseline_accuracy,
        "advice": [one.sentence for one in report.advice],
    }
