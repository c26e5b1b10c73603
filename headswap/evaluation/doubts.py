"""Pictures whose label may be wrong: a person decides.

Flow:  labels + probabilities from heads that never saw the picture --doubts_of--> rows, worst first

Confident learning, Northcutt et al. (2021), arXiv:1911.00068. docs/decisions/0004 says why this
is not taken from cleanlab; tests/evaluation/test_doubts.py compares the two. numpy only.
"""

from __future__ import annotations

import numpy as np

from headswap.evaluation.metrics import Floats, Labels


def doubts_of(labels: Labels, probabilities: Floats) -> tuple[tuple[int, int], ...]:
    """Say which labels are doubted and what they should perhaps be.

    A picture is doubted when another class is believed at least as much as that class is
    believed, on average, for its own pictures. One picture of every class is never doubted.

    Args:
        labels: (N,) in [0, C).
        probabilities: (N, C), out of sample; rows sum to 1.

    Returns:
        (row, suggested class) of each, by how much less the label is believed than the best class.
    """
    rows, classes = np.arange(len(labels)), probabilities.shape[1]
    usual = np.array(
        [probabilities[labels == c, c].mean() if (labels == c).any() else np.inf for c in range(classes)]
    )
    believed = np.where(probabilities >= usual - 1e-9, probabilities, 0.0)  # (N, C)
    suggested = believed.argmax(axis=1)
    wrong = (believed.max(axis=1) > 0) & (suggested != labels)
    margin = probabilities[rows, labels] - probabilities.max(axis=1)
    for c in range(classes):  # a class must keep a picture
        own = np.flatnonzero(labels == c)
        if len(own) and wrong[own].all():
            wrong[own[np.argmax(probabilities[own, c])]] = False
    return tuple((int(row), int(suggested[row])) for row in np.argsort(margin, kind="stable") if wrong[row])
