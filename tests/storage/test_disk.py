"""A file that someone has open: waited for a while, then one sentence; on Linux nothing is waited for."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from headswap.storage.disk import MOST_TRIES, RealDisk
from headswap.storage.files import DiskFailed, discard, make_folder, remove, sweep_drafts, write_text


def held(number: int) -> PermissionError:
    """What Windows says when it refuses."""
    error = PermissionError(errno.EACCES, "Access is denied", "report.json")
    error.winerror = number  # type: ignore[attr-defined]
    return error


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waited.append)
    return waited


def refuse(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, times: int, number: int = 32
) -> list[int]:
    """Let a function of the system refuse so often before it works."""
    works, left = getattr(module, name), [times]

    def refusing(*words: object, **options: object) -> object:
        if left[0] > 0:
            left[0] -= 1
            raise held(number)
        return works(*words, **options)

    monkeypatch.setattr(module, name, refusing)
    return left


@pytest.mark.parametrize("number", [5, 32, 1224])
def test_a_file_that_is_let_go_in_a_moment_is_replaced(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    write_text(tmp_path / "report.json", "old")
    refuse(monkeypatch, os, "replace", times=3, number=number)

    write_text(tmp_path / "report.json", "new")

    assert (tmp_path / "report.json").read_text(encoding="utf-8") == "new"
    assert waits == [0.01, 0.02]  # at once, then a little later each time


@pytest.mark.parametrize(
    ("edit", "module", "name"),
    [
        (lambda disk, place: disk.remove(place / "folder"), os, "unlink"),
        (lambda disk, place: disk.remove(place / "file"), os, "unlink"),
        (lambda disk, place: disk.make_folder(place / "more"), os, "mkdir"),
        (lambda disk, place: disk.sync(place / "file"), os, "open"),
        (lambda disk, place: disk.keep_next_to(place / "file", place / "folder" / "kept"), os, "unlink"),
    ],
    ids=["folder", "file", "new folder", "flush", "second name"],
)
def test_every_operation_is_tried_again(
    edit: Callable[[RealDisk, Path], None],
    module: object,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    waits: list[float],
) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file", tmp_path / "folder" / "kept"):
        path.write_bytes(b"it")
    monkeypatch.setattr(shutil, "_use_fd_functions", False)  # as on Windows
    left = refuse(monkeypatch, module, name, times=4)

    edit(RealDisk(), tmp_path)

    assert left == [0]
    assert waits


def test_a_file_that_is_never_let_go_is_one_sentence_after_some_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    write_text(tmp_path / "report.json", "old")
    left = refuse(monkeypatch, os, "replace", times=10_000)

    with pytest.raises(DiskFailed, match=r"another program has it open.*Close what may use it"):
        write_text(tmp_path / "report.json", "new")

    assert 10_000 - left[0] == 1 + MOST_TRIES
    assert 2 < sum(waits) < 5
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == "old"


def test_what_must_be_gone_and_is_not_is_said_and_what_is_of_no_more_use_waits_for_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    draft = tmp_path / "bundle.draft-1"
    draft.mkdir()
    (draft / "weights").write_bytes(b"1")
    monkeypatch.setattr(shutil, "_use_fd_functions", False)
    with monkeypatch.context() as patch:
        refuse(patch, os, "unlink", times=10_000)
        with pytest.raises(DiskFailed, match="another program has it open"):
            remove(draft)
        assert not discard(draft)
        assert sweep_drafts(tmp_path) == 0

    assert sweep_drafts(tmp_path) == 1
    assert not draft.exists()


def test_elsewhere_than_on_windows_a_refusal_is_one_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    def refusing(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", refusing)

    with pytest.raises(DiskFailed, match="cannot be written: Permission denied"):
        write_text(tmp_path / "report.json", "new")

    assert waits == []


def test_a_path_that_is_too_long_is_told_with_its_length(tmp_path: Path) -> None:
    with pytest.raises(DiskFailed, match=r"A path of \d+ characters is longer than this system allows"):
        make_folder(tmp_path / ("x" * 300))
