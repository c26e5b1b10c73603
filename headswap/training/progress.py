"""Let a person watch a head learn: how many it gets right after each iteration, and a few guesses.

Each iteration of the solver looks at all training images. The test images are looked
at only here, for the eye; nothing that is learned depends on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from headswap.evaluation.report import Report
from headswap.events import EpochEnd, Event, Guess, Guesses, Listener

WATCHED = 6  # images whose guesses are shown
_EXPECTED_EPOCHS = 100


class EpochCounter:
    """Counts epochs or iterations and tells a listener about them."""

    def __init__(
        self,
        classes: Sequence[str],
        train: tuple[Tensor, Tensor],
        test: tuple[Tensor, Tensor],
        test_files: Sequence[str],
        listener: Listener,
    ) -> None:
        self._classes, self._train, self._test = classes, train, test
        self._files, self._listener = test_files, listener
        self._epochs: list[tuple[int, int]] = []

    def watch(self, weight: Tensor, bias: Tensor) -> None:
        """One epoch or iteration is over; (C, D) and (C,) are where the head stands."""
        self._tell(lambda features: features @ weight.T + bias)

    def finish(self, logits_of: Callable[[Tensor], Tensor]) -> None:
        """The head is solved: the last iteration, in the head's final form."""
        self._tell(logits_of)

    def _tell(self, logits_of: Callable[[Tensor], Tensor]) -> None:
        (train, labels), (test, truths) = self._train, self._test
        test_logits = logits_of(test)
        number = len(self._epochs) + 1
        right = (
            int((logits_of(train).argmax(1) == labels).sum()),
            int((test_logits.argmax(1) == truths).sum()),
        )
        self._epochs.append(right)
        self._listener(
            EpochEnd(number, max(number, _EXPECTED_EPOCHS), right[0], len(labels), right[1], len(truths))
        )
        self._listener(guesses_on(number, test_logits, truths, self._classes, self._files))


class LastWord:
    """A listener that passes on what is said, and in the end says the figures of the report.

    While a head is solved its answers come from the features at hand and its confidence is not corrected yet;
    what stands there when it is over must be what the report says.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._last: EpochEnd | None = None
        self._guesses: Guesses | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, EpochEnd):
            self._last = event
        if isinstance(event, Guesses):
            self._guesses = event
        self._listener(event)

    def conclude(self, report: Report) -> None:
        """Say the last epoch and its guesses once more, as the report has them."""
        if self._last is not None:
            final = replace(
                self._last,
                train_right=report.train_right,
                train_total=report.train_total,
                test_right=report.test_right,
                test_total=report.test_total,
            )
            self._listener(final)
        if self._guesses is not None:
            told = {answer.file: answer for answer in report.answers}
            guesses = tuple(
                replace(one, label=report.classes[told[one.file].label], sure=told[one.file].sure)
                for one in self._guesses.guesses
            )
            self._listener(replace(self._guesses, guesses=guesses))


def guesses_on(
    number: int, logits: Tensor, truths: Tensor, classes: Sequence[str], files: Sequence[str]
) -> Guesses:
    """What an epoch says of the few watched images; (M, C) logits, (M,) truths and M files of the test."""
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
    """A few test images, from as many classes as there are."""
    order: list[int] = []
    queues = [torch.nonzero(labels == label).flatten().tolist() for label in labels.unique()]
    while len(order) < min(WATCHED, len(labels)):
        for queue in queues:
            if queue and len(order) < WATCHED:
                order.append(queue.pop(0))
    return sorted(order)
