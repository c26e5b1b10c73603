from __future__ import annotations

from pathlib import Path

from PIL import Image

from headswap.exports import edge_cases
from headswap.exports.edge_cases import draw_edge_cases


def test_they_are_the_same_bytes_every_time_and_odd_in_six_ways(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()

    drawn = draw_edge_cases(tmp_path)
    edge_cases._drawn.cache_clear()  # as another process would
    again = draw_edge_cases(tmp_path / "again")

    assert [one.read_bytes() for one in drawn] == [one.read_bytes() for one in again]
    modes = {path.name: Image.open(path).mode for path in drawn}
    assert modes == {
        "rotated.jpg": "RGB", "ink.jpg": "CMYK", "see-through.png": "RGBA", "palette.png": "P",
        "deep-grey.png": "I;16", "long-grey.png": "L",
    }  # fmt: skip
    assert Image.open(tmp_path / "rotated.jpg").getexif()[0x0112] == 6
