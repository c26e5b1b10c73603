from __future__ import annotations

from pathlib import Path

import pytest

from headswap.app.service.uploads import Uploads


def brought(tmp_path: Path, name: str = "a.zip", size: int = 1000) -> Path:
    (tmp_path / name).write_bytes(bytes(size))
    return tmp_path / name


def test_an_upload_weighs_until_it_is_taken_in_and_goes_then(tmp_path: Path) -> None:
    uploads, file = Uploads(), brought(tmp_path)
    uploads.note("ada", file)

    assert (uploads.waiting_bytes("ada"), uploads.waiting_bytes("bob")) == (1000, 0)
    assert uploads.waiting_bytes("ada", but=file) == 0
    uploads.taken("ada", file)

    assert not file.exists()
    assert uploads.waiting_bytes("ada") == 0


def test_what_was_brought_twice_goes_with_the_second_time(tmp_path: Path) -> None:
    uploads, file = Uploads(), brought(tmp_path)
    for person in ("ada", "ada", "bob"):
        uploads.note(person, file)

    for person in ("ada", "bob"):
        uploads.taken(person, file)
        assert file.exists()
    uploads.taken("ada", file)

    assert not file.exists()


def test_nothing_is_removed_that_did_not_come_as_an_upload_of_that_person(tmp_path: Path) -> None:
    uploads, file, other = Uploads(), brought(tmp_path), brought(tmp_path, "other.txt")
    uploads.note("ada", file)

    uploads.taken("bob", file)
    uploads.taken("ada", other)

    assert file.exists()
    assert other.exists()


def test_one_that_is_held_is_left_to_its_age_and_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def held(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Another program holds it", str(self))

    uploads, file = Uploads(), brought(tmp_path)
    uploads.note("ada", file)
    monkeypatch.setattr(Path, "unlink", held)
    uploads.taken("ada", file)

    assert "removed yet" in caplog.text
