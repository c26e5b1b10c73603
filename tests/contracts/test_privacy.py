"""Where and by whom a picture was taken is nowhere in what is kept, saved or taken home."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from headswap.app.service.service import Service

WHO = b"MIA-AT-HOME"
DEGREES = IFDRational(521_234_567, 7_919)  # numbers that nothing else holds
WHERE = tuple(struct.pack(order, DEGREES.numerator, DEGREES.denominator) for order in ("<II", ">II"))


def located(source: Path, kind: str) -> bytes:
    """The same picture, telling where it was taken in every way that its format knows."""
    exif = Image.Exif()
    exif[0x010E], exif[0x013B], exif[0x8298] = WHO.decode(), WHO.decode(), WHO.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (DEGREES, 31.0, 12.0), 3: "E", 4: (DEGREES, 24.0, 17.0)})
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><exif:GPSLatitude>" + WHO + b"</exif:GPSLatitude></x:xmpmeta>"
    image, file = Image.open(source).convert("RGB"), io.BytesIO()
    if kind == "PNG":
        notes = PngInfo()
        notes.add_text("Author", WHO.decode())
        notes.add_itxt("XML:com.adobe.xmp", xmp.decode())
        image.save(file, kind, exif=exif, pnginfo=notes)
    else:
        image.save(file, kind, exif=exif, xmp=xmp, quality=92, **({"comment": WHO} if kind == "JPEG" else {}))
    assert WHO in file.getvalue()
    assert any(place in file.getvalue() for place in WHERE)
    return file.getvalue()


def all_in(place: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, and every member of every zip."""
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        yield str(path), path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                yield from ((f"{path}/{name}", packed.read(name)) for name in packed.namelist())


@pytest.mark.slow
def test_where_an_image_was_taken_is_in_nothing_that_is_kept_or_leaves(
    service: Service, few_drawings: Path, sample: Path, tmp_path: Path
) -> None:
    kinds = ("JPEG", "PNG", "WEBP")
    upload, tried = tmp_path / "upload.zip", tmp_path / "tried.jpg"
    with zipfile.ZipFile(upload, "w") as packed:
        for number, path in enumerate(sorted(few_drawings.rglob("*.png"))):
            kind = kinds[number % 3]
            packed.writestr(f"{path.parent.name}/{path.stem}.{kind.lower()}", located(path, kind))
    tried.write_bytes(located(next((sample / "try").iterdir()), "JPEG"))
    workspace = service.settings.workspace
    project = service.new_project("mia").id

    manifest = service.images.add("mia", project, upload)
    job = service.start_teaching("mia", project)
    deadline = time.monotonic() + 1800
    while not (view := service.job("mia", job)).is_over:
        assert time.monotonic() < deadline, view
        time.sleep(0.2)
    service.predict("mia", job, tried)
    service.results.heat_map("mia", job, tried)
    taken = service.take_home.file("mia", job)
    saved = service.archive.save("mia", project, tmp_path / "saved")

    assert len(manifest.images) >= 20
    assert view.state == "done"
    kept = dict(all_in(workspace))
    assert str(taken) in kept
    assert sum(name.endswith((".png", ".jpg")) for name in kept) >= 20
    told = [
        name
        for name, data in (*kept.items(), *all_in(saved.parent))
        if WHO in data or any(w in data for w in WHERE)
    ]
    assert told == []
