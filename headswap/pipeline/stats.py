"""What a run cost and how large and fast its network is: next to the bundle, never in it.

A bundle is the same whenever a run is repeated; these figures are not, they belong to the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headswap.errors import BundleDamaged
from headswap.field_types import keys_on_disk
from headswap.storage.files import from_json, to_json, write_text

FILE = "figures.json"  # in the job's folder


@dataclass(frozen=True, kw_only=True)
class RunStats:
    """Measured on the machine that trained."""

    __pydantic_config__ = keys_on_disk(ms_per_image="ms_per_picture")

    seconds: float  # from the start of the work to the sealed bundle
    parameters: int  # of the trained network
    size_bytes: int  # of its numbers
    ms_per_image: float  # one prediction, the median of several
    machine: str = ""  # that it was measured on; empty in older runs


def keep_figures(folder: Path, figures: RunStats) -> None:
    """Write them into a job's folder."""
    write_text(folder / FILE, to_json(figures, indent=1))


def read_figures(folder: Path) -> RunStats | None:
    """The figures of a job; None when it left none, or they are damaged: nothing depends on them."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        figures: RunStats = from_json(RunStats, path.read_bytes())
    except BundleDamaged:
        return None
    return figures
