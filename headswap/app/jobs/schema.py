"""The tables of the job store, and how an older store becomes a newer one.

`PRAGMA user_version` counts the steps of `MIGRATIONS` that a file has seen. A new
version of headswap appends a step; it never changes one that was released.

Knows SQLite only: nothing of what a job means.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from headswap.errors import HeadswapError

BUSY_TIMEOUT_MS = 10_000

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE job (
            sequence         INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of submission
            id               TEXT NOT NULL UNIQUE,
            owner            TEXT NOT NULL,
            project          TEXT NOT NULL,
            idempotency_key  TEXT NOT NULL,
            experiment       TEXT NOT NULL,                      -- JSON
            state            TEXT NOT NULL DEFAULT 'queued',
            attempt          INTEGER NOT NULL DEFAULT 0,         -- the fence
            crashes          INTEGER NOT NULL DEFAULT 0,
            turn             INTEGER NOT NULL DEFAULT 0,         -- grows with every start; for fairness
            lease            INTEGER NOT NULL DEFAULT 0,         -- grows while the worker lives; 0: unclaimed
            worker           TEXT NOT NULL DEFAULT '',           -- the runner's handle
            spare            TEXT NOT NULL DEFAULT '',           -- token of the warm worker meant for it
            cancel_requested INTEGER NOT NULL DEFAULT 0,
            step             TEXT NOT NULL DEFAULT '',
            progress         TEXT NOT NULL DEFAULT '',           -- JSON of the latest Progress
            result           TEXT NOT NULL DEFAULT '',           -- sealed folder inside the job's folder
            error_code       TEXT NOT NULL DEFAULT '',
            problem          TEXT NOT NULL DEFAULT '',
            remedy           TEXT NOT NULL DEFAULT '',
            created_at       REAL NOT NULL,                      -- for people, never for order
            UNIQUE (owner, idempotency_key)
        )
        """,
        "CREATE INDEX job_by_state ON job (state)",
        "CREATE INDEX job_by_project ON job (owner, project)",
    ),
    (
        "ALTER TABLE job ADD COLUMN stop_requested INTEGER NOT NULL DEFAULT 0",
    ),  # end between two steps, wait again
    (
        "ALTER TABLE job ADD COLUMN finish_requested INTEGER NOT NULL DEFAULT 0",
    ),  # train no longer, keep the best
)


def open_database(path: Path) -> sqlite3.Connection:
    """Open a store's file, made or brought up to date as needed.

    Raises:
        HeadswapError: a newer headswap wrote it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        _use_write_ahead_log(connection)
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch once; SQLite does not wait its busy timeout here when others open the file too."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)  # again: another process may have been first
        if version > len(MIGRATIONS):
            raise HeadswapError(
                f"{path.name} was written by a newer headswap (version {version} of the job store; "
                f"this one knows {len(MIGRATIONS)}).",
                remedy="Update headswap, or start it with another data folder.",
            )
        for steps in MIGRATIONS[version:]:
            for step in steps:
                connection.execute(step)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
