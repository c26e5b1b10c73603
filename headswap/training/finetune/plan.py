"""Which ways of fine-tuning are tried, and how thoroughly, in the time there is. Numbers only.

Flow:  depth + settings + what training costs here --plan_search--> SearchPlan, or None: no time
       the same without a limit --likely_seconds--> what a search will probably take, before it begins
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from headswap.training.config import Depth, FinetuneConfig, Moving

FEWEST_EPOCHS = 3
BESIDE = 1.25  # looking at validation and test images, as a share of training
# Of five searches on three sets 45 to 95 % of the plan was made.
EARLY = 0.9  # of a try in full is made: it may end in its second half
KEPT = 0.5  # of the last run: it is not made at all where the head alone is kept
NORMS = 0.8  # of training an image through everything: filters get no gradient
ABOVE_THE_CUT = 1 / 16  # of the same, where the frozen part runs once
FORWARD = 1 / 3  # of the same: no way back
_CHEAP = 0.5  # of the cost of the likeliest way: "last" is then tried alone where that way is too slow
_RATES: dict[Moving, tuple[float, ...]] = {
    "everything": (1e-3, 3e-4),
    "last": (1e-3, 3e-3),
    "norms": (3e-3, 1e-3),
}


@dataclass(frozen=True, kw_only=True)
class FinetuneCandidate:
    """One way of fine-tuning."""

    depth: Moving
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What training takes here, in seconds."""

    image: Mapping[Moving, float]  # of training once on one
    setup: Mapping[Moving, float]  # once, before the first epoch
    rest: int  # training images outside a validation part
    every: int  # all training images


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What a search does, likeliest candidate first."""

    candidates: tuple[FinetuneCandidate, ...]
    search_epochs: int  # of each candidate, when there are several
    epochs: int  # of the winner
    confirmations: int  # validation parts on which the winner is tried

    @property
    def depths(self) -> frozenset[Moving]:
        """What may move."""
        return frozenset(candidate.depth for candidate in self.candidates)

    def seconds(self, costs: Costs, *, tries: float = 1.0, last: float = 1.0) -> float:
        """How long it takes, if the slowest candidate wins.

        Args:
            costs: what training takes, in seconds or in any other unit.
            tries: share of a try in full that is made.
            last: share of the run on all training images that is made.
        """
        brief = [costs.image[candidate.depth] for candidate in self.candidates]
        search = self.search_epochs * costs.rest * sum(brief) if len(brief) > 1 else 0.0
        full = self.epochs * (tries * self.confirmations * costs.rest + last * costs.every) * max(brief)
        return sum(costs.setup.get(depth, 0.0) for depth in self.depths) + BESIDE * (search + full)


def likely_seconds(depth: Depth, config: FinetuneConfig, costs: Costs) -> float:
    """How long a search without a limit will probably take, before anything of it is known."""
    return next(_plans(depth, config, costs)).seconds(costs, tries=EARLY, last=KEPT)


def candidates_for(depth: Depth, config: FinetuneConfig) -> tuple[FinetuneCandidate, ...]:
    """What is tried, likeliest first: see docs/decisions/0002-further-than-the-head.md."""
    rate = config.learning_rate
    if depth == "head":
        return ()
    if depth != "auto":
        rates = (rate,) if rate is not None else _RATES[depth]
        return tuple(FinetuneCandidate(depth=depth, learning_rate=one) for one in rates)
    if rate is not None:
        depths: tuple[Moving, ...] = ("everything", "last", "norms")
        return tuple(FinetuneCandidate(depth=one, learning_rate=rate) for one in depths)
    return (
        FinetuneCandidate(depth="everything", learning_rate=1e-3),
        FinetuneCandidate(depth="last", learning_rate=1e-3),
        FinetuneCandidate(depth="everything", learning_rate=3e-4),
        FinetuneCandidate(depth="norms", learning_rate=3e-3),
    )


def plan_search(depth: Depth, config: FinetuneConfig, costs: Costs, *, seconds: float) -> SearchPlan | None:
    """The most thorough plan that there is time for.

    Args:
        depth: what the person asked for.
        config: epochs and confirmations when time is no matter.
        costs: measured here; of no account when `seconds` is infinite.
        seconds: that are left.

    Returns:
        None: not even one candidate can be tried and then trained.
    """
    plans = list(_plans(depth, config, costs))
    for plan in plans:
        if plan.seconds(costs) <= seconds:
            return plan
    hastiest = plans[-1].candidates[:1]
    setup = costs.setup.get(hastiest[0].depth, 0.0)
    one_epoch = _plan(hastiest, 1, 1).seconds(costs) - setup
    epochs = math.floor((seconds - setup) / one_epoch)
    return _plan(hastiest, epochs, 1) if epochs >= min(config.epochs, FEWEST_EPOCHS) else None


def least_seconds(depth: Depth, config: FinetuneConfig, costs: Costs) -> float:
    """How long the hastiest plan takes."""
    *_, last = _plans(depth, config, costs)
    return _plan(last.candidates[:1], min(config.epochs, FEWEST_EPOCHS), 1).seconds(costs)


def _plans(depth: Depth, config: FinetuneConfig, costs: Costs) -> Iterator[SearchPlan]:
    """From thorough to hasty; none with fewer than half of the epochs."""
    candidates = candidates_for(depth, config)
    for some, confirmations in (
        (candidates, config.confirmations),
        (candidates, 1),
        (candidates[:2], 1),
        (candidates[:1], 1),
    ):
        yield _plan(some, config.epochs, confirmations)
    if config.epochs >= 2 * FEWEST_EPOCHS:
        yield _plan(candidates[:1], config.epochs // 2, 1)
    if depth == "auto" and costs.image["last"] < _CHEAP * costs.image[candidates[0].depth]:
        cheap = candidates_for("last", config)
        for some, confirmations in ((cheap, config.confirmations), (cheap, 1), (cheap[:1], 1)):
            yield _plan(some, config.epochs, confirmations)


def _plan(candidates: Sequence[FinetuneCandidate], epochs: int, confirmations: int) -> SearchPlan:
    return SearchPlan(
        candidates=tuple(candidates),
        search_epochs=max(1, min(epochs, max(FEWEST_EPOCHS, epochs // 4))),
        epochs=epochs,
        confirmations=confirmations,
    )
