"""Pictures as Teachable Machine's library prepares them; `benchmarks/teachable_machine.py` asks it."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from headswap.exports.canvas import canvas_pixels


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def test_less_than_twice_as_large_a_picture_is_mixed_from_four_neighbours() -> None:
    image = noise(320, 320)

    seen = canvas_pixels(image, 224)

    given = torch.from_numpy(np.asarray(image).copy()).movedim(-1, 0)[None].float()
    expected = interpolate(given, (224, 224), mode="bilinear")[0].movedim(0, -1).numpy()
    assert seen.shape == (224, 224, 3)
    assert np.abs(seen - expected).max() < 0.51


def test_a_large_picture_is_halved_first_so_that_fine_stripes_become_grey() -> None:
    stripes = np.zeros((896, 896, 3), np.uint8)
    stripes[:, ::2] = 255

    seen = canvas_pixels(Image.fromarray(stripes), 224)

    assert set(np.unique(seen)) <= {127, 128}


def test_the_middle_square_is_taken_whole_not_its_middle() -> None:
    bands = np.zeros((100, 300, 3), np.uint8)
    bands[:, :100, 0] = bands[:, 100:200, 1] = bands[:, 200:, 2] = 255

    seen = canvas_pixels(Image.fromarray(bands), 50)

    assert (seen[:, 1:-1] == (0, 255, 0)).all()
    assert (canvas_pixels(Image.fromarray(bands.swapaxes(0, 1)), 50)[1:-1] == (0, 255, 0)).all()


def test_a_small_picture_is_enlarged() -> None:
    assert canvas_pixels(noise(31, 40), 224).shape == (224, 224, 3)
