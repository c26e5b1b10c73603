"""PPM, PGM and PBM: plain or packed, shallow or deep, give the values that their header means."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from headswap.data.decode import decode, read_image
from headswap.errors import UnreadableImage
from tests.crafted import netpbm

RAMP = np.arange(12 * 20).reshape(12, 20)


def colours(white: int) -> np.ndarray:
    return np.stack([RAMP * white // 239, np.full_like(RAMP, white), white - RAMP * white // 239], axis=-1)


@pytest.mark.parametrize("white", [1, 15, 100, 255, 256, 1023, 4095, 65535])
@pytest.mark.parametrize("kind", [2, 3, 5, 6])
def test_values_are_scaled_by_the_white_of_the_header(kind: int, white: int) -> None:
    values = colours(white) if kind in (3, 6) else colours(white)[:, :, 2]

    decoded = decode(netpbm(kind, values, white, comment="made by hand"), name="x.ppm")

    expected = np.floor(values / white * 255 + 0.5)
    found = np.asarray(decoded.image, float)
    assert decoded.kind == "PPM"
    assert decoded.image.mode == "RGB"
    assert np.abs(found - (expected if kind in (3, 6) else expected[:, :, None])).max() == 0


@pytest.mark.parametrize("kind", [1, 4])
def test_ink_is_black_and_paper_white(kind: int) -> None:
    ink = (RAMP % 3 == 0).astype(int)

    image = read_image(netpbm(kind, ink, comment="a stamp"), name="x.pbm")

    assert np.array_equal(np.asarray(image)[:, :, 0], np.where(ink, 0, 255))


def test_ink_in_plain_text_needs_no_spaces() -> None:
    image = read_image(b"P1 4 2 # wide\n0101#two\n1 0 1 0", name="x.pbm")

    assert np.asarray(image)[:, :, 1].tolist() == [[255, 0, 255, 0], [0, 255, 0, 255]]


def test_deep_grey_is_read_as_the_same_image_in_png() -> None:
    for top in (4000, 65535):
        deep = (RAMP * top // 239).astype(np.uint16)
        file = io.BytesIO()
        Image.fromarray(deep).save(file, "PNG")

        as_pgm = read_image(netpbm(5, deep, 65535), name="x.pgm")

        assert np.array_equal(np.asarray(as_pgm), np.asarray(read_image(file.getvalue(), name="x.png")))
        assert np.asarray(as_pgm).max() > 240


def test_the_first_of_several_images_is_read() -> None:
    first, second = netpbm(6, colours(255)), netpbm(6, colours(255) // 2)

    image = read_image(first + second, name="film.ppm")

    assert np.array_equal(np.asarray(image), colours(255))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (netpbm(6, colours(255))[:-1], "is cut short"),
        (netpbm(6, colours(4095), 4095)[:-1], "is cut short"),
        (netpbm(3, colours(255))[:-60], "is cut short"),
        (b"P3 2000 2000 255\n1 2 3", "is cut short"),
        (b"P2 2 2 255\n", "is cut short"),
        (b"P1 3 3 0101", "is cut short"),
        (b"P2 2 2 100\n1 2 3 101", "is damaged"),
        (b"P2 2 2 255\n1 -2 3 4", "is damaged"),
        (b"P2 2 2 255\n1 2 x 4", "is damaged"),
        (b"P3 1 1 255\n1 99999999999999999999999 3", "is damaged"),
        (b"P1 2 2\n0120", "is damaged"),
        (b"P5 2 2 65536\n" + bytes(8), "is damaged"),
        (b"P5 2 2 0\n" + bytes(8), "is damaged"),
        (b"P5 0 2 255\n", "is damaged"),
        (b"P6 20\n", "is cut short"),
        (b"P6 12345678901 2 255\n", "is damaged"),
        (b"P6 2000000000 2000000000 255\n", "the limit is 200 megapixels"),
        (b"P6 90000 20 255\n", "a strip too narrow"),
        (b"P3 # " + b"#" * 5000, "is cut short"),
        (b"P7\nWIDTH 2\n", "is a PAM picture, which is not read here"),
        (b"PF\n2 2\n-1.0\n" + bytes(48), "is a PFM picture, which is not read here"),
        (b"Pf\n2 2\n-1.0\n" + bytes(16), "is a PFM picture, which is not read here"),
        (b"PyP\n2 2\n255\n" + bytes(4), "is not a picture"),
        (b"P1 notes of the meeting", "is not a picture"),
    ],
)
def test_a_header_that_lies_costs_a_sentence(data: bytes, sentence: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnreadableImage, match=rf"x\.ppm .*{sentence}"):
            read_image(data, name="x.ppm")


def test_values_above_white_are_white() -> None:
    image = read_image(b"P5 2 1 100\n" + bytes([100, 200]), name="x.pgm")

    assert np.asarray(image)[0, :, 0].tolist() == [255, 255]


def test_damaged_copies_let_no_other_error_out() -> None:
    dice = np.random.default_rng(3)
    healthy = [netpbm(kind, RAMP % 2, 1) for kind in (1, 4)]
    healthy += [netpbm(kind, colours(white)[:, :, 0], white) for kind in (2, 5) for white in (255, 4095)]
    healthy += [netpbm(kind, colours(white), white) for kind in (3, 6) for white in (255, 4095)]
    verdicts = {"read": 0, "refused": 0}
    for _ in range(500):
        data = bytearray(healthy[dice.integers(len(healthy))])
        for _ in range(dice.integers(1, 4)):
            data[int(dice.integers(2, 40 if dice.random() < 0.5 else len(data)))] = int(dice.integers(256))
        try:
            assert read_image(bytes(data), name="x").mode == "RGB"
            verdicts["read"] += 1
        except UnreadableImage:
            verdicts["refused"] += 1

    assert min(verdicts.values()) > 50
