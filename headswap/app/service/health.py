"""Is the server well? A few figures that name no one, for anyone who watches over it.

Flow:  store + supervisor + workspace --health_of--> Health (status 200 or 503)

Knows counts only: no owners, no ids, no paths.
"""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from headswap.app.jobs.cluster import ClusterState
from headswap.app.jobs.job import JobState
from headswap.app.jobs.store import Store
from headswap.app.jobs.supervisor import Supervisor

STUCK_S = 60.0  # a queue that no one has looked after for longer is ill
LEAST_ROOM_BYTES = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Health:
    """What /healthz says."""

    well: bool
    version: str
    waiting: int
    running: int
    free_disk_bytes: int
    cluster: Literal["none", "well", "lost"] = "none"  # as the last look found it; runs wait for a lost one
    problems: tuple[str, ...] = ()


def health_of(
    store: Store, supervisor: Supervisor, workspace: Path, cluster: ClusterState | None = None
) -> Health:
    """Look once.

    Args:
        store, supervisor, workspace: of the server.
        cluster: what the last look at it has found, so that nothing is waited for here; None: there is none.
    """
    problems: list[str] = []
    waiting = running = 0
    try:
        waiting = len(store.in_state(JobState.QUEUED)) + len(store.in_state(JobState.PAUSED))
        running = len(store.in_state(JobState.RUNNING))
    except sqlite3.Error:
        problems.append("The job store cannot be read.")
    free_bytes = shutil.disk_usage(workspace).free
    if free_bytes < LEAST_ROOM_BYTES:
        problems.append("The disk is nearly full.")
    if supervisor.silent_for_s > STUCK_S:
        problems.append("The queue is not looked after.")
    return Health(
        well=not problems,
        version=headswap_version(),
        waiting=waiting,
        running=running,
        free_disk_bytes=free_bytes,
        cluster="none" if cluster is None else "well" if cluster.is_well else "lost",
        problems=tuple(problems),
    )


def headswap_version() -> str:
    """Of the installed package; a clone that was never installed has none."""
    try:
        return version("headswap")
    except PackageNotFoundError:
        return "from a clone"
