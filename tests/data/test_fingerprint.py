"""The look of a picture survives what does not change it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from headswap.data.fingerprint import fingerprint_of


def test_a_look_is_256_bits_and_a_brightness() -> None:
    ramp = np.linspace(0, 255, 128).astype(np.uint8)[None].repeat(64, 0)

    look = fingerprint_of(Image.fromarray(ramp).convert("RGB"))

    assert look.bits == "f" * 64, "every cell is brighter than its left neighbour"
    assert look.brightness == pytest.approx(0.5, abs=0.01)


def test_a_blank_image_has_an_empty_look() -> None:
    look = fingerprint_of(Image.new("RGB", (1, 1), "white"))

    assert (look.bits, look.brightness) == ("0" * 64, 1.0)
