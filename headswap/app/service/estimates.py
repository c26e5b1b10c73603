"""How long a lesson will take, before it is begun: a rough figure from one picture's time on this machine.

Flow:  TrainConfig, pictures, milliseconds of one picture --training_s--> seconds

The figures follow docs/decisions/0002-further-than-the-head.md: practising on a picture costs
three times looking at it; above the cut of the last blocks it costs a sixteenth of that.
Numbers only.
"""

from __future__ import annotations

from headswap.training.config import TrainConfig

_START_S = 2.0  # loading the network, reading pictures, exam, saving
_PRACTISE = 3.0  # forward and back, in times of looking
_ABOVE_THE_CUT = 1 / 16  # of a practice step, where only the last blocks learn
_WAYS = {"norms": 2, "last": 2, "everything": 2, "auto": 4}  # tried briefly, when the rate is left open
_BESIDE = 1.25  # looking at validation and exam pictures


def training_s(config: TrainConfig, *, pictures: int, test_share: float, picture_ms: float) -> float:
    """Seconds for a whole run, no longer than its time budget.

    Args:
        config: what may move, and how long.
        pictures: practice and exam together.
        test_share: of them, locked away.
        picture_ms: one picture through the network, milliseconds.
    """
    look_s = picture_ms / 1000.0
    looks = 3 if config.chooses_view else 2 if config.mirror else 1
    once_s = _START_S + pictures * look_s * looks
    if config.depth == "head":
        return once_s
    further = config.further
    practice = pictures * (1 - test_share)
    rest = practice * (1 - further.validation_share)
    ways = 1 if further.learning_rate is not None and config.depth != "auto" else _WAYS[config.depth]
    brief = ways * max(3, further.passes // 4) if ways > 1 else 0
    steps = (brief + further.confirmations * further.passes) * rest + further.passes * practice
    cost_s = look_s * _PRACTISE
    beside_s = 0.0
    if config.depth == "last":
        cost_s, beside_s = cost_s * _ABOVE_THE_CUT, further.crops * pictures * look_s
    whole_s = once_s + beside_s + _BESIDE * steps * cost_s
    return whole_s if config.budget_s is None else min(whole_s, config.budget_s)
