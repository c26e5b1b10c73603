"""What is kept, for how long, and how much room a person has.

Flow:  limits --Retention.tidy, now and then--> projects and runs past their time are gone
       owner + upload --Retention.check_room--> nothing, or `TooMuch` in words

A project counts from the last time that someone looked at it; one with a run that waits or works is never
removed. A clock that is set while the server runs ages nothing: time since the start is counted, not read.

Knows projects, job rows and sizes; opens no picture.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from headswap.app.jobs.job import JobState
from headswap.app.jobs.store import Store
from headswap.app.service.leftovers import BATCH, BATCH_RECORD, TRIED, try_again
from headswap.app.service.limits import Limits
from headswap.app.service.projects import Project, Projects
from headswap.errors import HeadswapError, TooMuch
from headswap.storage.files import DiskFull, discard, is_discarded, remove, sweep_drafts

# What a killed server left half-done is removed before the next one opens its doors. Goes: drafts, projects
# without a record, images and weight files that no record, no Undo and no run names. Stays: everything
# else, and every project whose record cannot be read. Call it while no one else writes there.

Experiments = Callable[[str], Iterable[str]]  # project id -> the JSON of its runs' experiments

_OWN = re.compile(r"(data-[0-9a-f]{8}|weights-[0-9a-f]{8}\.[a-z]+)")
_IMAGE = re.compile(r"[0-9a-f]{64}\.[a-z]+")
_RECORDS = ("project.json", "project.json.before", "changes.json", "changes.json.before")


def _no_runs(project: str) -> Iterable[str]:
    return ()


def sweep_projects(root: Path, experiments: Experiments = _no_runs) -> int:
    """Remove what nothing leads to; returns how many things went."""
    if not root.is_dir():
        return 0
    gone = sweep_drafts(root)
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        gone += _sweep_project(folder, experiments(folder.name))
    if gone:
        logger.info("%d things that were left half-done are removed", gone)
    return gone


def _sweep_project(folder: Path, experiments: Iterable[str]) -> int:
    if is_discarded(folder):
        return 0  # `headswap.app.service.leftovers` looks after it
    if not (folder / "project.json").is_file():
        if any(folder.iterdir()):
            return 0  # not ours to judge
        return int(_goes(folder))
    texts = [(folder / name).read_text("utf-8", "replace") for name in _RECORDS if (folder / name).is_file()]
    wanted, images = _wanted(folder, [*texts, *experiments])
    stale = [path for path in folder.iterdir() if _OWN.fullmatch(path.name) and path.name not in wanted]
    stale += [path for path in (folder / "images").glob("*") if path.name not in images]
    stale += [path for path in (folder / BATCH).glob("*") if not (path / BATCH_RECORD).is_file()]
    return sum(map(_goes, stale))


def _goes(path: Path) -> bool:
    """Try to remove it; what another program holds open is found again at the next start."""
    try:
        remove(path)
    except HeadswapError:
        logger.warning("%s leads nowhere and could not be removed yet", path, exc_info=True)
        return False
    return True


def _wanted(folder: Path, texts: list[str]) -> tuple[set[str], set[str]]:
    """Names that the texts lead to, and pictures; a data set may itself name others."""
    wanted: set[str] = set()
    images: set[str] = set()
    while texts:
        text = texts.pop()
        images.update(_IMAGE.findall(text))
        for name in set(_OWN.findall(text)) - wanted:
            wanted.add(name)
            dataset = folder / name / "dataset.json"
            if dataset.is_file():
                texts.append(dataset.read_text("utf-8", "replace"))
    return wanted, images


TIDY_S = 600.0  # between two checks
SPARE_BYTES = 50_000_000  # that an upload leaves free
NO_LIMIT = 2**62  # bytes
FRESH_S = 5.0  # how long a sum of sizes is believed

logger = logging.getLogger(__name__)


def steady_clock() -> Callable[[], float]:
    """Seconds since 1970 as the clock said at the start, and counted from there."""
    began, counted = time.time(), time.monotonic()
    return lambda: began + (time.monotonic() - counted)


class Retention:
    """Looks after the room of one installation; a thread of its own while the server runs."""

    def __init__(
        self,
        projects: Projects,
        store: Store,
        limits: Limits,
        *,
        clock: Callable[[], float] | None = None,
        also: Callable[[float, float], int] = lambda now, hours: 0,
        waiting: Callable[..., int] = lambda owner, but=None: 0,
    ) -> None:
        """Take what it works with.

        Args:
            projects: where projects are kept.
            store: where runs are kept.
            limits: of this installation.
            clock: seconds since 1970; None: a steady one.
            also: removes what else is past its time, given now and the hours that things are kept.
            waiting: bytes that an owner has brought and not taken in, leaving out the file `but`.
        """
        self._projects, self._store, self._limits, self._also = projects, store, limits, also
        self._waiting = waiting
        self._clock = clock or steady_clock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._sizes: dict[str, tuple[float, int]] = {}  # owner -> when it was summed, bytes

    def start(self) -> None:
        """Sweep what a killed server left, then look now and then."""
        self.sweep()
        self._thread = threading.Thread(target=self._run, name="keeping", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def check_room(self, owner: str, upload: Path | None = None) -> None:
        """Whether an upload is allowed, or a run, which brings nothing.

        Raises:
            TooMuch: the upload is too large, or the owner's room is used up.
            DiskFull: the upload would fill the disk; better said now than half-way.
        """
        coming = _size_of(upload) if upload is not None else 0
        most_mb, most_gb = self._limits.upload_mb, self._limits.disk_gb
        if coming > most_mb * 1e6:
            raise TooMuch(
                f"This upload has {coming / 1e6:,.0f} MB; {most_mb:,} MB are allowed here.",
                remedy="Choose fewer pictures, or smaller ones.",
            )
        if most_gb and (used := self.used_bytes(owner, but=upload)) + coming > most_gb * 1e9:
            raise TooMuch(
                f"Your projects, runs and uploads take {used / 1e9:.2f} of your {most_gb:g} GB"
                f"{', and this would not fit' if coming else ''}.",
                remedy="Delete a run or a project that you no longer need.",
            )
        if upload is not None and shutil.disk_usage(self._store.path.parent).free < coming + SPARE_BYTES:
            raise DiskFull(
                f"There is not enough room left on the server's disk for these {coming / 1e6:,.0f} MB.",
                remedy="Choose fewer pictures, or try again when there is more room.",
            )

    def room_of(self, owner: str) -> int:
        """Bytes that an owner may still bring."""
        most_gb = self._limits.disk_gb
        return max(0, int(most_gb * 1e9) - self.used_bytes(owner)) if most_gb else NO_LIMIT

    def used_bytes(self, owner: str, *, but: Path | None = None) -> int:
        """What the projects, runs and waiting uploads of one person take; `but`: an upload to be left out."""
        now = time.monotonic()
        summed_at, size = self._sizes.get(owner, (-FRESH_S, 0))
        if now - summed_at >= FRESH_S:
            folders = [self._projects.folder(one.id) for one in self._projects.all() if one.owner == owner]
            folders += [self._store.folder(job.id) for job in self._store.of_owner(owner)]
            size = sum(map(_size_of, folders))
            self._sizes[owner] = (now, size)
        return size + self._waiting(owner, but=but)

    def tidy(self) -> int:
        """Remove what is past its time; returns how many projects and runs went."""
        gone = 0
        for project in self._projects.all():
            jobs = self._store.of_project(project.owner, project.id)  # newest first
            age_hours = (self._clock() - self._projects.touched_at(project)) / 3600
            if 0 < self._limits.hours_kept < age_hours and all(job.is_over for job in jobs):
                for job in jobs:
                    self._store.forget(job.id)
                self._projects.remove(project)
                logger.info("a project was not opened for %.0f hours and is removed", age_hours)
                gone += 1
            elif self._limits.runs_kept:
                gone += self._forget_old_runs(project)
        self._let_features_go()
        try_again(self._store.path.parent, time.time())
        return gone + self._also(self._clock(), self._limits.hours_kept)

    def sweep(self) -> None:
        """Remove what nothing leads to: tried pictures, folders of runs without a row, halves of uploads."""
        for name in TRIED:
            discard(self._store.path.parent / name)
        known = self._store.ids()
        for folder in self._store.folders():
            if folder.name not in known:
                discard(folder)
        root = self._store.path.parent
        sweep_projects(root / "projects", self._store.experiments_of)
        if not self._store.in_state(JobState.RUNNING):  # a worker that lives may be writing there
            sweep_drafts(root / "features")

    def _let_features_go(self) -> None:
        """The oldest go while there are too many; anyone who needs them again computes them again."""
        most = self._limits.features_gb * 1e9
        if not most or self._store.in_state(JobState.RUNNING):  # a worker may be reading them
            return
        shards = [
            (path, path.stat()) for path in (self._store.path.parent / "features").rglob("*.safetensors")
        ]
        size = sum(facts.st_size for _, facts in shards)
        for path, facts in sorted(shards, key=lambda shard: shard[1].st_mtime):
            if size <= most:
                break
            remove(path)
            size -= facts.st_size

    def _forget_old_runs(self, project: Project) -> int:
        jobs = self._store.of_project(project.owner, project.id)
        over = [job for job in jobs if job.is_over and job.id != project.shown]
        return sum(self._store.forget(job.id) for job in over[self._limits.runs_kept :])

    def _run(self) -> None:
        while True:
            try:
                self.tidy()
            except (OSError, HeadswapError):  # a full or slow disk: the next look may do better
                logger.exception("projects could not be looked after")
            if self._stopping.wait(TIDY_S):
                return


def _size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; what goes meanwhile counts as nothing."""
    try:
        if not path.is_dir():
            return path.stat().st_size
        with os.scandir(path) as entries:
            return sum(
                _size_of(Path(entry.path))
                if entry.is_dir(follow_symlinks=False)
                else entry.stat(follow_symlinks=False).st_size
                for entry in entries
            )
    except FileNotFoundError:
        return 0
