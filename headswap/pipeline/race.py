"""A race among networks on the images of one person: which is the right one here?

Flow:  networks within the limits --line up--> pace of each here
       some of the training images --score_network--> the better half goes on with twice as many, up to all
       the last ones --decide--> the winner, which alone answers the test, once

Successive halving: a network that is behind on few images is not run over many. Features are kept by
content, so the next round computes only what is new. What decides is the share of right answers in
cross-validation inside the training part, compared image by image; where an image may have several
labels, mean average precision. A difference within its standard error is a tie, and of tied networks the
fastest is taken, of equally fast ones the smallest
(docs/decisions/0039-a-race-among-networks.md).

Source:
    Jamieson and Talwalkar (2016), arXiv:1502.07943; the rule of one standard error: Breiman, Friedman, Olshen
    and Stone (1984), Classification and Regression Trees, section 3.4.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from headswap.cluster.crew import Crew
from headswap.data.manifest import ImageRecord, Manifest
from headswap.data.split import split
from headswap.errors import BadSetting, HeadswapError, TooFewImages
from headswap.evaluation.metrics import wilson_interval
from headswap.events import Listener, Note, Progress, silent
from headswap.network import Network, NetworkCard
from headswap.pipeline.comparison import Comparison, ComparisonRow, Race, RaceRound, TestFigure
from headswap.pipeline.race_rules import Racer, decide, round_images, some_of, survivors
from headswap.pipeline.scoring import (
    NOT_LINEAR,
    ScoringTask,
    bank_of,
    check_foldable,
    comparison_of,
    kinds_of,
    score_network,
    task_of,
)
from headswap.zoos.candidates import SHORT_LIST, Candidates, NetworkLimits, candidates
from headswap.zoos.catalogue import DEFAULT_SETTINGS, load_network
from headswap.zoos.zoo import ZooSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headswap.training.config import HeadKind
    from headswap.training.head_choice import FeatureSource

TEST_SHARE = 0.2  # as `train` locks away when nothing else is said
_PACE_S = 1.0  # after which no try of a pace is begun
_KEPT_BYTES = 2**30  # of networks that stay loaded between two rounds

_T = TypeVar("_T")
OnRow = Callable[[ComparisonRow], None]


@dataclass(frozen=True, kw_only=True)
class RaceSetting:
    """The choices of a race. The defaults let everything run whose weights are here."""

    limits: NetworkLimits = field(default_factory=NetworkLimits)
    folds: int = 5
    seed: int = 0
    may_fetch: tuple[str, ...] = SHORT_LIST  # of these, where the limits let anything be fetched


def race(
    data: Path,
    setting: RaceSetting,
    *,
    workspace: Path,
    settings: ZooSettings = DEFAULT_SETTINGS,
    crew: Crew | None = None,
    listener: Listener = silent,
    on_row: OnRow | None = None,
) -> Comparison:
    """Find the right network.

    Args:
        data: a folder of class folders, a zip of one, or the dataset.json of a project.
        setting: limits, folds, seed.
        workspace: where features are kept.
        settings: where weights come from.
        crew: reads and sees the images; None: this process.
        listener: hears notes and progress; what it raises is passed on, except a KeyboardInterrupt, after
            which what is known by then is returned.
        on_row: told what became of each network as soon as that is known.

    Raises:
        BadSetting: no network keeps to the limits.
        TooFewImages: a class has not two training images that differ, or nothing is left for a test.
    """
    entrants = candidates(setting.limits, may_fetch=setting.may_fetch, settings=settings)
    if not entrants.cards:
        raise _no_entrant(entrants)
    names = [card.full_name for card in entrants.cards]
    task = task_of(
        data, names, folds=setting.folds, seed=setting.seed, workspace=workspace,
        settings=settings, crew=crew, listener=listener,
    )  # fmt: skip
    task = replace(task, manifest=_parted(task.manifest, setting.seed))
    check_foldable(task.manifest.classes, task.manifest.part("train"))
    return _RaceRun(task, setting.limits, entrants, listener, on_row).run()


def _no_entrant(entrants: Candidates) -> BadSetting:
    first = entrants.left_out[0] if entrants.left_out else None
    why = f": {first.model}, for one: {first.reason}" if first else " on this machine"
    return BadSetting(
        f"No network keeps to these limits{why}.",
        remedy="Widen them, or let good networks be downloaded (fetch).",
    )


def _parted(manifest: Manifest, seed: int) -> Manifest:
    """The split that `train` makes with the same seed."""
    parted = split(manifest, test_share=TEST_SHARE, seed=seed)
    if not parted.part("test"):
        raise TooFewImages(
            "There are too few pictures to lock any away for the test.",
            remedy="Give each class at least two different pictures; ten or more are better.",
        )
    return parted


def _pace(network: Network, image: NDArray[np.uint8]) -> float:
    """Milliseconds of one prediction: a race may be decided by it, so a busy moment must not."""
    from headswap.features.latency import pace_of

    return pace_of(network, image, _PACE_S)


class _RaceRun:
    """One race on its way."""

    def __init__(
        self,
        task: ScoringTask,
        limits: NetworkLimits,
        entrants: Candidates,
        listener: Listener,
        on_row: OnRow | None,
    ) -> None:
        self._task, self._limits, self._entrants = task, limits, entrants
        self._listener, self._on_row = listener, on_row
        self._loaded: dict[str, FeatureSource] = {}
        self._paces: dict[tuple[str, HeadKind], float] = {}
        self._rounds: list[RaceRound] = []
        self._rows: dict[str, ComparisonRow] = {}
        self._done = self._total = 0

    def run(self) -> Comparison:
        """To the end, or to where it is stopped."""
        stopped = False
        train, test = self._task.manifest.part("train"), self._task.manifest.part("test")
        outcome = Race(train_images=len(train), test_images=len(test), rounds=())
        for left in self._entrants.left_out:
            self._tell(ComparisonRow(model=left.model, state="not done", reason=f"left out: {left.reason}"))
        try:
            last = self._race(train, self._lined_up())
            decision = decide(last, self._rounds[-1]) if last else None
            if decision is not None:
                self._rounds[-1] = decision.last
                outcome = replace(outcome, winner=decision.winner.model, text=decision.text)
                outcome = self._with_test(outcome, decision.winner, train, test)
        except KeyboardInterrupt:
            stopped = True
        outcome = replace(outcome, rounds=tuple(self._rounds))
        return comparison_of(self._task, self._ordered(outcome), stopped=stopped, race=outcome)

    def _lined_up(self) -> list[Racer]:
        """All networks that can be loaded and are fast enough."""
        racers = []
        cards = self._entrants.cards
        for number, card in enumerate(cards, start=1):
            self._listener(Note(f"Loading and timing {card.full_name} ({number} of {len(cards)})"))
            racer = self._tried(card, partial(self._measured, card))
            reason = self._limits.reason_against_pace(racer.ms) if racer else ""
            if racer and reason:
                self._loaded.pop(racer.model, None)
                self._tell(replace(racer.row(), state="not done", reason=f"left out: {reason}"))
            elif racer:
                racers.append(racer)
        return racers

    def _race(self, train: Sequence[ImageRecord], racers: list[Racer]) -> list[Racer]:
        """Round after round; those of the last one."""
        sizes = round_images(len(train), len(self._task.manifest.classes), len(racers))
        self._total = sum(max(2, len(racers) >> number) for number in range(len(sizes))) if racers else 0
        for number, size in enumerate(sizes, start=1):
            images = some_of(train, size / len(train), self._task.seed)
            text = f"Round {number} of {len(sizes)}: {len(racers)} networks, {len(images)} of {len(train)}"
            self._listener(Note(f"{text} practice pictures.", code="round"))
            racers = [racer for racer in racers if self._judged(racer, images)]
            if not racers:
                break
            is_last = number == len(sizes)
            result, kept = survivors(racers, len(images), is_last=is_last)
            self._rounds.append(result)
            for racer in racers:
                if racer not in kept:
                    self._loaded.pop(racer.model, None)
                if racer not in kept or is_last:
                    self._tell(racer.row())
            racers = kept
        return racers

    def _judged(self, racer: Racer, images: Sequence[ImageRecord]) -> bool:
        """Whether it could be, and is fast enough with the head that it gets."""
        self._listener(Progress("race", self._done, max(self._total, self._done + 1), unit="networks"))
        self._listener(Note(racer.model))
        start = time.perf_counter()

        def go() -> bool:
            source = self._source(racer.card)
            racer.judged = judged = score_network(self._task, source, images, self._listener, racer.engine)
            racer.engine, racer.computed = judged.engine, racer.computed + judged.computed
            racer.ms = self._pace(source, judged.head)
            return True

        done = self._tried(racer.card, go)
        racer.seconds += time.perf_counter() - start
        self._done += 1
        self._listener(Progress("race", self._done, max(self._total, self._done), unit="networks"))
        reason = self._limits.reason_against_pace(racer.ms) if done else ""
        if reason:
            self._tell(replace(racer.row(), state="not done", reason=f"left out: {reason}"))
        return bool(done) and not reason

    def _pace(self, source: FeatureSource, head: HeadKind) -> float:
        """Milliseconds of one prediction by a head of this kind, measured once."""
        network = source.reads(head).network
        key = network.card.full_name, head
        if key not in self._paces:
            image = self._task.ready(network, self._task.manifest.part("train")[0])
            self._paces[key] = _pace(network, image)
        return self._paces[key]

    def _measured(self, card: NetworkCard) -> Racer:
        from headswap.features.latency import size_of
        from headswap.training.head_choice import check_solvable

        start = time.perf_counter()
        source = self._source(card)
        check_solvable(fits=source.fits_linear_head, is_multi_label=self._task.manifest.is_multi_label)
        plain = source.plain
        ms = self._pace(source, "last")  # what it takes at least: which head it gets is not known yet
        parameters, size_bytes = size_of(plain.module)
        return Racer(
            card=card,
            ms=ms,
            parameters=parameters,
            size_bytes=size_bytes,
            note="" if source.fits_linear_head else NOT_LINEAR,
            seconds=time.perf_counter() - start,
        )

    def _source(self, card: NetworkCard) -> FeatureSource:
        """A network from memory, or loaded; only so many bytes of them stay, or a single one."""
        from headswap.features.latency import size_of
        from headswap.heads.detect import locate_head
        from headswap.training.head_choice import source_of

        name = card.full_name
        if name not in self._loaded:
            network = load_network(name, listener=self._listener, settings=self._task.settings)
            images = len(self._task.manifest.images)
            source = source_of(network, locate_head(network), "auto", images)
            if sum(size_of(one.plain.module)[1] for one in [source, *self._loaded.values()]) > _KEPT_BYTES:
                self._loaded.clear()
            self._loaded[name] = source
        return self._loaded[name]

    def _tried(self, card: NetworkCard, work: Callable[[], _T]) -> _T | None:
        """What it gives; None where a network cannot be had or used, which is told and ends nothing."""
        try:
            return work()
        except HeadswapError as error:
            reason = str(error)
        except MemoryError:
            reason = "There is not enough memory for it."
        self._loaded.pop(card.full_name, None)
        self._tell(ComparisonRow(model=card.full_name, state="not done", reason=reason))
        return None

    def _with_test(
        self, outcome: Race, winner: Racer, train: Sequence[ImageRecord], test: Sequence[ImageRecord]
    ) -> Race:
        """The race with the winner's test, or why there is none: the winner stays what it is."""
        try:
            return replace(outcome, test=self._tested(winner, train, test))
        except HeadswapError as error:
            reason = str(error)
        except MemoryError:
            reason = "There is not enough memory for it."
        return replace(outcome, test_reason=reason)

    def _tested(self, winner: Racer, train: Sequence[ImageRecord], test: Sequence[ImageRecord]) -> TestFigure:
        """The head that training would solve, on images that the race has never looked at."""
        from headswap.training.config import TrainConfig
        from headswap.training.head_choice import ChosenHead, choose_head, mean_average_precision
        from headswap.training.linear.heads import LinearHeads, fit_heads, has_bias
        from headswap.training.linear.labeled_features import LabeledFeatures
        from headswap.training.verify import every_label_right

        task, source, count = self._task, self._source(winner.card), len(train)
        images = [*train, *test]
        bank, labels = bank_of(task, source, images, self._listener, winner.engine), task.labels(images)
        groups = [image.group for image in train]

        def solve(kind: HeadKind) -> LinearHeads:
            reading = source.reads(kind)
            features = bank.features[:count, reading.columns]
            known = LabeledFeatures(features, labels[:count], len(task.manifest.classes), groups)
            biases = has_bias(reading.network.module, reading.site)
            return fit_heads(known, reading.site, has_bias=biases, config=TrainConfig(), seed=task.seed)

        both = len(kinds_of(task, source)) > 1
        chosen = choose_head(solve, labels[:count]) if both else ChosenHead(kind="last")
        heads = chosen.heads or solve(chosen.kind)
        said, truth = heads.logits(bank.features[count:, source.reads(chosen.kind).columns]), labels[count:]
        precision = None
        if labels.ndim == 1:
            right = int((said.argmax(1) == truth).sum())
        else:
            right = every_label_right(said, truth, heads.fold_logits, labels[:count])
            precision = mean_average_precision(said, truth)
        return TestFigure(
            right=right,
            total=len(test),
            interval=wilson_interval(right, len(test)),
            mean_average_precision=precision,
        )

    def _tell(self, row: ComparisonRow) -> None:
        self._rows[row.model] = row
        if self._on_row:
            self._on_row(row)

    def _ordered(self, outcome: Race) -> list[ComparisonRow]:
        """The winner, then who came furthest and was best there, then who did not run."""

        def rank(row: ComparisonRow) -> tuple[bool, bool, int, float, str]:
            return (
                row.model != outcome.winner,
                row.state != "done",
                -row.total,
                -(row.score or 0.0),
                row.model,
            )

        return sorted(self._rows.values(), key=rank)
