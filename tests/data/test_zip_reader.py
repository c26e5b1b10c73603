"""A zip from a stranger cannot reach outside itself, fill the disk or fill the memory."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from headswap.data.zip_reader import ZipLimits, open_archive
from headswap.errors import BadUpload, UnreadableImage


def zipped(folder: Path, members: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "pictures.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return path


def read_all(path: Path, limits: ZipLimits | None = None) -> int:
    """Bytes that came out; a damaged member counts as none."""
    count = 0
    with open_archive(path, limits) as archive:
        for name in archive.names:
            with suppress(UnreadableImage):
                count += len(archive.read(name))
    return count


def refused(path: Path, limits: ZipLimits | None = None) -> str:
    with pytest.raises(BadUpload) as refusal:
        read_all(path, limits)
    assert "\n" not in str(refusal.value)
    return refusal.value.problem


def test_members_are_read_one_by_one_and_nothing_is_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"cat/1.jpg": b"one", "dog/2.jpg": b"two", "dog/": b""})

    with open_archive(path) as archive:
        contents = {name: archive.read(name) for name in archive.names}

    assert contents == {"cat/1.jpg": b"one", "dog/2.jpg": b"two"}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name",
    [
        "../outside.jpg", "cat/../../outside.jpg", "/etc/passwd", "..\\outside.jpg", "C:\\windows\\x.jpg",
        "cat/..", "\\\\server\\share\\x.jpg", "c:x.jpg", "cat\\..\\..\\x.jpg", "/..", "//x.jpg",
        "../" * 50 + "x",
    ],
)  # fmt: skip
def test_names_that_lead_outside_refuse_the_whole_zip(tmp_path: Path, name: str) -> None:
    assert "names a file outside itself" in refused(zipped(tmp_path, {"cat/1.jpg": b"1", name: b"2"}))


def test_a_password_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"cat/1.jpg": b"one"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the table of contents
    path.write_bytes(data)

    assert refused(path) == "The zip is protected by a password."


def test_a_link_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "links.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("cat/link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("cat/1.jpg", b"one")

    with open_archive(path) as opened:
        assert opened.names == ("cat/1.jpg",)
        assert opened.left_out[0].reason == "link.jpg is a link, not a picture."


def test_a_bomb_is_refused_by_its_table_of_contents(tmp_path: Path) -> None:
    path = zipped(tmp_path, {f"cat/{number}.bmp": bytes(30 * 2**20) for number in range(2)})

    problem = refused(path, ZipLimits(free_bytes=2**20))

    assert problem == "The zip of 0.1 MB would unpack to 0.1 GB."


def test_a_lying_size_is_counted_while_reading(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"cat/1.bmp": bytes(50 * 2**20)})
    data = path.read_bytes()
    for place, offset in ((data.rindex(b"PK\x01\x02"), 24), (0, 22)):
        data = data[: place + offset] + struct.pack("<I", 1000) + data[place + offset + 4 :]
    path.write_bytes(data)

    with (
        open_archive(path) as archive,
        pytest.raises(UnreadableImage, match=r"1\.bmp is damaged inside the zip"),
    ):
        archive.read("cat/1.bmp")


def test_more_than_is_allowed_in_all_stops_the_reading(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"cat/1.bmp": bytes(1000), "cat/2.bmp": bytes(1000)})

    assert "would unpack to" in refused(path, ZipLimits(total_bytes=1500))


def test_a_huge_member_is_left_out_by_name(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"cat/1.bmp": bytes(3 * 2**20), "cat/2.jpg": b"two"})

    with open_archive(path, ZipLimits(entry_bytes=2 * 2**20)) as archive:
        assert archive.names == ("cat/2.jpg",)
        assert archive.left_out[0].reason == "1.bmp is larger than 2 MB."


def test_a_table_that_hides_its_length_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many, limits = {f"cat/{number}.jpg": b"" for number in range(60)}, ZipLimits(entries=50)
    path = zipped(tmp_path, many)
    whole = path.read_bytes()
    end = whole[-22:]
    table_bytes, table_at = struct.unpack("<II", end[12:20])
    short = end[:8] + struct.pack("<HHII", 1, 1, 46, table_at) + end[20:]
    long = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 60, 60, table_bytes, table_at)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(whole) - 22, 1)
    twice = b"PK\x05\x06".join((end[:16], end[20:]))  # the place of the table spells the mark of the end
    monkeypatch.setattr(zipfile, "ZipFile", None)  # anyone who gets that far fails

    for data in (whole[:-22] + long + locator + short, whole[:-22] + twice, whole[:-2] + b"\x04\x00note"):
        path.write_bytes(data)
        with pytest.raises(BadUpload, match="more than 50 files"), open_archive(path, limits):
            pass


def test_too_many_files_are_refused_before_their_table_is_read(tmp_path: Path) -> None:
    path = zipped(
        tmp_path, {f"cat/{number}.jpg": b"" for number in range(20_000)}, compression=zipfile.ZIP_STORED
    )

    assert refused(path, ZipLimits(entries=10_000)) == "The zip holds more than 10000 files."
    assert refused(zipped(tmp_path, {"a": b"", "b": b""}), ZipLimits(entries=1)).startswith("The zip holds")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"not a zip at all", b"PK\x05\x06" + bytes(10)])
def test_what_is_not_a_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)

    assert refused(path) == "photo.jpg is not a zip that can be opened."


def test_a_damaged_zip_gives_a_sentence_wherever_it_is_damaged(tmp_path: Path) -> None:
    import numpy as np

    dice = np.random.default_rng(3)
    healthy = zipped(tmp_path, {f"cat/{number}.jpg": dice.bytes(200) for number in range(5)}).read_bytes()
    path = tmp_path / "damaged.zip"
    for _ in range(300):
        data = bytearray(healthy)
        for _ in range(3):
            data[int(dice.integers(len(data)))] = int(dice.integers(256))
        path.write_bytes(data)
        with suppress(BadUpload):
            assert read_all(path) <= 5 * 200


def test_names_of_every_system_are_read_as_they_were_meant(tmp_path: Path) -> None:
    path = tmp_path / "mac.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("größe/1.jpg", b"one")
        archive.writestr("hund\\2.jpg", b"two")
        archive.writestr("./katze//3.jpg", b"three")
    data = path.read_bytes().replace(struct.pack("<H", 0x800), struct.pack("<H", 0))  # macOS sets no flag
    path.write_bytes(data)

    with open_archive(path) as archive:
        assert set(archive.names) == {"größe/1.jpg", "hund/2.jpg", "katze/3.jpg"}
        assert archive.read("größe/1.jpg") == b"one"


def test_a_zip_in_a_zip_stays_closed(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("../../outside.jpg", b"x")

    with open_archive(zipped(tmp_path, {"cat/inner.zip": inner.getvalue()})) as opened:
        assert opened.read("cat/inner.zip") == inner.getvalue()
