from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from headswap.errors import BundleDamaged
from headswap.storage.files import (
    SEAL,
    DiskFull,
    check_seal,
    from_json,
    sealed_folder,
    sweep_drafts,
    to_json,
    write_text,
)


@dataclass(frozen=True)
class Inner:
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner


def test_a_record_survives_json() -> None:
    record = Outer("Käse 猫", Inner((1, 2)))

    assert from_json(Outer, to_json(record)) == record


def test_a_record_with_a_missing_field_names_it() -> None:
    with pytest.raises(BundleDamaged, match="inner: Field required"):
        from_json(Outer, '{"name": "x"}')


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "bundle"

    def write_half() -> None:
        with sealed_folder(place) as draft:
            (draft / "half").write_text("...")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()

    assert list(tmp_path.iterdir()) == []
    with sealed_folder(place) as draft:
        (draft / "whole").write_text("all of it")
        assert not place.exists()
    check_seal(place)
    assert (place / "whole").read_text() == "all of it"


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "lose", "unseal"])
def test_every_damage_to_a_sealed_folder_is_noticed(tmp_path: Path, damage: str) -> None:
    with sealed_folder(tmp_path / "bundle") as draft:
        (draft / "weights").write_bytes(bytes(range(256)))
    victim = tmp_path / "bundle" / "weights"

    data = bytearray(victim.read_bytes())
    match damage:
        case "flip":
            data[100] ^= 1
            victim.write_bytes(data)
        case "cut":
            victim.write_bytes(data[:-1])
        case "grow":
            victim.write_bytes(data + b"x")
        case "lose":
            victim.unlink()
        case "unseal":
            (tmp_path / "bundle" / SEAL).unlink()

    with pytest.raises(BundleDamaged):
        check_seal(tmp_path / "bundle")


def test_a_sealed_folder_is_never_written_over(tmp_path: Path) -> None:
    with sealed_folder(tmp_path / "bundle"):
        pass

    with pytest.raises(FileExistsError), sealed_folder(tmp_path / "bundle"):
        pass


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "state.json", "old")

    def no_room(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(DiskFull, match="Free some space"):
        write_text(tmp_path / "state.json", "new")

    assert (tmp_path / "state.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "bundle.draft-0123").mkdir()
    (tmp_path / "state.json.draft-4567").write_text("half")
    (tmp_path / "state.json").write_text("whole")

    assert sweep_drafts(tmp_path) == 2

    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
