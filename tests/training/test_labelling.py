"""What to ask next: groups that look alike, questions that cover and doubt, groups that are earned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from headswap.errors import BadSetting
from headswap.training import labelling
from headswap.training.labelling import MOST, advise, cluster_tree, groups_of, solved
from headswap.training.linear.labeled_features import LabeledFeatures

EACH, WIDTH = 20, 16


def heaps(spread: float = 0.3, each: int = EACH, classes: int = 4) -> tuple[Tensor, Tensor]:
    """(N, C) features around one point for each class, and the classes."""
    random = np.random.default_rng(0)
    centres = np.repeat(np.eye(classes), each, axis=0)
    features = centres + spread * random.standard_normal(centres.shape) / classes**0.5
    return torch.tensor(features, dtype=torch.float32), torch.arange(classes).repeat_interleave(each)


def named(truth: Tensor, rows: list[int]) -> Tensor:
    labels = torch.full_like(truth, -1)
    labels[rows] = truth[rows]
    return labels


def test_what_looks_alike_is_one_group() -> None:
    features, truth = heaps()

    group = groups_of(cluster_tree(features), 4)

    assert len({(one, int(label)) for one, label in zip(group.tolist(), truth, strict=True)}) == 4


def test_before_any_answer_the_first_questions_are_one_of_each_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "QUESTIONS", 4)
    features, truth = heaps()

    advice = advise(features, cluster_tree(features), torch.full_like(truth, -1))

    assert sorted(int(truth[row]) for row in advice.questions) == [0, 1, 2, 3]
    assert all(one.label is None and len(one.rows) <= MOST for one in advice.groups)
    assert all(len({int(truth[row]) for row in one.rows}) == 1 for one in advice.groups)


def test_what_was_never_named_is_asked_before_more_of_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "QUESTIONS", 4)
    features, truth = heaps()
    known = [*range(3), *range(EACH, EACH + 3)]  # two heaps of four

    advice = advise(features, cluster_tree(features), named(truth, known))

    assert {2, 3} <= {int(truth[row]) for row in advice.questions[:2]}


def test_a_head_offers_what_it_knows_and_has_no_word_for_what_it_does_not() -> None:
    features, truth = heaps()
    known = [*range(6), *range(EACH, EACH + 6)]

    advice = advise(features, cluster_tree(features), named(truth, known))

    offered = [one for one in advice.groups if one.label is not None]
    assert {one.label for one in offered} == {0, 1}
    assert all(int(truth[row]) == one.label for one in offered for row in one.rows)
    assert not {row for one in offered for row in one.rows} & set(known)


def test_a_head_that_is_often_wrong_offers_nothing() -> None:
    features, truth = heaps(spread=30.0)  # noise
    known = list(range(0, len(truth), 4))

    advice = advise(features, cluster_tree(features), named(truth, known))

    assert not [one for one in advice.groups if one.label is not None]


def test_what_nobody_can_tell_comes_last_and_in_no_group() -> None:
    features, truth = heaps()
    labels = truth.clone()
    labels[[0, 1, 2, 30]] = -1

    advice = advise(features, cluster_tree(features), labels, skipped=(1, 30))

    assert set(advice.questions[:2]) == {0, 2}
    assert advice.questions[2:] == (1, 30)
    assert not {1, 30} & {row for one in advice.groups for row in one.rows}


def test_when_all_are_named_nothing_is_asked() -> None:
    features, truth = heaps()

    advice = advise(features, cluster_tree(features), truth)

    assert (advice.questions, advice.groups) == ((), ())


def test_one_image_is_asked_and_none_is_refused() -> None:
    one = torch.ones(1, WIDTH)

    assert advise(one, cluster_tree(one), torch.tensor([-1])).questions == (0,)
    with pytest.raises(BadSetting, match="There are no images to label"):
        cluster_tree(torch.empty(0, WIDTH))


def test_where_there_are_thousands_some_stand_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "_MOST_MERGED", 30)
    features, truth = heaps()

    tree = cluster_tree(features)

    assert len(tree.merges) == 29
    group = groups_of(tree, 4)
    assert len({(one, int(label)) for one, label in zip(group.tolist(), truth, strict=True)}) == 4


def test_it_finds_rare_classes_that_random_order_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten heaps, some of them rare: the promise that benchmarks/label_help.py measures on real images."""
    monkeypatch.setattr(labelling, "QUESTIONS", 15)
    random = np.random.default_rng(1)
    sizes = [60, 60, 40, 20, 10, 6, 6, 6, 6, 6]
    truth = torch.repeat_interleave(torch.arange(10), torch.tensor(sizes))
    centres = np.eye(10, WIDTH)[truth.numpy()]
    noise = 0.5 * random.standard_normal((len(truth), WIDTH)) / WIDTH**0.5
    features = torch.tensor(centres + noise, dtype=torch.float32)

    asked = advise(features, cluster_tree(features), torch.full_like(truth, -1)).questions
    by_chance = [len(truth[random.choice(len(truth), 15, replace=False)].unique()) for _ in range(20)]

    assert len(truth[list(asked)].unique()) > max(by_chance)


def test_doubts_are_asked_once_each_class_has_some_answers_and_rare_ones_are_met_all_the_same() -> None:
    random = np.random.default_rng(0)
    sizes = [60, 60, 40, 20, 10, 6, 6, 6, 6, 6]
    truth = torch.repeat_interleave(torch.arange(10), torch.tensor(sizes))
    noise = 0.8 * random.standard_normal((len(truth), WIDTH)) / WIDTH**0.5
    features = torch.tensor(np.eye(10, WIDTH)[truth.numpy()] + noise, dtype=torch.float32)
    tree, labels = cluster_tree(features), torch.full_like(truth, -1)

    for _ in range(4):
        rows = list(advise(features, tree, labels).questions)
        labels[rows] = truth[rows]
    known = labels >= 0
    head = solved(LabeledFeatures(features[known], labels[known], 10), "last")
    best = (features[~known] @ head.weight.T + head.bias).softmax(dim=1).sort(dim=1, descending=True).values
    margin = dict(zip((~known).nonzero().flatten().tolist(), (best[:, 0] - best[:, 1]).tolist(), strict=True))
    asked = advise(features, tree, labels).questions

    assert len(labels[known].unique()) == 10
    assert max(margin[row] for row in asked) <= sorted(margin.values())[49]
