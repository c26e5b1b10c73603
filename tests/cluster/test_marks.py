"""Marks come and go; those that killed processes have left go later, and nothing else does."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from headswap.cluster.marks import STALE_S, marked


def put(path: Path, content: str, *, age_s: float) -> Path:
    path.write_text(content)
    written_at = path.stat().st_mtime - age_s
    os.utime(path, (written_at, written_at))
    return path


def mark_in(folder: Path, content: str | None = None, *, age_s: float) -> Path:
    name = f".headswap-{uuid.uuid4().hex}"
    return put(folder / name, name if content is None else content, age_s=age_s)


def test_marks_of_processes_that_were_killed_long_ago_are_removed_and_nothing_else(tmp_path: Path) -> None:
    old, young = 2 * STALE_S, STALE_S / 2
    left = [mark_in(tmp_path, age_s=old), mark_in(tmp_path, "", age_s=old)]
    folder = tmp_path / f".headswap-{uuid.uuid4().hex}"
    folder.mkdir()
    kept = [
        mark_in(tmp_path, age_s=young),
        mark_in(tmp_path, "of someone else", age_s=old),
        put(tmp_path / ".headswap-notes", ".headswap-notes", age_s=old),
        put(tmp_path / "0-255.safetensors", "", age_s=old),
        mark_in(folder, age_s=old),
    ]
    os.utime(folder, (0, 0))

    with marked(tmp_path, None) as marks:
        during = set(tmp_path.iterdir())

    assert during == {folder, *kept[:-1], *map(Path, marks)}
    assert all(path.is_file() for path in kept)
    assert not any(path.exists() for path in left)
    assert set(tmp_path.iterdir()) == {folder, *kept[:-1]}, "the new mark goes too"
