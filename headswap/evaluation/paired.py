"""Two reports on the same images, answer by answer: what is right now and was not, and the other way round.

Flow:  Report before, Report after --compare_reports--> ReportChange

Only images that neither run had trained on when it judged them count, and only under the same class: what was
added or renamed between the runs is left out. Importing this file loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from headswap.evaluation.metrics import exact_mcnemar
from headswap.evaluation.report import Report, TestAnswer

_RARE = 0.05  # a difference that chance gives less often is called one


@dataclass(frozen=True, kw_only=True)
class AnswerFlip:
    """One image that is right in one report and wrong in the other."""

    file: str
    sha256: str
    truth: str
    before: str  # what was said
    after: str

    @property
    def is_gained(self) -> bool:
        return self.after == self.truth


@dataclass(frozen=True, kw_only=True)
class ReportChange:
    """What two reports say of the images that both judged."""

    common: int  # images
    alone: int  # images of the later report that the earlier one did not judge, or under another class
    right_before: int  # of the common ones
    right_after: int
    flips: tuple[AnswerFlip, ...]  # gained ones first

    @property
    def gained(self) -> int:
        """Right now, wrong before."""
        return sum(flip.is_gained for flip in self.flips)

    @property
    def lost(self) -> int:
        """Wrong now, right before."""
        return len(self.flips) - self.gained

    @property
    def p_value(self) -> float:
        """How often chance alone gives a difference as large, in [0, 1]."""
        return exact_mcnemar(self.gained, self.lost)

    @property
    def is_clear(self) -> bool:
        """Whether it is more than chance explains."""
        return self.p_value < _RARE


def compare_reports(before: Report, after: Report) -> ReportChange:
    """Pair the answers of two runs, image by image.

    Args:
        before: of the earlier run.
        after: of the later one; its classes may be others, in another order.
    """
    earlier, later = _by_image(before), _by_image(after)
    common = [key for key in later if key in earlier]
    flips = [
        AnswerFlip(
            file=later[key].file,
            sha256=later[key].sha256,
            truth=after.truth_of(later[key]),
            before=before.said_of(earlier[key]),
            after=after.said_of(later[key]),
        )
        for key in common
        if earlier[key].is_right != later[key].is_right
    ]
    return ReportChange(
        common=len(common),
        alone=len(later) - len(common),
        right_before=sum(earlier[key].is_right for key in common),
        right_after=sum(later[key].is_right for key in common),
        flips=tuple(sorted(flips, key=lambda flip: (not flip.is_gained, flip.file))),
    )


def _by_image(report: Report) -> dict[tuple[str, str], TestAnswer]:
    return {(answer.sha256, report.truth_of(answer)): answer for answer in report.answers}
