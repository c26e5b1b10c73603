"""What a stranger may send: spoiled pictures, zips that bite, names, ids, files that lie.

Everything goes the way that an upload goes, into the reader's own process. For each of them
there is a result or one plain sentence, in time, and the server is still there afterwards.
"""

from __future__ import annotations

import io
import random
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from headswap.app.jobs.store import Store
from headswap.app.processes.importing import Imported, ReaderLimits, ReadUpload
from headswap.app.processes.reader import Reader
from headswap.app.service.projects import Projects
from headswap.errors import HeadswapError
from tests.soak.board import Line, Size, line
from tests.soak.house import ROOT

BATCH = 25
HAZARDS = ROOT.parent / "shared" / "hazards"
NAMES = (
    "../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "C:\\a\\b.png", "a/../../b.png", "con.png",
    "NUL", "a\x00b.png", "\u202egnp.exe", "e\u0301.png", "\u00e9.png", "x" * 300 + ".png",
    "<img src=x onerror=alert(1)>.png", "=cmd|' /C calc'!A0.png", "a\nb.png", ".png", "..png", "...",
    "cat/./../dog/x.png", "%2e%2e%2fx.png", "\u2025/\u2025/x.png", "~/.ssh/id_rsa", "$(reboot).png",
    "`id`.png", "'; DROP TABLE job;--.png", "\u732b/\u732b.png", " /x.png",
)  # fmt: skip


def mutated_images(size: Size, room: Path) -> list[Line]:
    """Pictures with flipped, cut, doubled and lost bytes: taken, or left out by name with a reason."""
    chance, whole = random.Random(1 + size.seed), _whole_images()
    reader = Reader(
        room / "logs",
        ReaderLimits(memory_bytes=1_500_000_000),
        scratch=room / "scratch",
        upload_timeout_s=300,
    )
    wrong: list[str] = []
    taken = refused = 0
    slowest = 0.0
    try:
        for first in range(0, size.mutated, BATCH):
            count = min(BATCH, size.mutated - first)
            batch = [_mutated(chance, *chance.choice(whole)) for _ in range(count)]
            source = _zip_of(room / "batch.zip", batch)
            begin = time.monotonic()
            done = _ask(reader, source, room / f"out-{first}")
            slowest = max(slowest, time.monotonic() - begin)
            kept = {one.file for one in done.manifest.images}
            reasons = {one.file: one.reason for one in done.manifest.left_out}
            for name, _ in batch:
                taken, refused = taken + (name in kept), refused + (name in reasons)
                if (name in kept) == bool(reasons.get(name, "").strip()):
                    wrong.append(f"{name}: neither taken nor left out with a reason")
    except HeadswapError as error:
        wrong.append(f"an upload as a whole was refused: {error}")
    finally:
        reader.close()
    seen = f"{taken} read, {refused} left out by name; {BATCH} of them in {slowest:.1f} s at most"
    return [line("mutated pictures", f"{size.mutated} verdicts, 0 hangs", seen, wrong)]


def hostile_inputs(size: Size, room: Path) -> list[Line]:
    """Uploads, names, ids and bundles made to hurt."""
    chance = random.Random(2 + size.seed)
    reader = Reader(
        room / "logs",
        ReaderLimits(memory_bytes=1_500_000_000),
        scratch=room / "scratch",
        upload_timeout_s=300,
    )
    kinds: dict[str, int] = {}
    wrong: list[str] = []
    slowest, refused, made = 0.0, 0, _inputs(chance, reader, room)
    try:
        for _ in range(size.hostile):
            kind, operation = next(made)
            kinds[kind] = kinds.get(kind, 0) + 1
            begin = time.monotonic()
            try:
                operation()
            except HeadswapError as error:
                refused += 1
                if not (error.problem.strip() and error.remedy.strip()):
                    wrong.append(f"{kind}: no plain reason")
            except Exception as error:  # noqa: BLE001  a crash is the finding
                wrong.append(f"{kind}: {error!r}")
            slowest = max(slowest, time.monotonic() - begin)
            if time.monotonic() - begin > size.hang_s:
                wrong.append(f"{kind}: {time.monotonic() - begin:.0f} s")
        strayed = [path for path in room.parent.glob("*") if path.name in ("passwd", "b.png", "x.png")]
        wrong += [f"written outside: {path}" for path in strayed]
    finally:
        reader.close()
    seen = f"{sum(kinds.values())} of {len(kinds)} kinds, {refused} refused, slowest {slowest:.1f} s"
    return [line("hostile inputs", f"0 crashes, 0 hangs > {size.hang_s:g} s, a reason each", seen, wrong)]


def _ask(reader: Reader, source: Path, folder: Path) -> Imported:
    folder.mkdir(parents=True)
    question = ReadUpload(str(source), str(folder / "images"), str(folder / "dataset.json"), "upload")
    return reader.ask(question)


def _whole_images() -> list[tuple[str, bytes]]:
    """One of each format, small."""
    drawing = Image.open(next((ROOT / "assets" / "sample" / "train" / "bird").iterdir())).convert("RGB")
    drawing.thumbnail((160, 160))
    found = []
    for kind, ending in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("BMP", "bmp"), ("GIF", "gif"),
                         ("TIFF", "tif")):  # fmt: skip
        data = io.BytesIO()
        drawing.save(data, kind)
        found.append((ending, data.getvalue()))
    return found


def _mutated(chance: random.Random, ending: str, whole: bytes) -> tuple[str, bytes]:
    data = bytearray(whole)
    for _ in range(chance.choice((1, 1, 3, 20))):
        at = chance.randrange(len(data))
        near_start = chance.randrange(min(64, len(data)))
        match chance.randrange(6):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[near_start] = chance.choice((0, 0x7F, 0xFF, chance.randrange(256)))
            case 2:
                del data[at : at + chance.randrange(1, 400)]
            case 3:
                data[at:at] = data[at : at + chance.randrange(1, 200)]
            case 4:
                data[near_start : near_start + 4] = struct.pack(
                    "<I", chance.choice((0, 2**31 - 1, 2**32 - 1))
                )
            case _:
                data = data[: max(1, at)]
        data = data or bytearray(b"\0")
    return f"{chance.choice(('bird', 'vehicle'))}/{chance.getrandbits(64):016x}.{ending}", bytes(data)


def _zip_of(place: Path, members: list[tuple[str, bytes]]) -> Path:
    """With two good pictures of each class, so that an upload is judged picture by picture."""
    with zipfile.ZipFile(place, "w") as archive:
        for name in ("bird", "vehicle"):
            for number, path in enumerate(sorted((ROOT / "assets/sample/train" / name).iterdir())[:2]):
                archive.write(path, f"{name}/good{number}.png")
        for name, data in members:
            archive.writestr(name, data)
    return place


def _inputs(chance: random.Random, reader: Reader, room: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Without end: each kind in turn."""
    store, projects = Store(room / "jobs.db"), Projects(room / "projects")
    hazards = sorted(HAZARDS.iterdir()) if HAZARDS.is_dir() else []
    tries, number = room / "tries", 0
    tries.mkdir()
    while True:
        number += 1
        yield "id", lambda: store.get(_strange_id(chance))
        yield "project", lambda: projects.get("ann", _strange_id(chance))
        yield "spoiled zip", _upload(reader, room, number, "a", lambda to: _spoiled_zip(chance, to))
        yield "strange names", _upload(reader, room, number, "b", lambda to: _strange_names(chance, to))
        yield "zip bomb", _upload(reader, room, number, "c", lambda to: _bomb(chance, to))
        yield "no zip", _upload(reader, room, number, "d", lambda to: to.write_bytes(chance.randbytes(2000)))
        yield "spoiled bundle", lambda: _open_bundle(_spoiled_zip(chance, room / "bundle.zip"))
        if hazards:
            hazard = hazards[number % len(hazards)]
            yield "hazard", lambda path=hazard: reader.read_one(path, tries)  # type: ignore[misc]
        yield "lying size", lambda: reader.read_one(_lying_png(chance, room / "lying.png"), tries)


def _upload(
    reader: Reader, room: Path, number: int, mark: str, make: Callable[[Path], object]
) -> Callable[[], object]:
    def operation() -> object:
        source = room / f"upload-{mark}.zip"
        make(source)
        return _ask(reader, source, room / f"took-{mark}-{number}")

    return operation


def _open_bundle(place: Path) -> None:
    from headswap.bundle.format import opened

    with opened(place):
        pass


def _strange_id(chance: random.Random) -> str:
    return chance.choice(
        (*NAMES, "0" * 31, "G" * 32, "0" * 32, "\n".join("ab"), f"{chance.getrandbits(128):032x}")
    )


def _spoiled_zip(chance: random.Random, place: Path) -> Path:
    _zip_of(place, [_mutated(chance, *one) for one in _whole_images()[:3]])
    place.write_bytes(_mutated(chance, "zip", place.read_bytes())[1])
    return place


def _strange_names(chance: random.Random, place: Path) -> Path:
    image = _whole_images()[1][1]
    with zipfile.ZipFile(place, "w") as archive:
        for name in chance.sample(NAMES, 5):
            info = zipfile.ZipInfo(f"bird/{name}" if chance.random() < 0.5 else name)
            if chance.random() < 0.2:
                info.external_attr = 0o120777 << 16  # a link
            archive.writestr(info, image)
    return place


def _bomb(chance: random.Random, place: Path) -> Path:
    kind = chance.randrange(3)
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        if kind == 0:
            archive.writestr("bird/zeros.png", bytes(30_000_000))
        elif kind == 1:
            for number in range(11_000):
                archive.writestr(f"bird/{number}.png", b"")
        else:
            inner = io.BytesIO()
            with zipfile.ZipFile(inner, "w") as nested:
                nested.writestr("bird/1.png", b"x")
            archive.writestr("bird/nested.zip", inner.getvalue())
    return place


def _lying_png(chance: random.Random, place: Path) -> Path:
    """A header that promises more pixels than any memory holds."""
    import zlib

    width, height = chance.choice(((60_000, 60_000), (2**31 - 1, 1), (1, 2**31 - 1), (0, 0), (30_000, 3_000)))
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    body = b"IDAT" + zlib.compress(bytes(1000))
    data += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    place.write_bytes(data + b"\0\0\0\0IEND\xaeB`\x82")
    return place
