"""Keep what libraries say about odd files off the screen: a person is told in one sentence instead."""

from __future__ import annotations

import ctypes
import logging
import re
import warnings
from contextlib import suppress
from pathlib import Path


def silence_pillow() -> None:
    """Keep Pillow's remarks about odd files off the screen, in its log and as warnings.

    `warnings.catch_warnings` is not safe in threads: one filter for Pillow's modules is put in and stays.
    """
    pillow = logging.getLogger("PIL")
    if not pillow.handlers:
        pillow.addHandler(logging.NullHandler())
    if ("ignore", None, Warning, re.compile(r"PIL\."), 0) not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")
        _hush_libtiff()


def _hush_libtiff() -> None:
    """libtiff writes to the screen by itself; where it is found (Linux), it is told not to."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text(encoding="utf-8", errors="replace").splitlines() if maps.is_file() else []
    for path in {line.split(maxsplit=5)[-1] for line in lines if "libtiff" in line}:
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(path)  # the one that Pillow has loaded, not another
            library.TIFFSetErrorHandler(None)
            library.TIFFSetWarningHandler(None)
