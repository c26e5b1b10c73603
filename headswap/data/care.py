"""What a reader of strangers' pictures is careful about.

Flow:  limits + names of files that stopped an earlier reader --Care--> take_in

Records only; `headswap.jobs.importing` watches over a reader with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from headswap.images import PictureLimits


def _nobody(file: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True, kw_only=True)
class Care:
    """The defaults are those of the shell and of Python: the pictures are the person's own."""

    limits: PictureLimits = field(default_factory=PictureLimits)
    most_pictures: int = 0  # more is refused; 0: any number
    skip: frozenset[str] = frozenset()  # files that ended a reader: left out unread, by name
    begin: Callable[[str], None] = _nobody  # hears which file is decoded next; from several threads
    end: Callable[[str], None] = _nobody  # hears that it went well, or was refused
