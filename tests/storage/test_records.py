from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from headswap.errors import BundleDamaged
from headswap.storage.files import to_json, write_text
from headswap.storage.records import is_record_whole, read_record, write_record


@dataclass(frozen=True)
class Note:
    name: str
    number: int = 0


def test_a_record_comes_back_and_the_one_before_stays_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "note.json"

    write_record(place, Note("first"))
    write_record(place, Note("Käse 猫", 2))

    assert read_record(Note, place) == Note("Käse 猫", 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["note.json", "note.json.before"]


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path: Path) -> None:
    place = tmp_path / "note.json"
    write_record(place, Note("only"))
    whole = place.read_bytes()

    for at in range(len(whole)):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        assert not is_record_whole(Note, place), at
        place.write_bytes(whole[:at])
        assert not is_record_whole(Note, place), at

    with pytest.raises(BundleDamaged):
        read_record(Note, place)


def test_a_damaged_record_gives_way_to_the_one_before_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "note.json"
    write_record(place, Note("first"))
    write_record(place, Note("second"))
    place.write_bytes(place.read_bytes()[:-3])

    found = read_record(Note, place)
    write_record(place, Note("third"))
    place.write_bytes(b"")

    assert found == Note("first")
    assert "the one before it is used" in caplog.text
    assert read_record(Note, place) == Note("first")  # the damaged second never ousted it


def test_a_record_of_an_older_headswap_is_read_as_it_is(tmp_path: Path) -> None:
    write_text(tmp_path / "note.json", to_json(Note("old", 7)))

    assert read_record(Note, tmp_path / "note.json") == Note("old", 7)
