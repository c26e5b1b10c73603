"""The first step of finding near duplicates, by many machines: every thumbnail compared with every other one.

Flow:  brightness of thumbnails --rows of it--> find_candidates, on any machine --> pairs worth a closer look

The time of this step grows with the square of the number of images. The others take less, and stay with the
process that asks. The rows of a parcel are whole blocks of the search here, so the candidates are the same.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from headswap.cluster.crew import Crew, Parcel, in_order, task
from headswap.data.alignment import ROWS_AT_ONCE, Candidates, RoughSearch, candidates_among, search_here
from headswap.data.manifest import Manifest
from headswap.data.split import with_groups
from headswap.storage.files import drop, make_folder, remove, write_bytes

FEWEST = 8_192  # images, below which the search takes seconds on one processor
ROWS = 2 * ROWS_AT_ONCE  # of a parcel
_LONGEST_S = 7 * 24 * 3600.0  # a file that is older was left by a process that was killed

Floats = NDArray[np.float32]


def grouped_on(crew: Crew, workspace: Path) -> Callable[[Manifest], Manifest]:
    """What numbers the groups of near duplicates, with the search on a crew that sees the workspace."""
    return partial(with_groups, search=search_on(crew, workspace))


def search_on(crew: Crew, workspace: Path) -> RoughSearch:
    """The search on a crew; few thumbnails are compared here."""

    def search(grey: Floats, base: Floats) -> Iterator[Candidates]:
        if len(grey) < FEWEST:
            yield from search_here(grey, base)
            return
        data = save({"base": base})
        folder = make_folder(workspace.resolve() / "near")
        _sweep(folder)
        path = folder / uuid.uuid4().hex  # of this search alone: it goes when this one ends
        write_bytes(path, data)
        parcels = (
            Parcel(
                facts={"base": str(path), "start": start},
                arrays={"grey": grey[start : start + ROWS]},
                about=f"The search for near duplicates of the images from number {start} on",
            )
            for start in range(0, len(grey), ROWS)
        )
        try:
            with closing(crew.each(find_candidates, parcels)) as answers:
                for answer in in_order(answers):
                    yield answer.arrays["first"], answer.arrays["second"]
        finally:
            remove(path)

    return search


def _sweep(folder: Path) -> None:
    """Remove what searches have left whose process was killed."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # its own search has ended meanwhile
            if time.time() - path.stat().st_mtime > _LONGEST_S:
                drop(path)


@task
def find_candidates(parcel: Parcel) -> Parcel:
    """Which thumbnails are worth a closer look with those of a parcel."""
    base = _base(parcel.facts["base"])
    first, second = candidates_among(np.asarray(parcel.arrays["grey"]), base, parcel.facts["start"])
    return Parcel(arrays={"first": first, "second": second})


@lru_cache(maxsize=1)
def _base(path: str) -> Floats:
    return load_file(path)["base"]
