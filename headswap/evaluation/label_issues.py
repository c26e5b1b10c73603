"""Images whose label may be wrong: a person decides.

Flow:  labels + probabilities from heads that never saw the image --label_issues_of--> rows, worst first
       labels + their logits --wrong_label_odds--> how probable it is that each label is wrong

Confident learning, Northcutt et al. (2021), arXiv:1911.00068, takes every confident mistake of a head for a
wrong label; a head makes such mistakes by itself, and a weak one many. So a label is proposed only when it is
more probably wrong than not, after what chance and the head's own errors explain
(docs/decisions/0022-how-sure-anyone-may-be.md). docs/decisions/0004 says why the first is not taken from
cleanlab; tests/evaluation/test_label_issues.py compares the two. numpy only.
"""

from __future__ import annotations

import numpy as np

from headswap.evaluation.metrics import Floats, Labels, Logits, Rows, row_slices, softmax

# Before an image is looked at: about one label in thirty is wrong, as in the test sets of ten well-known
# data sets (Northcutt, Athalye and Mueller 2021, arXiv:2103.14749: 3.3 % on average). As Beta(2, 31).
_WRONG, _RIGHT = 1, 30
_TEMPERATURES = np.geomspace(0.25, 4.0, 25)  # how much surer or less sure than it should be a head may be
_SHARES = np.geomspace(1e-3, 0.5, 30)  # of labels that are wrong


def label_issues_of(labels: Labels, probabilities: Rows) -> tuple[tuple[int, int], ...]:
    """Say which labels are doubted and what they should perhaps be.

    A label is doubted when another class is believed at least as much as that class is
    believed, on average, for its own images. One label of every class is never doubted.

    Args:
        labels: (N,) in [0, C).
        probabilities: (N, C), out of sample; rows sum to 1.

    Returns:
        (row, suggested class) of each, by how much less the label is believed than the best class.
    """
    count, classes = len(labels), probabilities.shape[1]
    parts = row_slices(count, classes)
    own = np.concatenate([_of_their_own(labels[part], probabilities[part]) for part in parts])  # (N,)
    usual = np.array([own[labels == c].mean() if (labels == c).any() else np.inf for c in range(classes)])
    suggested, wrong, margin = np.zeros(count, np.int64), np.zeros(count, np.bool_), np.zeros(count)
    for part in parts:
        some = probabilities[part]
        believed = np.where(some >= usual - 1e-9, some, 0.0)  # (n, C)
        suggested[part] = believed.argmax(axis=1)
        wrong[part] = (believed.max(axis=1) > 0) & (suggested[part] != labels[part])
        margin[part] = own[part] - some.max(axis=1)
    for c in range(classes):  # a class must keep an image
        rows = np.flatnonzero(labels == c)
        if len(rows) and wrong[rows].all():
            wrong[rows[np.argmax(own[rows])]] = False
    return tuple((int(row), int(suggested[row])) for row in np.argsort(margin, kind="stable") if wrong[row])


def _of_their_own(labels: Labels, table: Floats) -> Floats:
    """(n,) what (n, C) rows say of the class that each image is labelled with."""
    return np.asarray(table[np.arange(len(labels)), labels])


def wrong_label_odds(labels: Labels, logits: Logits) -> Floats:
    """How probable it is that each label is wrong, after what the head's own errors explain.

    A label is right, and then the head believes it as often as its confidence says, or, with a share that is
    not known, it is any of the others. Confidence and share are weighed by how well they explain all labels
    together: where a head errs often, another error is no news; where it hardly errs, one is.

    Args:
        labels: (N,) in [0, C).
        logits: (N, C), out of sample.

    Returns:
        (N,) probabilities.
    """
    count, classes = logits.shape
    shares = _SHARES[:, None]  # (S, 1)
    believed = np.zeros((len(_TEMPERATURES), count))  # (T, N)
    for part in row_slices(count, classes):
        exact = np.asarray(logits[part], np.float64)
        for number, temperature in enumerate(_TEMPERATURES):
            believed[number, part] = _of_their_own(labels[part], softmax(exact / temperature))

    def both(own: Floats) -> tuple[Floats, Floats]:
        """(S, N): how likely the labels are, and the part of it in which they are wrong."""
        wrong = shares * (1.0 - own) / (classes - 1)
        return (1.0 - shares) * own + wrong + 1e-300, wrong

    prior = (_WRONG + 1) * np.log(_SHARES) + _RIGHT * np.log1p(-_SHARES)  # steps are even in the logarithm
    weight = np.stack([np.log(both(own)[0]).sum(axis=1) for own in believed]) + prior  # (T, S)
    weight = np.exp(weight - weight.max())
    odds = np.zeros(len(labels))
    for own, of_shares in zip(believed, weight / weight.sum(), strict=True):
        likely, wrong = both(own)
        odds += of_shares @ (wrong / likely)
    return odds
