"""Which of a network's outputs are its answers, one number per class and image.

Flow:  DryRun --answers_of--> LogitsOutput, ...: the output with the graph behind it

An output that another one is made from is a feature, not an answer. What is not a
classifier is refused here, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from headswap.errors import HeadNotFound
from headswap.heads.dry_run import DryRun
from headswap.heads.graph import AutogradRecord, GraphWalk, record_of, walk_back

_NOT_ANSWERS = ("embed", "pool", "hidden", "feature")  # what outputs that are no answers say of themselves
_FLATTEN = "A classifier gives one row of numbers per picture, of shape (pictures, classes)."


@dataclass(frozen=True, eq=False)
class LogitsOutput:
    """One output with a number per class, and what lies behind it."""

    name: str  # position in the network's output
    logits: Tensor  # (B, classes)
    walk: GraphWalk

    @property
    def classes(self) -> int:
        return self.logits.shape[-1]


@dataclass(frozen=True, eq=False)
class ObservedPass:
    """One pass, read: what autograd recorded of it, and the outputs that may be answers."""

    run: DryRun
    record: AutogradRecord
    rows: tuple[tuple[str, Tensor], ...]  # (position, (B, classes)), depending on the image


def read(run: DryRun, stated: int | None) -> ObservedPass:
    """Read a pass; `stated` is the class count that the network states itself.

    In eval mode outputs called logits are preferred, if any are; in training mode every answer counts.
    """
    record = record_of([value for _, value in run.outputs], run.image)
    rows = _rows(run, record, stated)
    called_logits = () if run.how.training else tuple(row for row in rows if "logit" in row[0].lower())
    return ObservedPass(run, record, called_logits or rows)


def answers_of(seen: ObservedPass, wanted: frozenset[int] | None = None) -> tuple[LogitsOutput, ...]:
    """The outputs with a head of their own; outputs that feed the head of another one are left out."""
    walked = [LogitsOutput(name, value, walk_back(seen.record, value, wanted)) for name, value in seen.rows]
    headed = [answer for answer in walked if answer.walk.heads]
    return tuple(
        answer for answer in headed if not any(_feeds(seen.record, answer, other) for other in headed)
    )


def _rows(run: DryRun, record: AutogradRecord, stated: int | None) -> tuple[tuple[str, Tensor], ...]:
    """Outputs of shape (B, classes) that depend on the image and do not call themselves features."""
    rows = [
        (name, value)
        for name, value in run.outputs
        if value.dim() == 2
        and value.shape[0] == run.how.batch
        and value.shape[1] > 0
        and value.is_floating_point()
        and value.grad_fn in record.from_image
    ]
    return tuple(
        (name, value)
        for name, value in rows
        if value.shape[1] == stated or not any(word in name.lower() for word in _NOT_ANSWERS)
    )


def refuse_other_answers(run: DryRun) -> None:
    """Say why no output can be a classifier's answer, unless one can.

    Raises:
        HeadNotFound: nothing among the outputs has one row per image, with gradients.
    """
    numbers = [(name, value) for name, value in run.outputs if value.is_floating_point()]
    if not numbers:
        raise HeadNotFound(
            "The network gives no numbers for a picture, only decisions or nothing at all.",
            remedy="Let forward return the scores of the classes, before argmax.",
        )
    recorded = [(name, value) for name, value in numbers if value.requires_grad]
    if not recorded:
        raise HeadNotFound(
            "The network's forward runs without gradients (torch.no_grad), so nothing in it can be taught.",
            remedy="Remove torch.no_grad from forward; headswap freezes the body by itself.",
        )
    if any(value.dim() == 2 and value.shape[0] == run.how.batch for _, value in recorded):
        return
    shape = tuple(recorded[0][1].shape)
    raise HeadNotFound(
        f"This is not a picture classifier: {_shape_text(shape, run.how.batch)}", remedy=_FLATTEN
    )


def _shape_text(shape: tuple[int, ...], batch: int) -> str:
    if len(shape) <= 1:
        squeezed = "its answer is a single number per picture without a class dimension"
        return (
            f"{squeezed}. Drop the squeeze() or flatten() at its end."
            if shape == (batch,)
            else (f"its answer has the shape {shape}.")
        )
    if len(shape) == 4:
        return f"it answers with maps of {shape[1]}×{shape[2]}×{shape[3]} numbers, not with one row."
    return f"its answer has the shape {shape}."


def _feeds(record: AutogradRecord, answer: LogitsOutput, other: LogitsOutput) -> bool:
    """Whether one output lies before the head of another."""
    if answer is other or answer.logits.grad_fn is None:
        return False
    starts = (source for hit in other.walk.heads for source in record.sources[hit.node])
    return answer.logits.grad_fn in record.upstream(starts)
