"""How a head is taught: the choices and their defaults. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headswap.errors import BadSetting

Depth = Literal["head"]


@dataclass(frozen=True, kw_only=True)
class TeachConfig:
    """How the new head is taught. The defaults work."""

    depth: Depth = "head"  # what may move
    mirror: bool = False  # average the features of picture and mirrored picture: twice the body's time
    strengths: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0)  # L2 penalties tried; the best by cross-validation
    folds: int = 4  # of that cross-validation
    passes: int = 30  # lesson passes shown while the head learns; they cost under a second
    batch_size: int = 32  # pictures a body sees at once

    def __post_init__(self) -> None:
        if not self.strengths or min(self.strengths) <= 0:
            raise BadSetting(f"strengths is {self.strengths}.", remedy="Give one or more numbers above 0.")
        if self.folds < 2:
            raise BadSetting(f"folds is {self.folds}.", remedy="Choose 2 or more.")
        if not 0 <= self.passes <= 1000:
            raise BadSetting(f"passes is {self.passes}.", remedy="Choose 0 to 1000.")
        if not 1 <= self.batch_size <= 1024:
            raise BadSetting(f"batch_size is {self.batch_size}.", remedy="Choose 1 to 1024.")
