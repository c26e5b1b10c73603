"""A film -> the sharpest frame of every half second, as upright RGB images.

Flow:  bytes --frames_of--> Frames, in the order of the film

Frames next to each other show the same thing, so half a second gives one; a long film gives one for a longer
while, and no film gives more than `MOST_FRAMES`. Frames that no other frame is built on are not decoded.

Knows films only: no classes, no networks. PyAV (FFmpeg) reads them and is imported when one comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headswap.data.decode import shown_name
from headswap.errors import UnreadableImage

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

FILM_ENDINGS = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".3gp", ".mts")
MOST_FRAMES = 60  # of one film
WINDOW_S = 0.5  # that one frame stands for, at first
LONGEST_S = 600.0
MEMORY_BYTES = 400_000_000  # what reading one takes, about: 60 small images, and a few large frames
_GREY_PX = 160  # shorter side of what sharpness is measured on
_REMEDY = "Save it again as MP4, or leave it out."


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a film."""

    image: Image.Image  # RGB, upright, shorter side at most `shorter_px`
    at_s: float  # since the film began
    sharpness: float  # variance of the Laplacian of its grey values; any unit, more is sharper


def is_film(name: str) -> bool:
    """By its ending only."""
    return name.lower().endswith(FILM_ENDINGS)


def can_read_films() -> bool:
    """Whether PyAV is installed."""
    return find_spec("av") is not None


def import_film_reader() -> None:
    """Import PyAV, where it is installed, ahead of a moment when nothing more can be opened."""
    if can_read_films():
        import av  # noqa: F401


def frames_of(
    data: bytes, *, name: str, shorter_px: int = 640, alive: Callable[[], None] = lambda: None
) -> tuple[Frame, ...]:
    """Choose and decode frames.

    Args:
        data: the film as it is, of any origin.
        name: what to call it in a sentence.
        shorter_px: larger frames are made smaller.
        alive: called again and again while it works.

    Returns:
        One to `MOST_FRAMES` frames, in the order of the film.

    Raises:
        UnreadableImage: not a film, damaged from its start, too long, or films cannot be read here.

    Source:
        Sharpness: Pech-Pacheco et al. (2000), Diatom autofocusing in brightfield microscopy, ICPR 15.
    """
    if not can_read_films():
        raise UnreadableImage(
            f"{shown_name(name)} is a film, and the package that reads films is not installed.",
            remedy='Install it with: pip install "headswap[film]"',
        )
    import av

    best = _Sharpest(shorter_px)
    try:
        with av.open(BytesIO(data), "r", metadata_errors="ignore") as film:
            for frame in _decoded(film, best):
                alive()
                _check_length(frame, name)
                best.offer(frame)
    except (av.FFmpegError, ValueError, OSError) as error:
        if not best.frames:  # cut short: what came before is good
            raise UnreadableImage(f"{shown_name(name)} cannot be read as a film.", remedy=_REMEDY) from error
    if not best.frames:
        raise UnreadableImage(f"{shown_name(name)} is a film without pictures.", remedy=_REMEDY)
    return tuple(best.frames)


def _decoded(film: InputContainer, best: _Sharpest) -> Iterator[VideoFrame]:
    if not film.streams.video:
        return
    stream = film.streams.video[0]
    best.pixel_aspect = float(stream.sample_aspect_ratio or 1)
    stream.thread_type = "AUTO"
    stream.codec_context.skip_frame = "NONREF"
    for frame in film.decode(stream):
        if frame.time is not None and min(frame.width, frame.height) > 0:
            yield frame


def _check_length(frame: VideoFrame, name: str) -> None:
    if frame.time > LONGEST_S:
        raise UnreadableImage(
            f"{shown_name(name)} is longer than {LONGEST_S / 60:.0f} minutes.",
            remedy="Cut it into shorter films.",
        )


class _Sharpest:
    """The sharpest frame of each window; when there are too many, windows grow and their frames compete."""

    def __init__(self, shorter_px: int) -> None:
        self.frames: list[Frame] = []
        self.pixel_aspect = 1.0  # width / height of one pixel
        self._shorter_px = shorter_px
        self._window_s = WINDOW_S
        self._begin_s: float | None = None

    def offer(self, frame: VideoFrame) -> None:
        if self._begin_s is None:
            self._begin_s = frame.time
        at_s = max(0.0, frame.time - self._begin_s)
        sharpness = sharpness_of(_grey(frame))
        last = self.frames[-1] if self.frames else None
        is_same = last is not None and self._number(last.at_s) == self._number(at_s)
        if last is not None and is_same and last.sharpness >= sharpness:
            return
        if is_same:
            self.frames.pop()
        self.frames.append(Frame(_upright(frame, self.pixel_aspect, self._shorter_px), at_s, sharpness))
        if len(self.frames) > MOST_FRAMES:
            self._widen()

    def _number(self, at_s: float) -> int:
        return int(at_s / self._window_s)

    def _widen(self) -> None:
        self._window_s *= 2
        kept: dict[int, Frame] = {}
        for frame in self.frames:
            number = self._number(frame.at_s)
            if number not in kept or frame.sharpness > kept[number].sharpness:
                kept[number] = frame
        self.frames = list(kept.values())


def sharpness_of(grey: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of (H, W) grey values; 0 for an even area."""
    values = grey.astype(np.float32)
    around = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    laplacian = around - 4.0 * values[1:-1, 1:-1]
    return float(laplacian.var()) if laplacian.size else 0.0


def _grey(frame: VideoFrame) -> NDArray[np.uint8]:
    scale = min(1.0, _GREY_PX / min(frame.width, frame.height))
    width, height = (max(3, round(side * scale)) for side in (frame.width, frame.height))
    return np.asarray(frame.reformat(width=width, height=height, format="gray").to_ndarray())


def _upright(frame: VideoFrame, pixel_aspect: float, shorter_px: int) -> Image.Image:
    """RGB, with square pixels, turned as the phone was held."""
    width, height = frame.width * (pixel_aspect if pixel_aspect > 0 else 1.0), float(frame.height)
    scale = min(1.0, shorter_px / min(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    rgb = frame.reformat(width=size[0], height=size[1], format="rgb24", interpolation="AREA")
    image = Image.fromarray(rgb.to_ndarray())
    return image.rotate(frame.rotation, expand=True) if frame.rotation % 360 else image
