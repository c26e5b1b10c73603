"""Which ways of going further are tried, and how thoroughly, in the time there is. Numbers only.

Flow:  depth + settings + pictures that can be practised --plan_search--> Plan, or None: no time
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headswap.training.config import Depth, FurtherConfig
from headswap.training.groups import Moving

_FEWEST_PASSES = 3
BESIDE = 1.25  # looking at validation and exam pictures, as a share of practising
_RATES: dict[Moving, tuple[float, ...]] = {
    "everything": (1e-3, 3e-4),
    "last": (1e-3, 3e-4),
    "norms": (3e-3, 1e-3),
}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way of going further."""

    depth: Moving
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a search does, likeliest candidate first."""

    candidates: tuple[Candidate, ...]
    search_passes: int  # of each candidate, when there are several
    passes: int  # of the winner
    confirmations: int  # validation parts on which the winner is tried

    def pictures(self, rest: int, every: int) -> float:
        """How many pictures are practised in all, looking at others included."""
        several = len(self.candidates) if len(self.candidates) > 1 else 0
        tried = several * self.search_passes + self.confirmations * self.passes
        return BESIDE * (tried * rest + self.passes * every)


def candidates_for(depth: Depth, config: FurtherConfig) -> tuple[Candidate, ...]:
    """What is tried, likeliest first: measured in docs/decisions/0002-further-than-the-head.md."""
    rate = config.learning_rate
    if depth == "head":
        return ()
    if depth != "auto":
        rates = (rate,) if rate is not None else _RATES[depth]
        return tuple(Candidate(depth=depth, learning_rate=one) for one in rates)
    if rate is not None:
        depths: tuple[Moving, ...] = ("everything", "last", "norms")
        return tuple(Candidate(depth=one, learning_rate=rate) for one in depths)
    return (
        Candidate(depth="everything", learning_rate=1e-3),
        Candidate(depth="last", learning_rate=1e-3),
        Candidate(depth="everything", learning_rate=3e-4),
        Candidate(depth="norms", learning_rate=3e-3),
    )


def plan_search(
    candidates: Sequence[Candidate],
    config: FurtherConfig,
    *,
    rest: int,
    every: int,
    affordable: float,
) -> Plan | None:
    """The most thorough plan that there is time for.

    Args:
        candidates: likeliest first.
        config: passes and confirmations when time is no matter.
        rest: practice pictures outside a validation part.
        every: all practice pictures.
        affordable: pictures that can be practised in the time left; infinite without a limit.

    Returns:
        None: not even one candidate can be tried and then taught.
    """
    passes, every_one = config.passes, tuple(candidates)
    for tried, confirmations in ((every_one, config.confirmations), (every_one, 1), (every_one[:2], 1)):
        plan = _plan(tried, passes, confirmations)
        if plan.pictures(rest, every) <= affordable:
            return plan
    likeliest = every_one[:1]
    one_pass = _plan(likeliest, 1, 1).pictures(rest, every)
    passes = min(passes, math.floor(affordable / one_pass)) if affordable < math.inf else passes
    return _plan(likeliest, passes, 1) if passes >= _fewest(config) else None


def least_pictures(config: FurtherConfig, *, rest: int, every: int) -> float:
    """How many pictures the hastiest plan practises."""
    return BESIDE * _fewest(config) * (rest + every)


def _fewest(config: FurtherConfig) -> int:
    return min(config.passes, _FEWEST_PASSES)


def _plan(candidates: tuple[Candidate, ...], passes: int, confirmations: int) -> Plan:
    return Plan(
        candidates=candidates,
        search_passes=max(1, min(passes, max(_FEWEST_PASSES, passes // 4))),
        passes=passes,
        confirmations=confirmations,
    )
