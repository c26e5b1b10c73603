"""Which pictures are near duplicates of one another: groups that no split may cut.

Flow:  pictures (sha256, look) --group_alike--> one group number per picture

Two pictures are joined when their 256-bit looks differ in at most 24 bits, and in at most
15 % of the bits that are set in either: the looks of thin drawings and of blank pictures
have few bits, and would all be "near" by the first rule alone. The same bytes are always joined.

Knows hashes only: opens no picture.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headswap.data.manifest import Picture
from headswap.threads import product

FAR = 24  # bits
_SHARE = 0.15  # of the set bits of both looks
_TELLING = 16  # set bits of both looks, below which a look says nothing
_STRICTER = (12, 6, 2, -1)  # bits, tried in turn when everything looks alike; -1: the same bytes only
_CELLS = 2**21  # comparisons at once: bounds the memory whatever the number of pictures

Labels = NDArray[np.int64]


def group_alike(pictures: Sequence[Picture]) -> tuple[int, ...]:
    """Number the groups of near duplicates, from 0 in the order of their first picture.

    A group that swallows a whole class, or most of the set, would leave nothing to measure on:
    it is formed again with a stricter distance, down to the same bytes.
    """
    order = sorted(range(len(pictures)), key=lambda at: (pictures[at].sha256, pictures[at].file))
    looks = np.frombuffer(bytes.fromhex("".join(pictures[at].look for at in order)), np.uint8)
    bits = np.unpackbits(looks.reshape(len(order), 32), axis=1)  # (N, 256), 0 or 1
    same = _same_bytes([pictures[at].sha256 for at in order])
    names = [pictures[at].class_name for at in order]
    labels = _connect(bits, same.copy(), FAR)
    for far in _STRICTER:
        for label in _swallowing(labels, same, names):
            members = np.flatnonzero(labels == label)
            labels[members] = _regroup(bits[members], same[members], members, far)
    by_picture = {at: int(label) for at, label in zip(order, labels, strict=True)}
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(by_picture[at], len(numbers)) for at in range(len(pictures)))


def _regroup(bits: NDArray[np.uint8], same: Labels, members: Labels, far: int) -> Labels:
    """Form the groups of a few pictures anew; labels are places in the whole."""
    _, local = np.unique(same, return_inverse=True)
    first = np.array([np.flatnonzero(local == label)[0] for label in local])  # a member's own place
    return members[_connect(bits, first, far)]


def _same_bytes(hashes: Sequence[str]) -> Labels:
    first: dict[str, int] = {}
    return np.array([first.setdefault(sha256, at) for at, sha256 in enumerate(hashes)], np.int64)


def _swallowing(labels: Labels, same: Labels, names: Sequence[str]) -> list[int]:
    """Groups of different pictures that hold a whole class or more than half of everything."""
    sizes = Counter(labels.tolist())
    distinct: dict[int, set[int]] = defaultdict(set)
    groups_of: dict[str, set[int]] = defaultdict(set)
    for label, origin, name in zip(labels.tolist(), same.tolist(), names, strict=True):
        distinct[label].add(origin)
        groups_of[name].add(label)
    alone = {next(iter(groups)) for groups in groups_of.values() if len(groups) == 1}
    most = {label for label, size in sizes.items() if 2 * size > len(labels)}
    return sorted(label for label in alone | most if len(distinct[label]) > 1)


def _connect(bits: NDArray[np.uint8], labels: Labels, far: int) -> Labels:
    """Join labels of near looks; N x N distances in blocks, only where the bit counts allow it."""
    if far < 0:
        return labels
    counts = bits.sum(axis=1, dtype=np.float32)
    order = np.argsort(counts, kind="stable")
    sorted_bits, sorted_counts = bits[order].astype(np.float32), counts[order]
    block = max(1, _CELLS // max(len(order), 1))
    for start in range(0, len(order), block):
        stop = min(start + block, len(order))
        end = int(np.searchsorted(sorted_counts, sorted_counts[stop - 1] + far, side="right"))
        both = sorted_counts[start:stop, None] + sorted_counts[None, start:end]  # (B, E)
        distance = both - 2 * product(sorted_bits[start:stop], sorted_bits[start:end].T)
        near = (distance <= far) & (distance <= _SHARE * both) & (both >= _TELLING)
        for row in np.flatnonzero(near.sum(axis=1) > 1):
            joined = np.unique(labels[order[start + np.flatnonzero(near[row])]])
            if len(joined) > 1:
                labels[np.isin(labels, joined)] = joined[0]
    return labels
