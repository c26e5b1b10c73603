"""How fast each group moves at each step: a late start, a rise, a fall along a cosine. Numbers only."""

from __future__ import annotations

import math

from headswap.training.config import FinetuneConfig


def release_pass(place: int, groups: int, passes: int, share: float) -> int:
    """In which pass, from 0, a group begins to move.

    The head and the topmost stage begin at once, the others one after another, the lowest when
    `share` of the passes is over.
    """
    if place <= 1 or groups <= 2:
        return 0
    return math.floor(share * passes * (place - 1) / (groups - 2))


def rate_at(step: int, steps: int, begin: int, config: FinetuneConfig) -> float:
    """Share of a group's peak rate at a step.

    Args:
        step: from 0.
        steps: of the whole run; the cosine ends there.
        begin: the group's first step.
        config: the share of steps in which the rate rises.
    """
    if step < begin:
        return 0.0
    rise = max(1, round(config.warm_up * steps))
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, steps))))
    return min(1.0, (step - begin + 1) / rise) * fall
