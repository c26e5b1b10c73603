"""A bundle is what was saved, or a sentence says that it is not."""

from __future__ import annotations

import random
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from headswap.bundle.format import opened, pack, read_card, read_report, save_bundle
from headswap.errors import BundleDamaged
from tests.faults.scenes import tiny_result


@pytest.fixture
def place(tmp_path: Path) -> Path:
    network, card, report, manifest = tiny_result()
    save_bundle(tmp_path / "bundle", network, card, "{}", report, manifest)
    return tmp_path / "bundle"


def test_a_spoiled_zip_of_a_bundle_is_refused_in_a_sentence(place: Path, tmp_path: Path) -> None:
    packed = pack(place, tmp_path / "bundle.zip")
    whole, chance = packed.read_bytes(), random.Random(0)

    for _ in range(300):
        data = bytearray(whole)
        at = chance.randrange(len(data) - 400, len(data))  # the table of contents
        data[at] ^= 1 << chance.randrange(8)
        packed.write_bytes(data if chance.random() < 0.8 else data[:at])
        with suppress(BundleDamaged), opened(packed) as folder:
            assert read_report(folder).total == 2

    packed.write_bytes(whole[:-100])
    with pytest.raises(BundleDamaged, match=r"is damaged: a part of the zip is missing"):
        opened(packed).__enter__()


def test_what_is_no_bundle_is_told_from_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "folder").mkdir()
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("notes.txt", "notes")

    for name in ("notes.txt", "folder", "other.zip"):
        with pytest.raises(BundleDamaged, match=f"^{name} is not a headswap bundle"):
            opened(tmp_path / name).__enter__()
    with pytest.raises(BundleDamaged, match="There is no bundle at"):
        opened(tmp_path / "nothing").__enter__()


def test_a_damaged_bundle_is_neither_shown_nor_handed_on(place: Path, tmp_path: Path) -> None:
    report = place / "report.json"
    report.write_text(report.read_text().replace('"right": 1', '"right": 2'))

    with pytest.raises(BundleDamaged, match=r"report\.json is not what was saved"):
        read_report(place)
    with pytest.raises(BundleDamaged, match=r"report\.json is not what was saved"):
        pack(place, tmp_path / "bundle.zip")

    assert not (tmp_path / "bundle.zip").exists()


def test_a_folder_that_is_no_bundle_is_named_and_what_to_choose_is_said(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()

    with pytest.raises(
        BundleDamaged, match=r"holiday is not a headswap bundle: it has no bundle\.json\. Choose the"
    ):
        read_card(tmp_path / "holiday")
