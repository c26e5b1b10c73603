"""Which things belong together, learned from pairs that do: union-find.

Flow:  pairs --join--> DisjointSets --labels--> one label per thing

A set is called by its smallest label. Joining takes next to nothing however large the sets are, and the
pairs need not be kept: the labels are the same in whatever order they come.

Source:
    Tarjan (1975), Journal of the ACM 22, 215-225; with path halving.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


class DisjointSets:
    """N things, each in one set."""

    def __init__(self, labels: Labels) -> None:
        """Begin with (N,) labels, each of them the place of the first thing that has it."""
        self._parents = labels.copy()

    def find(self, index: int) -> int:
        """The label of the set that a thing is in."""
        parents = self._parents
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = int(parents[index])
        return int(index)

    def find_all(self, indices: Labels) -> Labels:
        """(M,) the labels of (M,) things."""
        found = self._parents[indices]
        while not np.array_equal(found, above := self._parents[found]):
            found = above
        self._parents[indices] = found
        return found

    def join(self, indices: Labels) -> None:
        """Say that (M,) things, one at least, belong together."""
        roots = np.unique(self.find_all(indices))
        self._parents[roots] = roots[0]

    @property
    def labels(self) -> Labels:
        """(N,) the label of each."""
        return self.find_all(np.arange(len(self._parents)))
