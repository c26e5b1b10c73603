"""Which images are one image, cropped, flipped, turned or filmed again a moment later.

Flow:  thumbnails --closest_pairs--> candidates --align--> (first, second, correlation) of each near pair

Two steps. Every thumbnail is compared with every other one in 26 rough positions (flipped or not,
turned, magnified, shifted), 64 numbers each. The few closest pairs are then laid on each other
exactly (an affine map and a change of light, Gauss-Newton, first 16 then 32 px wide). The
correlation is that of their *details*, blurred light taken away, in [-1, 1]: that two
images are dark on the left says nothing. A pair is dropped when the map would distort, or
when the colours disagree.

Knows thumbnails only; memory does not grow with the square of their number.

Source:
    Lucas and Kanade (1981); Baker and Matthews (2004), 10.1023/B:VISI.0000011205.11775.fd.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from headswap.data.fingerprint import CHROMA, GREY
from headswap.threads import one_blas_thread, processors, product

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Candidates = tuple[Indices, Indices]  # the numbers of the first and of the second of each pair
# (N, 32, 32) light and (N, 64) rough numbers of thumbnails -> candidates, by the number of the first

_ROUGH = 8  # numbers a side that stand for a thumbnail in the first step
_CLOSEST = 6  # candidates kept of each image
_ROUGHLY = 0.8  # correlation of the 64 numbers, below which a pair is no candidate
_HALF = GREY // 2
_EARLY, _LATE = (
    0.6,
    0.8,
)  # correlation of details that a pair must have after the first steps, then at half size
_LARGEST, _SMALLEST, _DISTORTED = 1.3, 0.6, 1.25  # of the map: magnifies, reduces, one side over the other
_TINT, _COLOURS = 20.0, 4.0  # of 255: a shift of all colours, and a difference within, that may be
_COLOURS_SHARE = 0.5  # of how much the colours vary
_OVERLAP = 0.5  # of the frame
_MOST_PAIRS = 20_000  # candidates, the closest first: bounds the time where everything is alike
ROWS_AT_ONCE = 512  # thumbnails that are compared with all others together; it fixes the last digits
_COLUMNS_AT_ONCE = 1024  # of all others
_AT_ONCE = 64  # pairs that are laid on each other: more would not fit into the processor's cache


@dataclass(frozen=True, eq=False)
class ThumbnailArray:
    """N images, very small."""

    grey: Floats  # (N, 32, 32), in [0, 1]
    chroma: Floats  # (N, 2, 8, 8), Cb and Cr, around 0, in [-128, 127]


@dataclass(frozen=True, eq=False)
class NearPairs:
    """P pairs of images that may be one."""

    first: Indices
    second: Indices
    correlation: Floats  # correlation of their details
    detail: Floats  # share of the frame that holds detail, of the poorer one, in (0, 1]


def near_pairs(thumbnails: ThumbnailArray) -> NearPairs:
    """All pairs that can be laid on each other, with how well."""
    found = [_aligned(thumbnails, *some) for some in _in_parts(*_closest_pairs(thumbnails.grey))]
    if not found:
        nothing = np.empty(0, np.int64)
        return NearPairs(nothing, nothing, np.empty(0, np.float32), np.empty(0, np.float32))
    first, second, correlation = (np.concatenate(column) for column in zip(*found, strict=True))
    detail = _detail(thumbnails.grey)
    return NearPairs(first, second, correlation, np.minimum(detail[first], detail[second]))


def _in_parts(first: Indices, second: Indices, maps: Floats) -> Iterator[tuple[Indices, Indices, Floats]]:
    for start in range(0, len(first), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        yield first[some], second[some], maps[some]


# -- rough: which pairs are worth a closer look


def _closest_pairs(grey: Floats) -> tuple[Indices, Indices, Floats]:
    """Candidates (a, b) and the (P, 2, 3) map that takes a place of b to one of a, roughly."""
    base, count = _rough_numbers(grey), len(grey)
    found = list(_search(grey, base))
    first, second = (np.concatenate(column) for column in zip(*found, strict=True))
    scores = np.stack(
        [(_described(grey, matrix)[first] * base[second]).sum(axis=1) for matrix in _rough_matrices()]
    )
    score = scores.max(axis=0)
    kept = _better_of_both(first, second, score, count)
    kept = kept[np.argsort(-score[kept], kind="stable")[:_MOST_PAIRS]]
    return first[kept], second[kept], _positions()[scores.argmax(axis=0)[kept]]


def _rough_numbers(grey: Floats) -> Floats:
    """(N, 64) that stand for thumbnails in the first step, as they are."""
    return _described(grey, _rough_matrices()[0])


def _search(grey: Floats, base: Floats) -> Iterator[Candidates]:
    """Every thumbnail compared with every other one, by all processors that this process may use."""
    starts = range(0, len(grey), ROWS_AT_ONCE)
    threads = max(1, min(processors(), len(starts)))
    with one_blas_thread(), ThreadPoolExecutor(threads, thread_name_prefix="near") as pool:
        yield from pool.map(lambda at: _closest_to(grey[at : at + ROWS_AT_ONCE], base, at), starts)


def _closest_to(some: Floats, base: Floats, start: int) -> Candidates:
    """Up to `_CLOSEST` candidates of each of a few thumbnails, of which `start` is the number of the first.

    Compared in tiles that fit into the cache of a processor: the products of a row with 100,000 others, all
    26 positions of it, would each be written to memory and read again.
    """
    positions = [_described(some, matrix) for matrix in _rough_matrices()]
    best, other = (np.empty((len(some), min(_COLUMNS_AT_ONCE, len(base))), np.float32) for _ in range(2))
    found: list[tuple[Indices, Indices, Floats]] = []
    for left in range(0, len(base), _COLUMNS_AT_ONCE):
        tile = base[left : left + _COLUMNS_AT_ONCE].T
        best, other = best[:, : tile.shape[1]], other[:, : tile.shape[1]]
        np.matmul(positions[0], tile, out=best)
        for position in positions[1:]:
            np.maximum(best, np.matmul(position, tile, out=other), out=best)
        own = np.arange(max(start, left), min(start + len(some), left + tile.shape[1]))
        best[own - start, own - left] = -1.0
        row, column = _best_of(best)
        found.append((row, left + column, best[row, column]))
    row, column = (np.concatenate([one[part] for one in found]) for part in (0, 1))
    order = np.lexsort((column, -np.concatenate([score for _, _, score in found]), row))
    row, column = row[order], column[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    return start + row[rank < _CLOSEST], column[rank < _CLOSEST]


def _best_of(scores: Floats) -> tuple[Indices, Indices]:
    """Row and column of what is a candidate, `_CLOSEST` of a row at most."""
    row, column = np.nonzero(scores >= _ROUGHLY)
    if len(row) == 0 or np.bincount(row).max() <= _CLOSEST:
        return row, column
    few = np.argpartition(-scores, _CLOSEST - 1, axis=1)[:, :_CLOSEST]
    row, column = np.nonzero(np.take_along_axis(scores, few, axis=1) >= _ROUGHLY)
    return row, few[row, column]


def _better_of_both(first: Indices, second: Indices, score: Floats, count: int) -> Indices:
    """Each pair once: a laid on b or b on a, whichever fits better."""
    key = np.minimum(first, second) * count + np.maximum(first, second)
    order = np.lexsort((first, -score, key))
    return order[np.unique(key[order], return_index=True)[1]]


@cache
def _positions() -> Floats:
    """(26, 2, 3): the first changes nothing."""
    found = []
    for side in (1.0, -1.0):  # -1: flipped
        for angle in (0.0, -8.0, 8.0):  # degrees
            for size in (1.0, 0.88, 0.76):
                along, across = size * np.cos(np.radians(angle)), size * np.sin(np.radians(angle))
                found.append([[along * side, -across, 0.0], [across * side, along, 0.0]])
        found += [[[0.9 * side, 0.0, x], [0.0, 0.9, y]] for x in (-0.1, 0.1) for y in (-0.1, 0.1)]
    return np.array(found, np.float32)


@cache
def _rough_matrices() -> tuple[Floats, ...]:
    """(1024, 64) each: from a thumbnail to its numbers in one position."""
    units = np.eye(GREY * GREY, dtype=np.float32).reshape(-1, GREY, GREY)
    blurred = _blurred(units, 1.3)
    cells = _frame(_ROUGH)
    rows = np.arange(len(units))
    return tuple(
        _values(blurred, rows, np.broadcast_to(cells @ position.T, (len(units), _ROUGH**2, 2)))[0]
        for position in _positions()
    )


def _described(grey: Floats, matrix: Floats) -> Floats:
    """(N, 64) numbers of length 1, their mean taken away, the middle counting most."""
    window = _window(_ROUGH)
    values = product(grey.reshape(len(grey), -1), matrix)
    values = (values - (values @ window)[:, None]) * np.sqrt(window)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-3), np.float32)


# -- exact: laid on each other


def _aligned(
    thumbnails: ThumbnailArray, first: Indices, second: Indices, maps: Floats
) -> tuple[Indices, Indices, Floats]:
    """The pairs that hold, and the correlation of their details."""
    images, rows = np.unique(np.concatenate([first, second]), return_inverse=True)
    grey, chroma = thumbnails.grey[images], thumbnails.chroma[images]
    a, b = rows[: len(first)], rows[len(first) :]
    half = grey.reshape(-1, _HALF, 2, _HALF, 2).mean(axis=(2, 4))
    soft, details = _blurred(half, 0.7), _blurred(half, 0.5) - _blurred(half, 2.0)
    with one_blas_thread():
        for steps, least in ((3, _EARLY), (4, _LATE)):
            maps = _fitted(soft, a, b, maps, steps)
            kept = _correlation(details, a, b, maps)[0] > least
            a, b, maps = a[kept], b[kept], maps[kept]
            if not len(a):
                return first[:0], second[:0], np.empty(0, np.float32)
        maps = _fitted(_blurred(grey, 0.9), a, b, maps, 4)
        correlation, overlap = _correlation(_details(grey), a, b, maps)
    kept = (overlap > _OVERLAP) & _keeps_shape(maps) & _same_colours(chroma, a, b, maps)
    return images[a[kept]], images[b[kept]], correlation[kept]


def _fitted(images: Floats, a: Indices, b: Indices, maps: Floats, steps: int) -> Floats:
    """Improve the maps until `a`, seen through its map, is like `b`; a change of light is allowed."""
    side = images.shape[-1]
    frame, window = _frame(side), _window(side)
    target = images.reshape(len(images), -1)[b]
    for _ in range(steps):
        points = frame @ maps.transpose(0, 2, 1)  # (P, M, 2)
        weight = window * _inside(points)
        seen, right, down = _values(images, a, points)
        seen, spread = _standard(seen, weight)
        error = _standard(target, weight)[0] - seen
        slopes = np.stack([right, down], axis=1) * (side / 2) / spread[:, None, None]  # (P, 2, M)
        slopes = (slopes[:, :, None] * frame.T).reshape(len(a), 6, -1)
        weighted = slopes * weight[:, None]
        normal = weighted @ slopes.transpose(0, 2, 1)
        normal += 0.01 * weight.sum(axis=1)[:, None, None] * np.eye(6, dtype=np.float32)
        change = np.linalg.solve(normal, weighted @ error[..., None])
        maps = maps + np.clip(change, -0.15, 0.15).reshape(-1, 2, 3).astype(np.float32)
    return maps


def _correlation(images: Floats, a: Indices, b: Indices, maps: Floats) -> tuple[Floats, Floats]:
    """Of `a` through its map with `b`, where they overlap; and the share that does."""
    side = images.shape[-1]
    points = _frame(side) @ maps.transpose(0, 2, 1)
    inside = _inside(points)
    weight = _window(side) * inside
    seen, _ = _standard(_values(images, a, points)[0], weight, least=3e-3)
    other, _ = _standard(images.reshape(len(images), -1)[b], weight, least=3e-3)
    total = np.maximum(weight.sum(axis=1), 1e-6)
    return np.asarray((seen * other * weight).sum(axis=1) / total), inside.mean(axis=1, dtype=np.float32)


def _keeps_shape(maps: Floats) -> NDArray[np.bool_]:
    """Whether a map turns, flips, shifts or magnifies, and no more."""
    large, small = np.linalg.svd(maps[:, :, :2], compute_uv=False).T if len(maps) else np.empty((2, 0))
    return np.asarray((large < _LARGEST) & (small > _SMALLEST) & (large < _DISTORTED * small))


def _same_colours(chroma: Floats, a: Indices, b: Indices, maps: Floats) -> NDArray[np.bool_]:
    points = _frame(CHROMA) @ maps.transpose(0, 2, 1)
    weight = _window(CHROMA) * _inside(points)
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-6)
    shift, within, varies = (np.zeros(len(a), np.float32) for _ in range(3))
    for channel in (0, 1):
        images = np.ascontiguousarray(chroma[:, channel])
        seen, other = _values(images, a, points)[0], images.reshape(len(images), -1)[b]
        mean, variance = _moments(seen - other, weight)
        shift += mean**2
        within += variance
        varies += np.maximum(_moments(seen, weight)[1], _moments(other, weight)[1])
    return np.asarray(
        (np.sqrt(shift) < _TINT) & (np.sqrt(within) < _COLOURS + _COLOURS_SHARE * np.sqrt(varies))
    )


def _detail(grey: Floats) -> Floats:
    """(N,) the share of the frame over which the details of an image are spread: small for a lone stroke."""
    energy = _details(grey).reshape(len(grey), -1) ** 2
    window = _window(GREY)
    return np.asarray((energy @ window) ** 2 / np.maximum(energy**2 @ window, 1e-12), np.float32)


# -- small images as arrays


def _details(grey: Floats) -> Floats:
    return _blurred(grey, 0.7) - _blurred(grey, 3.0)


def _values(images: Floats, rows: Indices, points: Floats) -> tuple[Floats, Floats, Floats]:
    """(P, M) values of images at (P, M, 2) places in [-1, 1]; their slopes right and down, per pixel."""
    side = images.shape[-1]
    at = np.clip((points + 1) * np.float32(side / 2) - np.float32(0.5), 0, side - 1.001)
    whole = at.astype(np.int32)
    x, y = np.moveaxis(at - whole, -1, 0)
    first = whole[..., 1] * side + whole[..., 0] + (rows * side * side)[:, None]
    flat = images.reshape(-1)
    upper, lower = flat[first], flat[first + side]
    upper_right, lower_right = flat[first + 1] - upper, flat[first + side + 1] - lower
    top, bottom = upper + upper_right * x, lower + lower_right * x
    return top + (bottom - top) * y, upper_right + (lower_right - upper_right) * y, bottom - top


def _inside(points: Floats) -> NDArray[np.bool_]:
    far = np.abs(points)
    return np.asarray((far[..., 0] <= 1.02) & (far[..., 1] <= 1.02))


def _moments(values: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of rows, under weights that add up to 1."""
    mean = (values * weight).sum(axis=1)
    return mean, ((values - mean[:, None]) ** 2 * weight).sum(axis=1)


def _standard(values: Floats, weight: Floats, least: float = 1e-2) -> tuple[Floats, Floats]:
    """Rows with mean 0 and spread 1, and the spread; `least` keeps plain ones small."""
    mean, variance = _moments(values, weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-6))
    spread = np.sqrt(variance + np.float32(least**2))
    return (values - mean[:, None]) / spread[:, None], spread


@cache
def _frame(side: int) -> Floats:
    """(side², 3): x, y of every cell in [-1, 1], and 1."""
    line = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([x.ravel(), y.ravel(), np.ones(side * side, np.float32)], axis=1)


@cache
def _window(side: int) -> Floats:
    """(side²,), adds up to 1: the middle counts most, since crops and borders change the rim."""
    weight = np.exp(-(_frame(side)[:, :2] ** 2).sum(axis=1) / (2 * 0.6**2))
    return np.asarray(weight / weight.sum(), np.float32)


def _blurred(images: Floats, sigma: float) -> Floats:
    matrix = _blur_matrix(images.shape[-1], sigma)
    return np.asarray(matrix @ images @ matrix.T)


@cache
def _blur_matrix(side: int, sigma: float) -> Floats:
    """(side, side): a Gaussian along one axis, its rows adding up to 1."""
    line = np.arange(side)
    matrix = np.exp(-((line[:, None] - line[None]) ** 2) / (2 * sigma**2))
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True), np.float32)
