"""One SQLite file, shared by threads and processes: transactions that hold or never were.

Flow:  `with database.writing():` -> BEGIN IMMEDIATE -> any number of `change` and `read` -> COMMIT

Knows SQL as text; nothing of jobs.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headswap.app.jobs.schema import open_database
from headswap.storage.files import DiskFull

NOT_NOW = (sqlite3.OperationalError, DiskFull)  # what a write may raise that can succeed a moment later


class Database:
    """One connection and its lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connection = open_database(path)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction; inside another one, a part of it.

        Raises:
            DiskFull: there is no room; nothing has changed.
        """
        with self._lock:
            if self._is_in_transaction():
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._is_in_transaction():  # a full disk may have ended it already
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                    raise _no_room(self._path) from error
                raise

    def change(self, sql: str, values: tuple[object, ...] = ()) -> int:
        """Run one statement; returns how many rows it changed."""
        with self.writing():
            return self._connection.execute(sql, values).rowcount

    def read(self, sql: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def _is_in_transaction(self) -> bool:
        return self._connection.in_transaction


def _no_room(path: Path) -> DiskFull:
    return DiskFull(
        f"There is no room left on the disk that holds {path.name}.",
        remedy="Free some space, then try again.",
    )
