"""How one installation runs; made in `app.py`, nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from headswap.jobs.queue import QueueSettings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a service needs to know."""

    workspace: Path  # jobs, projects, features; on a local disk
    sample: Path  # folder of class folders that "the sample set" means
    queue: QueueSettings = field(default_factory=lambda: QueueSettings(spare_idle_s=300.0))
    answer_timeout_s: float = 120.0  # for one inspection or prediction
    import_timeout_s: float = 900.0  # for one upload
