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
        self._watched = _spread(exam[1])

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
        probabilities = exam_logits[self._watched].softmax(1)
        sure, said = probabilities.max(dim=1)
        guesses = tuple(
            Guess(self._files[row], self._classes[int(truths[row])], self._classes[int(label)], float(share))
            for row, label, share in zip(self._watched, said, sure, strict=True)
        )
        self._listener(Guesses(number, guesses))


def _spread(labels: Tensor) -> list[int]:
    """A few exam pictures, from as many classes as there are."""
    order: list[int] = []
    queues = [torch.nonzero(labels == label).flatten().tolist() for label in labels.unique()]
    while len(order) < min(WATCHED, len(labels)):
        for queue in queues:
            if queue and len(order) < WATCHED:
                order.append(queue.pop(0))
    return sorted(order)
