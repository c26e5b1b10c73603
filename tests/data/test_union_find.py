"""Sets learned from pairs, and groups of near duplicates that are made of them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from headswap.data import duplicates
from headswap.data.duplicates import FAR, group_alike
from headswap.data.manifest import ImageRecord
from headswap.data.union_find import DisjointSets


def smallest_of_each(ends: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(N,) the smallest place in the connected part of a graph that each place is in."""
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    parts = connected_components(graph, directed=False)[1]
    return np.array([np.flatnonzero(parts == part)[0] for part in parts])


@pytest.mark.parametrize("edges", [0, 40, 150, 600])
def test_sets_are_the_connected_parts_of_any_graph(edges: int) -> None:
    random = np.random.default_rng(edges)
    ends = random.integers(0, 200, (edges, 2))
    wanted = smallest_of_each(ends, 200)

    for order in (np.arange(edges), random.permutation(edges)):
        sets = DisjointSets(np.arange(200))
        for pair in ends[order]:
            sets.join(pair)

        assert np.array_equal(sets.labels, wanted)
        assert [sets.find(place) for place in range(200)] == wanted.tolist()


def test_many_are_joined_at_once_to_what_they_were_in() -> None:
    sets = DisjointSets(np.array([0, 0, 2, 3, 3, 5, 6]))

    sets.join(np.array([6, 4, 6]))
    sets.join(np.array([5]))

    assert sets.labels.tolist() == [0, 0, 2, 3, 3, 5, 3]


def test_near_looks_are_grouped_as_all_pairs_of_them_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_CELLS", 1000)  # 31 rows at a time
    random = np.random.default_rng(0)
    bits = random.integers(0, 2, (12, 256), dtype=np.uint8)[random.integers(0, 12, 200)]
    steps = random.integers(0, 25, 200)
    for row, few in zip(bits, steps, strict=True):
        row[random.choice(256, few, replace=False)] ^= 1
    images = [
        ImageRecord(file=f"{number:03d}", source="", class_name=str(number % 2), sha256=f"{number:064x}",
                    width=1, height=1, fingerprint=np.packbits(row).tobytes().hex(), brightness=0.5)
        for number, row in enumerate(bits)
    ]  # fmt: skip

    apart = (bits[:, None] != bits[None]).sum(axis=2)  # every rule but the number of bits holds here
    wanted = smallest_of_each(np.argwhere(apart <= FAR), 200)
    groups = group_alike(images)

    assert 12 < len(set(wanted.tolist())) < 150
    assert groups == tuple(np.unique(wanted, return_inverse=True)[1].tolist())
