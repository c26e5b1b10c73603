"""Logs as JSON lines: one object a line, with time, level, where it was said, and the job it is about.

Flow:  logging.info("...", extra={"job": id}) --JsonLines--> {"time": ..., "level": ..., "job": ..., ...}

Server, workers and children write the same form. Nothing that opens a door is ever logged: no codes,
no cookies, no uploads' addresses. `kept_log` rotates its file; a worker's log ends with its job.

Knows logging only.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

LOG_BYTES, LOGS_KEPT = 5_000_000, 4
_HALVES = "backslashreplace"  # a name may hold half a letter: it costs no line
_EXTRAS = ("job", "attempt", "owner", "event")


class JsonLines(logging.Formatter):
    """One JSON object a line; a line break in a message stays inside its string."""

    def __init__(self, *, job: str | None = None, attempt: int | None = None) -> None:
        super().__init__()
        named = {"job": job, "attempt": attempt}
        self._always = {name: value for name, value in named.items() if value is not None}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            **self._always,
            **{name: getattr(record, name) for name in _EXTRAS if hasattr(record, name)},
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_to(stream: TextIO, *, job: str | None = None, attempt: int | None = None) -> None:
    """All that this process logs goes to a stream, each line with the job and its attempt if given."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(job=job, attempt=attempt))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


@contextmanager
def kept_log(folder: Path) -> Iterator[None]:
    """What headswap's server logs meanwhile is kept in a folder, in a few files of a few megabytes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "server.jsonl"
    handler = RotatingFileHandler(
        path, maxBytes=LOG_BYTES, backupCount=LOGS_KEPT, encoding="utf-8", errors=_HALVES
    )
    path.chmod(0o600)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("headswap")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
        handler.close()


def rotate_log(path: Path) -> None:
    """Begin a new file where one that a child writes to has grown large; the one before is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.stat().st_size > LOG_BYTES:
        with suppress(PermissionError):  # Windows, and a child that has not quite ended writes to it
            path.replace(path.with_name(f"{path.name}.1"))
