"""What is computed as in Teachable Machine's library, next to a real canvas of a real browser."""

from __future__ import annotations

from base64 import b64decode, b64encode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from headswap.exports.canvas import canvas_pixels
from tests.e2e.house import SAMPLE, new_profile

pytestmark = pytest.mark.browser

SIZE = 224
DRAWN = """async ([address, size]) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const scale = size / Math.min(image.width, image.height);
  const [width, height] = [Math.ceil(image.width * scale), Math.ceil(image.height * scale)];
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const [left, top] = [Math.trunc((width - size) / 2), Math.trunc((height - size) / 2)];
  canvas.getContext("2d").drawImage(image, -left, -top, width, height);
  return canvas.toDataURL("image/png");
}"""


def test_a_canvas_of_chromium_shows_nearly_what_is_reckoned(browser: Browser) -> None:
    files = sorted(SAMPLE.glob("try/*.png"))[:2] + sorted(SAMPLE.glob("train/*/*"))[:2]
    exact, halved = 0.5, 1.5  # grey levels in the mean: halving an odd side is Chromium's own
    shapes = {(300, 224): exact, (199, 331): exact, (640, 427): exact, (90, 640): exact, (1601, 1067): halved}
    context = new_profile(browser)
    page = context.new_page()

    for number, (shape, most) in enumerate(shapes.items()):
        shown = Image.open(files[number % len(files)]).convert("RGB").resize(shape)
        packed = BytesIO()
        shown.save(packed, "PNG")
        address = f"data:image/png;base64,{b64encode(packed.getvalue()).decode()}"

        drawn = page.evaluate(DRAWN, [address, SIZE])

        real = np.asarray(Image.open(BytesIO(b64decode(drawn.partition(",")[2]))).convert("RGB"))
        assert np.abs(real.astype(float) - canvas_pixels(shown, SIZE)).mean() < most, shape
    context.close()
