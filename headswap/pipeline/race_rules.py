"""The rules of a race: how many images in which round, who goes on, who has won and why.

Flow:  Racers with their judgements --survivors--> RaceRound, and those who go on
       the last ones --decide--> Decision

Knows no files, and nothing of how a network is run.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headswap.data.manifest import NO_LABEL, ImageRecord
from headswap.evaluation.label_ranking import paired_gap
from headswap.evaluation.metrics import paired_interval
from headswap.network import NetworkCard
from headswap.pipeline.comparison import ComparisonRow, RaceRound, RoundFigure

if TYPE_CHECKING:
    from headswap.pipeline.scoring import NetworkScore

LEAST_IMAGES, LEAST_OF_CLASS = (
    96,
    8,
)  # in a round: in all, and of each class, as far as there are so many
_AS_FAST = 1.1  # times the milliseconds of the fastest count as the same: two measurements differ by as much


@dataclass(eq=False, kw_only=True)
class Racer:
    """One network in a race; changed from round to round."""

    card: NetworkCard
    ms: float  # one prediction here
    parameters: int
    size_bytes: int
    note: str = ""
    seconds: float = 0.0  # that it took so far
    computed: int = 0  # images that its backbone has seen
    engine: str | None = None  # that runs its backbone: features of two engines are never mixed
    judged: NetworkScore | None = None  # in the last round that it ran in

    @property
    def model(self) -> str:
        return self.card.full_name

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def right(self) -> int:
        return self.judged.right if self.judged else 0

    @property
    def average_precision(self) -> float | None:
        """The mean over the labels; None: not judged yet, or each image has one class."""
        return self.judged.mean_average_precision if self.judged else None

    def row(self) -> ComparisonRow:
        """As far as it is known."""
        judged = self.judged
        total = len(judged.labels) if judged else 0
        return ComparisonRow(
            model=self.model,
            state="done",
            right=self.right,
            total=total,
            accuracy=judged.accuracy if judged else None,
            interval=judged.interval if judged else None,
            mean_average_precision=self.average_precision,
            seconds=round(self.seconds, 2),
            computed=self.computed,
            parameters=self.parameters,
            size_bytes=self.size_bytes,
            ms_per_image=round(self.ms, 2),
            head=judged.head if judged else "last",
            right_last=judged.right_last if judged else 0,
            note=self.note,
            licence=self.card.licence,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Decision:
    """Who has won."""

    winner: Racer
    text: str
    last: RaceRound  # the last round, which now says what became of the leader


def round_images(images: int, classes: int, networks: int) -> tuple[int, ...]:
    """How many images each round has: twice as many each time, at the end all.

    At least two networks are left for the last round, where there were two.

    Args:
        images: of the training part.
        classes: of them.
        networks: that begin; with two or fewer, or few images, there is one round.
    """
    if not networks:
        return ()
    halvings = max(0, math.ceil(math.log2(networks)) - 1)
    least = max(LEAST_IMAGES, LEAST_OF_CLASS * classes)
    parts = (images >> number for number in range(halvings, 0, -1))
    return (*(part for part in parts if part >= least), images)


def some_of(images: Sequence[ImageRecord], share: float, seed: int) -> list[ImageRecord]:
    """A share of each class or label, near duplicates together, drawn by what images show, not by order.

    A larger share holds the smaller ones, so their features are used again.

    Args:
        images: with their groups.
        share: in (0, 1].
        seed: another seed, another draw.
    """
    groups: dict[int, list[ImageRecord]] = defaultdict(list)
    for image in images:
        groups[image.group].append(image)
    there = Counter(name for members in groups.values() for name in _names(members))
    wanted = {
        name: max(min(count, LEAST_OF_CLASS), math.ceil(share * count)) for name, count in there.items()
    }
    taken: Counter[str] = Counter()
    chosen: set[int] = set()
    for number in sorted(groups, key=lambda number: _lot(groups[number], seed)):
        names = _names(groups[number])
        if any(taken[name] < wanted[name] for name in names):
            chosen.add(number)
            taken.update(names)
    return [image for image in images if image.group in chosen]


def _names(members: Sequence[ImageRecord]) -> set[str]:
    """The classes or labels of a group, or that an image of it has none."""
    return {name for one in members for name in one.names or (NO_LABEL,)}


def _lot(members: Sequence[ImageRecord], seed: int) -> str:
    first = min(image.sha256 for image in members)
    return hashlib.sha256(f"race {seed} {first}".encode()).hexdigest()


def survivors(racers: Sequence[Racer], images: int, *, is_last: bool) -> tuple[RaceRound, list[Racer]]:
    """What a round has shown, and who goes on.

    The better half goes on, and who is tied with the leader and faster: on a tie it would be taken. Of the
    others no one could win any more, but by chance.

    Args:
        racers: judged on the same images; at least one.
        images: how many.
        is_last: no one is dropped any more.
    """
    ranked = sorted(racers, key=_rank)
    leader, half = ranked[0], max(2, math.ceil(len(ranked) / 2))
    figures, kept = [], []
    for position, racer in enumerate(ranked):
        behind, interval, is_tie = _gap(leader, racer)
        goes_on = is_last or position < half or (is_tie and racer.ms < leader.ms)
        if goes_on:
            kept.append(racer)
        figures.append(
            RoundFigure(
                model=racer.model,
                right=racer.right,
                total=images,
                interval=racer.judged.interval if racer.judged else (0.0, 1.0),
                head=racer.judged.head if racer.judged else "last",
                behind=behind,
                behind_interval=interval,
                is_tie=is_tie,
                is_kept=goes_on,
                text=""
                if racer is leader
                else _behind_text(leader, interval, is_tie=is_tie, goes_on=goes_on),
                mean_average_precision=racer.average_precision,
            )
        )
    return RaceRound(images=images, figures=tuple(figures)), kept


def _rank(racer: Racer) -> tuple[int, float, float, float]:
    """The best first; no rounding error decides."""
    precision, loss = racer.average_precision or 0.0, racer.judged.loss if racer.judged else math.inf
    return -racer.right, -round(precision, 6), round(loss, 6), racer.ms


def _behind_text(leader: Racer, interval: tuple[float, float], *, is_tie: bool, goes_on: bool) -> str:
    if is_tie and not goes_on:
        return f"within chance as good as {leader.name}, and slower"
    if is_tie:
        return f"within chance as good as {leader.name}"
    may_be_chance = ", which may be chance" if interval[0] <= 0 else ""
    return f"behind {leader.name}{may_be_chance}"


def decide(racers: Sequence[Racer], last: RaceRound) -> Decision:
    """The winner among those of the last round.

    Args:
        racers: of that round; at least one.
        last: its figures, the best first.
    """
    by_name = {racer.model: racer for racer in racers}
    tied = [by_name[figure.model] for figure in last.figures if figure.is_tie]
    limit = _AS_FAST * min(racer.ms for racer in tied)
    winner = min(
        (racer for racer in tied if racer.ms <= limit), key=lambda one: (one.size_bytes, one.ms, one.model)
    )
    return Decision(winner=winner, text=_decision_text(winner, tied, last), last=_told(last, winner))


def _told(last: RaceRound, winner: Racer) -> RaceRound:
    """With words for the winner, and for a leader that is not."""
    lost = f"within chance as good as {winner.name}, and slower or larger"
    figures = tuple(
        replace(figure, text="taken")
        if figure.model == winner.model
        else replace(figure, text=figure.text or lost)
        for figure in last.figures
    )
    return replace(last, figures=figures)


def _decision_text(winner: Racer, tied: Sequence[Racer], last: RaceRound) -> str:
    best = last.figures[0]
    if len(last.figures) == 1:
        score = f"it is right in {best.accuracy:.1%}" if best.mean_average_precision is None else _score(best)
        return f"{winner.name} is the only network that could be judged; {score}."
    others = [racer for racer in tied if racer is not winner]
    if others:
        figure = next(one for one in last.figures if one.model == winner.model)
        names = " and ".join(racer.name for racer in others)
        return (
            f"{winner.name} ({_score(figure)}) and {names} are equally good here: they differ by "
            f"no more than chance explains. {winner.name} is taken, as it is {_gain(winner, others)}: "
            f"{winner.ms:.1f} ms for one prediction, {winner.size_bytes / 1e6:.0f} MB."
        )
    second = last.figures[1]
    follower = second.model.partition("/")[2]
    low, high = second.behind_interval
    chance = "; that may still be chance" if low <= 0 else ""
    if best.mean_average_precision is not None:
        return (
            f"{winner.name} is the best: {_score(best)}. The next, {follower}, is {second.behind:.3f} behind "
            f"(probably {low:.3f} to {high:.3f}{chance})."
        )
    return (
        f"{winner.name} is right most often: {best.accuracy:.1%}. The next, {follower}, is "
        f"{100 * second.behind:.1f} points behind (probably {100 * low:.1f} to {100 * high:.1f}{chance})."
    )


def _score(figure: RoundFigure) -> str:
    precision = figure.mean_average_precision
    return f"{figure.accuracy:.1%} right" if precision is None else f"mean average precision {precision:.2f}"


def _gain(winner: Racer, others: Sequence[Racer]) -> str:
    """What speaks for it among those that are as good."""
    if all(_AS_FAST * winner.ms < other.ms for other in others):
        return "faster"
    return "smaller" if all(winner.size_bytes < other.size_bytes for other in others) else "faster or smaller"


def _gap(leader: Racer, other: Racer) -> tuple[float, tuple[float, float], bool]:
    """How far one is behind, with its interval, and whether that is within its standard error."""
    ahead, behind = leader.judged, other.judged
    if ahead is None or behind is None or other is leader:
        return 0.0, (0.0, 0.0), True
    if ahead.ranking is not None and behind.ranking is not None:
        gap, interval = paired_gap(ahead.ranking, behind.ranking)
        return gap, interval, paired_gap(ahead.ranking, behind.ranking, z=1.0)[1][0] <= 0
    right, also = ahead.logits.argmax(1) == ahead.labels, behind.logits.argmax(1) == behind.labels
    gained, lost, total = int((right & ~also).sum()), int((also & ~right).sum()), len(right)
    low, _ = paired_interval(gained, lost, total, z=1.0)
    return (gained - lost) / total, paired_interval(gained, lost, total), low <= 0
