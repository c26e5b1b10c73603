"""Which images are near duplicates of one another: groups that no split may cut.

Flow:  images (sha256, fingerprint, thumbnail) --group_alike--> one group number per image

Two images are joined when their 256-bit hashes differ in at most 24 bits, and in at most
15 % of the bits that are set in either: the hashes of thin drawings and of blank images
have few bits, and would all be "near" by the first rule alone. The same bytes are always joined.

Cropped, flipped and slightly turned copies are joined when their thumbnails can be laid on each
other (`alignment`). Images of one kind are alike too, and would be chained into one group, so two
groups are joined only when most of their images fit each other; and where there is little
detail to go by, they must fit better.

Knows hashes and thumbnails only: opens no image.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headswap.data.alignment import ThumbnailArray, near_pairs
from headswap.data.fingerprint import is_thumbnail, thumbnail_arrays
from headswap.data.manifest import ImageRecord
from headswap.data.union_find import DisjointSets, Labels
from headswap.threads import product

FAR = 24  # bits
_SHARE = 0.15  # of the set bits of both hashes
_TELLING = 16  # set bits of both hashes, below which a hash says nothing
_STRICTER = (12, 6, 2, -1)  # bits, tried in turn when everything looks alike; -1: the same bytes only
_FIT = 0.90  # correlation of details from which on two images are one
_FIT_OF_FEW = 0.96  # the same where the details fill a fifth of the frame or less: a stroke fits many strokes
_MUCH, _LITTLE = 0.3, 0.2  # share of the frame that details fill
_FITTING = 2 / 3  # of the pairs across two groups, for these to be joined
_PARTNERS = 6  # pairs that are known of an image, about: more cannot be asked of it
_CELLS = 2**21  # comparisons at once: bounds the memory whatever the number of images


def group_alike(images: Sequence[ImageRecord]) -> tuple[int, ...]:
    """Number the groups of near duplicates, from 0 in the order of their first image.

    A group that swallows a whole class, or most of the set, would leave nothing to measure on:
    it is formed again with a stricter distance, down to the same bytes.
    """
    order = sorted(range(len(images)), key=lambda at: (images[at].sha256, images[at].file))
    bits = _bits([images[at] for at in order])
    same = _same_bytes([images[at].sha256 for at in order])
    names = [images[at].class_name for at in order]
    labels = _connect(bits, same, FAR)
    labels = _join_aligned(labels, same, [images[at].thumbnail for at in order])
    for far in _STRICTER:
        for label in _swallowing(labels, same, names):
            members = np.flatnonzero(labels == label)
            labels[members] = _regroup(bits[members], same[members], members, far)
    by_image = {at: int(label) for at, label in zip(order, labels, strict=True)}
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(by_image[at], len(numbers)) for at in range(len(images)))


def _join_aligned(labels: Labels, same: Labels, thumbnails: Sequence[str]) -> Labels:
    """Join groups whose images can be laid on each other, best fits first."""
    rows = np.array(
        [row for row, text in enumerate(thumbnails) if same[row] == row and is_thumbnail(text)], np.int64
    )
    if len(rows) < 2:
        return labels
    pairs = near_pairs(ThumbnailArray(*thumbnail_arrays([thumbnails[row] for row in rows])))
    fits = pairs.correlation >= np.interp(pairs.detail, (_LITTLE, _MUCH), (_FIT_OF_FEW, _FIT))
    order = np.lexsort((pairs.second, pairs.first, -pairs.correlation))
    ends = [(int(rows[pairs.first[at]]), int(rows[pairs.second[at]])) for at in order if fits[at]]
    partners: dict[int, set[int]] = defaultdict(set)
    for a, b in ends:
        partners[a].add(b)
        partners[b].add(a)
    groups = DisjointSets(labels)
    members: dict[int, list[int]] = defaultdict(list)  # of each group, each content once
    for row in np.flatnonzero(same == np.arange(len(same))).tolist():
        members[int(labels[row])].append(row)
    for a, b in ends:
        one, other = sorted((groups.find(a), groups.find(b)))
        if one == other:
            continue
        few, many = sorted((one, other), key=lambda label: len(members[label]))
        across = sum(groups.find(y) == many for x in members[few] for y in partners.get(x, ()))
        if across >= _FITTING * len(members[few]) * min(len(members[many]), _PARTNERS):
            members[one] += members.pop(other)
            groups.join(np.array([one, other]))
    return groups.labels


def near_any(images: Sequence[ImageRecord], known: Sequence[ImageRecord]) -> NDArray[np.bool_]:
    """(N,) whether the hash of an image is near that of any known one, by the same rule."""
    found = np.zeros(len(images), np.bool_)
    if not known:
        return found
    bits, theirs = _bits(images).astype(np.float32), _bits(known).astype(np.float32)
    counts = theirs.sum(axis=1)
    block = max(1, _CELLS // len(known))
    for start in range(0, len(images), block):
        mine = bits[start : start + block]
        both = mine.sum(axis=1)[:, None] + counts[None]
        found[start : start + block] = _near(both - 2 * product(mine, theirs.T), both, FAR).any(axis=1)
    return found


def _bits(images: Sequence[ImageRecord]) -> NDArray[np.uint8]:
    """(N, 256) of the hashes, 0 or 1."""
    fingerprints = np.frombuffer(bytes.fromhex("".join(image.fingerprint for image in images)), np.uint8)
    return np.unpackbits(fingerprints.reshape(len(images), 32), axis=1)


def _near(distance: NDArray[np.float32], both: NDArray[np.float32], far: int) -> NDArray[np.bool_]:
    """Whether hashes that differ in `distance` bits, of `both` that are set, are near."""
    return np.asarray((distance <= far) & (distance <= _SHARE * both) & (both >= _TELLING))


def _regroup(bits: NDArray[np.uint8], same: Labels, members: Labels, far: int) -> Labels:
    """Form the groups of a few images again; labels are places in the whole."""
    _, first, local = np.unique(same, return_index=True, return_inverse=True)
    return members[_connect(bits, first[local], far)]


def _same_bytes(hashes: Sequence[str]) -> Labels:
    first: dict[str, int] = {}
    return np.array([first.setdefault(sha256, at) for at, sha256 in enumerate(hashes)], np.int64)


def _swallowing(labels: Labels, same: Labels, names: Sequence[str]) -> list[int]:
    """Groups of different images that hold a whole class or more than half of everything."""
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
    """Join labels of near hashes; N x N distances in blocks, only where the bit counts allow it."""
    if far < 0:
        return labels
    groups = DisjointSets(labels)
    counts = bits.sum(axis=1, dtype=np.float32)
    order = np.argsort(counts, kind="stable")
    sorted_bits, sorted_counts = bits[order].astype(np.float32), counts[order]
    side = max(1, math.isqrt(_CELLS))  # square: thin ones would read everything again for a few rows
    for start in range(0, len(order), side):
        stop = min(start + side, len(order))
        end = int(np.searchsorted(sorted_counts, sorted_counts[stop - 1] + far, side="right"))
        for left in range(start, end, side):
            right = min(left + side, end)
            both = sorted_counts[start:stop, None] + sorted_counts[None, left:right]  # (B, E)
            distance = both - 2 * product(sorted_bits[start:stop], sorted_bits[left:right].T)
            near = _near(distance, both, far)
            for row in np.flatnonzero(near.any(axis=1)):
                groups.join(order[np.append(left + np.flatnonzero(near[row]), start + row)])
    return groups.labels
