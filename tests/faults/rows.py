"""What may happen to a job's row: killed at every statement, cut off at every byte of the log, no room.

Flow:  a change of the store --killed_at_every_statement--> what was seen after each death

POSIX only: a forked child is killed by its own hand, at the statement it was about to run.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headswap.app.jobs.job import JobError, JobState
from headswap.app.jobs.store import Store
from headswap.events import Progress

FULL = JobError("DiskFull", "No room.", "Free some.")


@dataclass(frozen=True)
class Change:
    """One change of the store, and where the job must stand before it."""

    name: str
    prepare: Callable[[Store], str]  # gives the id of the job
    act: Callable[[Store, str], object]


def _queued(store: Store) -> str:
    return store.submit("ann", "p", "{}", "key").id


def _running(store: Store) -> str:
    job = _queued(store)
    store.assign_next(1)
    store.name_worker(job, 1, "1:x")
    store.claim(job, 1)
    return job


def _paused(store: Store) -> str:
    job = _queued(store)
    store.pause(job, FULL)
    return job


CHANGES = (
    Change("submit", lambda store: "", lambda store, job: store.submit("ann", "p", "{}", "key")),
    Change("assign", _queued, lambda store, job: store.assign_next(1)),
    Change("claim", _queued, lambda store, job: (store.assign_next(1), store.claim(job, 1))),
    Change("name worker", _running, lambda store, job: store.name_worker(job, 1, "2:y")),
    Change("report", _running, lambda store, job: store.report(job, 1, Progress("head", 1, 2))),
    Change("renew", _running, lambda store, job: store.renew(job, 1)),
    Change("done", _running, lambda store, job: store.finish(job, 1, JobState.DONE, result="bundle")),
    Change("fail", _running, lambda store, job: store.finish(job, 1, JobState.FAILED, error=FULL)),
    Change("pause a running one", _running, lambda s, job: s.finish(job, 1, JobState.PAUSED, error=FULL)),
    Change("crash", _running, lambda store, job: store.crashed(job, 1)),
    Change("cancel a running one", _running, lambda store, job: store.request_cancel(job)),
    Change("cancel a waiting one", _queued, lambda store, job: store.request_cancel(job)),
    Change("pause", _queued, lambda store, job: store.pause(job, FULL)),
    Change("unpause", _paused, lambda store, job: store.unpause(job)),
)


def killed_at_every_statement(change: Change, room: Path) -> tuple[int, list[str]]:
    """Let a process die at each statement of a change in turn.

    Returns:
        How often one was killed, and what was wrong afterwards.
    """
    place = room / "store"
    deaths = 0
    wrong: list[str] = []
    while True:
        shutil.rmtree(place, ignore_errors=True)
        store = Store(place / "jobs.db")
        job = change.prepare(store)
        old = _rows(store)
        store.close()
        was_killed = _die_at(deaths + 1, place, change, job)
        if not was_killed:
            return deaths, wrong
        deaths += 1
        store = Store(place / "jobs.db")
        seen, sound = _rows(store), _is_sound(store)
        change.act(store, job)
        again = _rows(store)
        store.close()
        new = _new_rows(change, room / "beside")
        if _masked(seen) not in (_masked(old), *map(_masked, new)) or not sound:
            wrong.append(f"{change.name}, statement {deaths}: neither old nor new")
        if _masked(seen) == _masked(old) and _masked(again) != _masked(new[-1]):
            wrong.append(f"{change.name}, statement {deaths}: trying again did not work")


def cut_at_every_part_of_the_log(room: Path, *, step: int) -> tuple[int, list[str]]:
    """Cut the write-ahead log off after every `step` bytes: what is left is a state that once was."""
    place = room / "whole"
    store = Store(place / "jobs.db")
    states = [_masked(_rows(store))]
    job = ""
    for change in CHANGES[:2]:
        change.act(store, job)
        job = job or store.in_state(JobState.QUEUED)[0].id
        states.append(_masked(_rows(store)))
    for number in range(5):
        store.report(job, 1, Progress("head", number, 5))
        states.append(_masked(_rows(store)))
    store.finish(job, 1, JobState.DONE, result="bundle")
    states.append(_masked(_rows(store)))
    log = (place / "jobs.db-wal").read_bytes()
    cuts, wrong, last = 0, [], 0
    for size in (*range(0, len(log), step), len(log)):
        torn = room / "torn"
        shutil.rmtree(torn, ignore_errors=True)
        torn.mkdir()
        shutil.copyfile(place / "jobs.db", torn / "jobs.db")
        (torn / "jobs.db-wal").write_bytes(log[:size])
        opened = Store(torn / "jobs.db")
        seen = _masked(_rows(opened))
        cuts += 1
        if seen not in states[last:] or not _is_sound(opened):
            wrong.append(f"{size} bytes of the log: a state that never was, or an older one than before")
        else:
            last = states.index(seen, last)
        opened.close()
    store.close()
    if last != len(states) - 1:
        wrong.append("the whole log does not give the last state")
    return cuts, wrong


def _die_at(statement: int, place: Path, change: Change, job: str) -> bool:
    child = os.fork()
    if child == 0:
        store = Store(place / "jobs.db")
        left = [statement]

        def count(sql: str) -> None:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        store._rows._connection.set_trace_callback(count)
        change.act(store, job)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _new_rows(change: Change, place: Path) -> list[list[dict[str, object]]]:
    """What a change leads to when nothing happens, after each of its transactions."""
    shutil.rmtree(place, ignore_errors=True)
    store = Store(place / "jobs.db")
    job = change.prepare(store)
    states: list[list[dict[str, object]]] = []

    def note(sql: str) -> None:
        if sql.startswith("COMMIT"):
            states.append(_rows(store))  # read by the same connection: what is about to be kept

    store._rows._connection.set_trace_callback(note)
    change.act(store, job)
    store._rows._connection.set_trace_callback(None)
    states.append(_rows(store))
    store.close()
    return states


def _rows(store: Store) -> list[dict[str, object]]:
    return [dict(row) for row in store._rows.read("SELECT * FROM job ORDER BY sequence")]


def _masked(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Without the random id and the time of day."""
    return [{key: row[key] for key in row if key not in ("id", "created_at")} for row in rows]


def _is_sound(store: Store) -> bool:
    return bool(store._rows.read("PRAGMA integrity_check")[0][0] == "ok")
