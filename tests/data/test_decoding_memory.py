"""What a picture takes while it is decoded stays below what was told from its header."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headswap.data.decode import ImageLimits, open_image
from headswap.errors import UnreadableImage
from tests.crafted import grey_jpeg, netpbm

SIDE = 1800  # 3.2 megapixels
# Reads files one after the other; says what each was expected to take and what it took, in bytes.
MEASURE = """
import gc, json, sys
from headswap.data import decode
from headswap.data.decode import open_image, read_image
def peak(word):
    return int(open("/proc/self/status").read().split(word)[1].split()[0]) * 1024
read_image(open(sys.argv[1], "rb").read(), name="first", wanted_px=256)
for path in sys.argv[1:]:
    gc.collect()
    before = peak("VmRSS:")
    open("/proc/self/clear_refs", "w").write("5")
    data = open(path, "rb").read()
    opened = open_image(data, name=path, wanted_px=256)
    expected = opened.memory_bytes
    decoded = opened.decode()
    print(json.dumps([path, expected, peak("VmHWM:") - before, decoded.kind]))
    del data, opened, decoded
"""


def files_of_every_kind(folder: Path) -> None:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    plain = Image.fromarray(np.stack([x >> 3, y >> 3, (x + y) >> 4], axis=-1).astype(np.uint8))
    clear = plain.copy()
    clear.putalpha(Image.fromarray((x >> 3).astype(np.uint8)))
    turned = Image.Exif()
    turned[0x0112] = 6
    plain.save(folder / "turned.png", exif=turned, compress_level=1)
    clear.save(folder / "clear.png", compress_level=1)
    clear.convert("LA").save(folder / "grey and clear.png", compress_level=1)
    Image.fromarray((x * 30).astype(np.uint16)).save(folder / "deep.png", compress_level=1)
    plain.quantize(32).save(folder / "palette.gif")
    plain.save(folder / "plain.bmp")
    plain.save(folder / "plain.webp", quality=30, method=0)
    clear.save(folder / "clear.webp", quality=30, method=0)
    clear.save(folder / "clear.avif", quality=30, speed=10)
    plain.convert("F").save(folder / "decimal.tiff")
    clear.save(folder / "one strip.tiff", compression="tiff_lzw", tiffinfo={278: SIDE})
    plain.convert("CMYK").save(folder / "ink.tiff")
    plain.save(folder / "plain.ppm")
    (folder / "deep.ppm").write_bytes(netpbm(6, np.asarray(plain).astype(int) * 16, 4095))
    (folder / "text.pgm").write_bytes(netpbm(2, np.asarray(plain)[:, :, 0]))
    (folder / "baseline.jpg").write_bytes(grey_jpeg(4000, 4000))
    (folder / "progressive.jpg").write_bytes(grey_jpeg(4000, 4000, progressive=True))
    (folder / "halved.jpg").write_bytes(grey_jpeg(4000, 4000, progressive=True, halved=True))
    (folder / "separate.jpg").write_bytes(grey_jpeg(4000, 4000, separate=True))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says what a process took")
def test_no_format_takes_more_than_its_header_let_expect(tmp_path: Path) -> None:
    files_of_every_kind(tmp_path)
    paths = sorted(map(str, tmp_path.iterdir()))

    said = subprocess.run(
        [sys.executable, "-c", MEASURE, *paths], capture_output=True, text=True, check=True
    ).stdout

    rows = [json.loads(line) for line in said.splitlines()]
    assert len(rows) == len(paths) == 19
    assert {row[3] for row in rows} == {"JPEG", "PNG", "GIF", "BMP", "WebP", "AVIF", "TIFF", "PPM"}
    assert [(Path(path).name, expected, took) for path, expected, took, _ in rows if took > expected] == []
    took = {Path(path).name: took for path, _, took, _ in rows}
    assert took["progressive.jpg"] > 40e6, "the measure sees what is taken"
    assert took["separate.jpg"] > 40e6
    assert took["baseline.jpg"] < 20e6


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (width, height)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def too_large_for_memory(data: bytes, memory_bytes: int) -> str:
    limits = ImageLimits(memory_bytes=memory_bytes, memory_setting="--reader-mb")
    with pytest.raises(UnreadableImage) as refused:
        open_image(data, name="x", limits=limits)
    return str(refused.value)


def test_what_needs_more_memory_than_there_is_names_the_limit_and_its_setting() -> None:
    assert too_large_for_memory(png(2000, 1000), 40_000_000) == (
        "x is 2000 x 1000 pixels; the limit is 1 megapixels for a PNG picture of this sort (--reader-mb). "
        "Save it as JPEG, make it smaller, or leave it out."
    )
    assert too_large_for_memory(grey_jpeg(4000, 3000, progressive=True), 60_000_000).endswith(
        "for a JPEG picture of this sort (--reader-mb). Make it smaller, or leave it out."
    )


@pytest.mark.parametrize("form", ["baseline", "progressive", "halved", "separate"])
def test_a_jpeg_of_200_megapixels_is_let_in_by_every_reader(form: str) -> None:
    data = grey_jpeg(16384, 12200, **{} if form == "baseline" else {form: True})

    opened = open_image(data, name="x.jpg", wanted_px=480)

    assert (opened.width, opened.height) == (16384, 12200)
    assert opened.memory_bytes < ImageLimits().memory_bytes


def test_64_megapixels_of_every_kind_are_let_in_by_every_reader() -> None:
    from headswap.data.decoding_memory import _DECODER_BYTES, RGB_BYTES

    worst = 2 * RGB_BYTES + max(_DECODER_BYTES.values())

    assert 64_000_000 * worst + ImageLimits().size_bytes < ImageLimits().memory_bytes


@pytest.mark.parametrize("let", [lambda n: n, lambda n: n - 1])
def test_the_limit_is_the_last_byte_that_is_let_in(let: Callable[[int], int]) -> None:
    data = png(300, 200)
    need = open_image(data, name="x").memory_bytes
    limits = ImageLimits(memory_bytes=let(need))

    if let(need) == need:
        assert open_image(data, name="x", limits=limits).decode().width == 300
    else:
        with pytest.raises(UnreadableImage, match="the limit is 0 megapixels"):
            open_image(data, name="x", limits=limits)
