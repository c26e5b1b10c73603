"""Let a person watch a head learn: how many it gets right after each pass, and a few guesses.

Each pass of the solver looks at all practice pictures once. The exam pictures are looked
at only here, for the eye; nothing that is learned depends on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from headswap.events import Guess, Guesses, Listener, Pass

WATCHED = 6  # pictures whose guesses are shown
_EXPECTED_PASSES = 100


class Show:
    """Counts passes and tells a listener about them."""

    def __init__(
        self,
        classes: Sequence[str],
        practice: tuple[Tensor, Tensor],
        exam: tuple[Tensor, Tensor],
        exam_files: Sequence[str],
        listener: Listener,
    ) -> None:
        self._classes, self._practice, self._exam = classes, practice, exam
        self._files, self._listener = exam_files, listener
        self._passes: list[tuple[int, int]] = []

    def watch(self, weight: Tensor, bias: Tensor) -> None:
        """One pass is over; (C, D) and (C,) are where the head stands."""
        self._tell(lambda features: features @ weight.T + bias)

    def finish(self, logits_of: Callable[[Tensor], Tensor]) -> None:
        """The head is solved: the last pass, in the head's final form."""
        self._tell(logits_of)

    def _tell(self, logits_of: Callable[[Tensor], Tensor]) -> None:
        (practice, labels), (exam, truths) = self._practice, self._exam
        exam_logits = logits_of(exam)
        number = len(self._passes) + 1
        right = (
            int((logits_of(practice).argmax(1) == labels).sum()),
            int((exam_logits.argmax(1) == truths).sum()),
        )
        self._passes.append(right)
        self._listener(
            Pass(number, max(number, _EXPECTED_PASSES), right[0], len(labels), right[1], len(truths))
        )
        self._listener(guesses_on(number, exam_logits, truths, self._classes, self._files))


def guesses_on(
    number: int, logits: Tensor, truths: Tensor, classes: Sequence[str], files: Sequence[str]
) -> Guesses:
    """What a pass says of the few watched pictures; (M, C) logits, (M,) truths and M files of the exam."""
    watched = _spread(truths)
    sure, said = logits[watched].softmax(1).max(dim=1)
    return Guesses(
        number,
        tuple(
            Guess(files[row], classes[int(truths[row])], classes[int(label)], float(share))
            for row, label, share in zip(watched, said, sure, strict=True)
        ),
    )


def _spread(labels: Tensor) -> list[int]:
    """A few exam pictures, from as many classes as there are."""
    order: list[int] = []
    queues = [torch.nonzero(labels == label).flatten().tolist() for label in labels.unique()]
    while len(order) < min(WATCHED, len(labels)):
        for queue in queues:
            if queue and len(order) < WATCHED:
                order.append(queue.pop(0))
    return sorted(order)
