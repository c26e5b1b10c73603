"""Small films, made when a test needs them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIZE = (160, 120)
FPS = 10


def scene(seed: int, color: str, at: int) -> Image.Image:
    """A disc that moves over a background of its own."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(40, 220, (6, 8, 3), dtype=np.uint8)).resize(SIZE)
    x = 10 + 2 * at % 90
    ImageDraw.Draw(image).ellipse((x, 30, x + 50, 80), fill=color, outline="white")
    return image


def encoded(
    frames: list[NDArray[np.uint8]], *, ending: str = "mp4", codec: str = "libx264", rotation: int = 0
) -> bytes:
    """Frames as the bytes of a film of `FPS` frames a second; every frame is a key frame."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska" if ending == "mkv" else ending) as film:
        stream: Any = film.add_stream(codec, rate=FPS)  # of images, for these codecs
        height, width = frames[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", 1
        if rotation:
            stream.set_display_rotation(rotation)
        for each in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24")))
        film.mux(stream.encode())
    return file.getvalue()


def disc(seed: int = 0, *, seconds: float = 2.0, color: str = "red", ending: str = "mp4") -> bytes:
    """A film of one disc."""
    frames = [np.asarray(scene(seed, color, at)) for at in range(round(seconds * FPS))]
    return encoded(frames, ending=ending, codec="libvpx" if ending == "webm" else "libx264")


def class_folders_of_films(root: Path, *, films: int) -> Path:
    """Two classes, each filmed a few times."""
    for k, (name, color) in enumerate((("blue", "blue"), ("red", "red"))):
        (root / name).mkdir(parents=True)
        for n in range(films):
            (root / name / f"film {n}.mp4").write_bytes(disc(10 * k + n, color=color))
    return root
