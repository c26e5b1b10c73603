"""The errors a person can mend. Everything else is a bug and must crash.

Every error says what happened (`problem`) and what to do (`remedy`); the page,
the shell and Python show the same two sentences.

Knows nothing of the rest of headswap.
"""

from __future__ import annotations

from functools import partial

MOST_LETTERS = 2_000  # of a sentence


class HeadswapError(Exception):
    """A problem the user can fix. Everything else is a bug and must crash."""

    def __init__(self, problem: str, *, remedy: str) -> None:
        self.problem, self.remedy = _shown(problem), _shown(remedy)
        super().__init__(f"{self.problem} {self.remedy}")

    def renamed(self, name: str, shown: str) -> HeadswapError:
        """The same error, with a file called as the person calls it."""
        return type(self)(self.problem.replace(name, shown), remedy=self.remedy.replace(name, shown))

    def __reduce__(self) -> tuple[object, ...]:  # survives the trip between processes
        return partial(type(self), remedy=self.remedy), (self.problem,)


def _shown(sentence: str) -> str:
    """What was typed may be in it: half a letter cannot be shown, a book must not be."""
    plain = sentence.encode("utf-8", "replace").decode()
    return plain if len(plain) <= MOST_LETTERS else f"{plain[: MOST_LETTERS - 1]}…"


class BadSetting(HeadswapError):
    """A setting has a value that cannot work."""


class ModelNotFound(HeadswapError):
    """No zoo knows a network of this name."""


class WeightsNotHere(HeadswapError):
    """The pretrained weights are not on this machine and could not be fetched."""


class WeightsDamaged(HeadswapError):
    """A weight file is truncated, altered, unsafe or made for another network."""


class HeadNotFound(HeadswapError):
    """The network has no classifier head, or none that can be told for sure."""


class SwapFailed(HeadswapError):
    """The head was found but could not be replaced; the network is as it was."""


class UnreadableImage(HeadswapError):
    """One file is not an image that can be used."""


class UnopenedFile(UnreadableImage):
    """A file that this machine cannot open, whatever is in it: another machine may be able to."""


class BadUpload(HeadswapError):
    """A folder or zip as a whole cannot be used."""


class NotSorted(BadUpload):
    """Images without a word of what they show: no class folders, no table."""


class TooMuch(HeadswapError):
    """More than this installation allows one person."""


class TooFewImages(HeadswapError):
    """There are not enough images or classes to train or to measure."""


class TeachingFailed(HeadswapError):
    """Training began and could not be brought to a good end."""


class BundleDamaged(HeadswapError):
    """A bundle is incomplete, altered or not a bundle."""


class BadProject(HeadswapError):
    """A file is no saved project, or not as it was saved."""


class NotFound(HeadswapError):
    """A project, job or image that does not exist, or belongs to someone else."""


class FinishEarly(Exception):
    """The person asked for the best that was found so far: raised by a listener at an epoch's progress."""


class Cancelled(Exception):
    """The person asked to stop. Not an error: raised by a listener between two steps."""
