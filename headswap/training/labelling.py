"""Which images a person should label next, and which of them may be labelled at once.

Flow:  (N, D) features --cluster_tree--> ClusterTree
       features + tree + labels so far --advise--> LabelAdvice: questions, and groups that look alike

Images are grouped by Ward's method (`scipy.cluster.hierarchy`) on standardised features of length one. The
first questions are typical images of the largest groups of which nothing is known yet, as TypiClust chooses:
what a young head is unsure of means nothing. From a few labels for each class on they are those that the
head is least sure of, one from each of as many groups, so that none asks the same twice. As soon as there is
a head, the first groups are what it is sure of, where the nearest labelled image agrees.

Knows features and labels only: no image, no file, no person. benchmarks/label_help.py measures it.

Source:
    TypiClust: Hacohen, Dekel & Weinshall (2022), arXiv:2202.02794.
    Margin: Scheffer, Decomain & Wrobel (2001), "Active hidden Markov models for information extraction".
    Least sure ones spread over clusters: Citovsky et al. (2021), arXiv:2107.14263.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headswap.errors import BadSetting
from headswap.threads import product
from headswap.training.config import HeadKind
from headswap.training.label_advice import AlikeGroup, LabelAdvice
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.ridge import fit_ridge
from headswap.training.linear.self_training import fit_self_trained, unlabeled_to_use
from headswap.training.linear.solver import SolvedHead, fit_head

QUESTIONS = 10  # answers after which the head is solved again
RIGHT = 0.9  # of labelled images, where unseen a head is as sure as of what it offers
GROUP_OF = 6  # images of a group, on average
FEWEST, MOST = 3, 24  # images of a group that is offered
_MOST_MERGED = 3_000  # images in the tree; more hang on the nearest of these
_NEIGHBOURS = 20  # that say how typical an image is, as TypiClust counts them
_POOL = 5  # times as many unsure images are looked at as are asked
_TYPICAL_FIRST = 3  # answers for each class so far, before unsure images are asked
_LEAST_PROVED = 5  # labelled images, for a head to be believed
_AT_ONCE = 512  # rows of a distance matrix

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClusterTree:
    """Images, and in which order the likest of them are put together."""

    directions: NDArray[np.float32]  # (N, D), standardised, of length one
    merges: NDArray[np.float64]  # (M - 1, 4), a linkage of scipy over M leaves
    leaf: Rows  # (N,) in [0, M): where an image hangs

    @classmethod
    def of(cls, features: Tensor, *, merges: NDArray[np.float64], leaf: Rows) -> ClusterTree:
        """A tree that was kept, and the features it was made of."""
        return cls(_directions(features), merges, leaf)


def cluster_tree(features: Tensor) -> ClusterTree:
    """Group images by similarity.

    Args:
        features: (N, D) float32, N at least 1.

    Raises:
        BadSetting: there is no image.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    count = len(features)
    if not count:
        raise BadSetting("There are no images to label.", remedy="Add some.")
    directions = _directions(features)
    chosen = np.arange(count)
    if count > _MOST_MERGED:
        chosen = np.sort(np.random.default_rng(0).choice(count, _MOST_MERGED, replace=False))
    leaf = _nearest(directions, directions[chosen])[0] if len(chosen) < count else chosen
    if len(chosen) < 2:
        return ClusterTree(directions, np.empty((0, 4)), leaf)
    apart = _distances(directions[chosen], directions[chosen]).astype(np.float64)
    np.fill_diagonal(apart, 0)
    apart = np.maximum(apart, apart.T)  # rounding must not make two of one distance
    return ClusterTree(directions, linkage(squareform(apart, checks=False), "ward"), leaf)


def groups_of(tree: ClusterTree, count: int) -> Rows:
    """(N,) group numbers, at most `count` different ones."""
    from scipy.cluster.hierarchy import fcluster

    if not len(tree.merges):
        return np.zeros(len(tree.leaf), np.int64)
    return np.asarray(fcluster(tree.merges, max(1, count), "maxclust"), np.int64)[tree.leaf]


def advise(
    features: Tensor,
    tree: ClusterTree,
    labels: Tensor,
    *,
    skipped: Collection[int] = (),
    head: HeadKind = "last",
) -> LabelAdvice:
    """Choose what to ask next.

    Args:
        features: (N, D) float32, those of the tree.
        tree: of `cluster_tree`.
        labels: (N,) int64 in [0, C), or -1: no one has said yet.
        skipped: rows that a person could not label; they are asked last, and offered in no group.
        head: what the features are; a head on those of every block is solved in another way.

    Returns:
        Questions, `QUESTIONS` or what is left, and groups; both empty when every image is labelled.
    """
    known = np.flatnonzero(labels.numpy() >= 0)
    named = set(known.tolist())
    late = [row for row in sorted(set(skipped)) if row not in named]
    rest = np.setdiff1d(np.flatnonzero(labels.numpy() < 0), np.asarray(late, np.int64))
    sure = _Guess.of(features, labels, known, rest, head)
    if sure and len(known) >= _TYPICAL_FIRST * sure.classes:
        questions = _least_confident(tree, sure, QUESTIONS)[:QUESTIONS]
    else:
        questions = _most_typical(tree, known, rest, QUESTIONS)
    questions += [row for row in rest.tolist() if row not in questions][: max(0, QUESTIONS - len(questions))]
    groups = _said_alike(tree, sure, labels, known) if sure else []
    offered = {row for group in groups for row in group.rows}
    groups += _unknown_groups(tree, known, [row for row in rest.tolist() if row not in offered])
    return LabelAdvice(tuple([*questions, *late][:QUESTIONS]), tuple(groups))


@dataclass(frozen=True, eq=False)
class _Guess:
    """What a head says of the images that no one has labelled."""

    rows: Rows  # (R,)
    label: Rows  # (R,)
    probability: NDArray[np.float32]  # (R,), of the label
    margin: NDArray[np.float32]  # (R,), to the second label
    least_sure: float  # probability from which the head is to be believed
    classes: int  # that have a label

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, known: Rows, rest: Rows, kind: HeadKind) -> _Guess | None:
        """Solve a head; None where fewer than two classes have a label, or nothing is left."""
        classes, own = np.unique(labels.numpy()[known], return_inverse=True)
        if len(classes) < 2 or not len(rest):
            return None
        own_labels = torch.from_numpy(own.astype(np.int64))
        head = solved(LabeledFeatures(features[torch.from_numpy(known)], own_labels, len(classes)), kind)
        said = _softmax(head, features)[rest]  # (R, C); without a copy of all that is wide
        best = np.sort(said, axis=1)[:, ::-1]
        margin = best[:, 0] - best[:, 1]
        return cls(
            rest, classes[said.argmax(axis=1)], best[:, 0], margin, _least_sure(head, own), len(classes)
        )


def solved(images: LabeledFeatures, head: HeadKind) -> SolvedHead:
    """A head on the last features, or on those of every block; with guesses where some have no label."""
    if unlabeled_to_use(images) is not None:
        return fit_self_trained(images)
    return (fit_ridge if head == "wide" else fit_head)(images)


def _softmax(head: SolvedHead, features: Tensor) -> NDArray[np.float32]:
    return np.asarray((features @ head.weight.T + head.bias).softmax(dim=1).numpy())


def _least_sure(head: SolvedHead, labels: Rows) -> float:
    """The lowest probability above which heads that never saw the labelled images have `RIGHT` right."""
    if head.fold_logits is None:
        return np.inf
    said = head.fold_logits.softmax(dim=1).numpy()  # (K, C)
    sure, right = said.max(axis=1), said.argmax(axis=1) == labels
    order = np.argsort(-sure, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(share >= RIGHT)
    return float(sure[order[good[-1]]]) if len(good) and good[-1] + 1 >= _LEAST_PROVED else np.inf


def _most_typical(tree: ClusterTree, known: Rows, rest: Rows, count: int) -> list[int]:
    """The most typical image of each of the largest groups in which nothing is labelled."""
    if not count or not len(rest):
        return []
    group = groups_of(tree, len(known) + count)
    numbers, sizes = np.unique(group[rest], return_counts=True)
    covered = set(group[known].tolist())
    fresh = [number for number in numbers[np.argsort(-sizes, kind="stable")] if number not in covered]
    return [int(_by_typicality(tree, rest[group[rest] == number])[0]) for number in fresh[:count]]


def _least_confident(tree: ClusterTree, guess: _Guess, count: int) -> list[int]:
    """Of the least sure images the least sure of each of `count` groups, then the others."""
    from scipy.cluster.hierarchy import fcluster, linkage

    pool = guess.rows[np.argsort(guess.margin, kind="stable")[: _POOL * count]]  # least sure first
    if len(pool) <= count:
        return [int(row) for row in pool]
    group = fcluster(linkage(tree.directions[pool].astype(np.float64), "ward"), count, "maxclust")
    first = {number: int(row) for number, row in reversed(list(zip(group.tolist(), pool, strict=True)))}
    return [*dict.fromkeys([*(row for row in pool.tolist() if row in first.values()), *pool.tolist()])]


def _said_alike(tree: ClusterTree, guess: _Guess, labels: Tensor, known: Rows) -> list[AlikeGroup]:
    """For each class, guesses to trust: sure, in groups with labelled images; the nearest one says the same.

    A head that knows two classes is sure of all others, too: it has no word for them.
    """
    group, named = groups_of(tree, _usual_groups(tree)), labels.numpy()
    agreed = (guess.probability >= guess.least_sure) & np.isin(group[guess.rows], group[known])
    if not agreed.any():
        return []
    nearest, _ = _nearest(tree.directions[guess.rows[agreed]], tree.directions[known])
    agreed[agreed] = named[known[nearest]] == guess.label[agreed]
    groups = []
    for label in np.unique(guess.label):
        indices = np.flatnonzero(agreed & (guess.label == label))
        indices = indices[np.argsort(-guess.probability[indices], kind="stable")][:MOST]
        if len(indices) >= FEWEST:
            groups.append(AlikeGroup(tuple(guess.rows[indices].tolist()), int(label)))
    return sorted(groups, key=lambda one: -len(one.rows))


def _unknown_groups(tree: ClusterTree, known: Rows, rest: list[int]) -> list[AlikeGroup]:
    """Groups in which nothing is labelled, the tightest first."""
    group = groups_of(tree, _usual_groups(tree))
    covered, left, found = set(group[known].tolist()), np.asarray(rest, np.int64), []
    for number in np.unique(group[left]) if rest else ():
        rows = left[group[left] == number]
        if number not in covered and len(rows) >= FEWEST:
            spread = float(_mean_distance(tree, rows).mean())
            rows = _by_typicality(tree, rows)[:MOST]
            found.append((spread, AlikeGroup(tuple(rows.tolist()))))
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def _directions(features: Tensor) -> NDArray[np.float32]:
    """(N, D): standardised, of length one."""
    values = features.numpy()
    standard = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-6)
    return np.asarray(standard / (np.linalg.norm(standard, axis=1, keepdims=True) + 1e-12), np.float32)


def _usual_groups(tree: ClusterTree) -> int:
    return max(2, len(tree.leaf) // GROUP_OF)


def _by_typicality(tree: ClusterTree, rows: Rows) -> Rows:
    return np.asarray(rows[np.argsort(_mean_distance(tree, rows), kind="stable")])


def _mean_distance(tree: ClusterTree, rows: Rows) -> NDArray[np.float32]:
    """(R,): of each image to its nearest neighbours among these; 0 for one alone."""
    neighbours = min(_NEIGHBOURS, len(rows) - 1)
    if neighbours < 1:
        return np.zeros(len(rows), np.float32)
    own, means = tree.directions[rows], []
    for start in range(0, len(rows), _AT_ONCE):
        apart = _distances(own[start : start + _AT_ONCE], own)
        means.append(np.partition(apart, neighbours, axis=1)[:, : neighbours + 1].sum(axis=1) / neighbours)
    return np.concatenate(means)


def _distances(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """(A, B), between directions; of an image to itself nearly 0."""
    return np.asarray(np.sqrt(np.maximum(0, 2 - 2 * product(left, right.T))), np.float32)


def _nearest(left: NDArray[np.float32], right: NDArray[np.float32]) -> tuple[Rows, NDArray[np.float32]]:
    """(A,): which of `right` is the nearest to each of `left`, and how far."""
    indices, apart = [], []
    for start in range(0, len(left), _AT_ONCE):
        some = _distances(left[start : start + _AT_ONCE], right)
        indices.append(some.argmin(axis=1))
        apart.append(some.min(axis=1))
    return np.concatenate(indices), np.concatenate(apart)
