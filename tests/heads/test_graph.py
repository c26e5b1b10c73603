"""The walk back through autograd's record."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headswap.heads.graph import GraphWalk, feed_each_other, leaves_behind, record_of, walk_back

BATCH, WIDTH, CLASSES = 2, 6, 5


def walked(answer: Tensor, image: Tensor) -> GraphWalk:
    return walk_back(record_of([answer], image), answer)


def image() -> Tensor:
    return torch.rand(BATCH, WIDTH, requires_grad=True)


def test_the_first_matrix_with_a_row_per_class_is_the_head() -> None:
    x, weight, bias = (
        image(),
        torch.rand(CLASSES, WIDTH, requires_grad=True),
        torch.rand(5, requires_grad=True),
    )

    walk = walked(nn.functional.linear(x.relu(), weight, bias), x)

    assert [[use.leaf is weight for use in hit.uses] for hit in walk.heads] == [[False, True]]
    assert walk.tail == ()


def test_one_number_per_class_after_the_head_is_its_tail() -> None:
    x, weight, scale = (
        image(),
        torch.rand(WIDTH, CLASSES, requires_grad=True),
        torch.rand(5, requires_grad=True),
    )

    walk = walked((x @ weight) * scale, x)

    assert [hit.uses[0].leaf is scale for hit in walk.tail] == [True]
    assert [hit.uses[0].consumer for hit in walk.tail] == ["MulBackward0"]


def test_numbers_that_belong_to_no_class_are_met_and_left_alone() -> None:
    x, weight, warmth = (
        image(),
        torch.rand(WIDTH, CLASSES, requires_grad=True),
        torch.ones((), requires_grad=True),
    )

    walk = walked((x @ weight) / warmth, x)

    assert id(warmth) in walk.met
    assert walk.tail == ()


def test_layers_before_the_head_are_never_reached_even_if_as_wide_as_the_answer() -> None:
    x = image()
    early, late = (torch.rand(WIDTH, WIDTH, requires_grad=True) for _ in range(2))

    walk = walked(((x @ early).relu() @ late), x)

    assert [hit.uses[0].leaf is late for hit in walk.heads] == [True]


def test_a_residual_stream_feeds_itself() -> None:
    x = image()
    one, two = (torch.rand(WIDTH, WIDTH, requires_grad=True) for _ in range(2))
    first = x + x @ one
    answer = first + first @ two
    record = record_of([answer], x)

    assert feed_each_other(record, walk_back(record, answer).heads)


def test_heads_side_by_side_do_not_feed_each_other() -> None:
    x = image()
    one, two = (torch.rand(WIDTH, CLASSES, requires_grad=True) for _ in range(2))
    answer = x @ one + x @ two
    record = record_of([answer], x)

    walk = walk_back(record, answer)

    assert len(walk.heads) == 2
    assert not feed_each_other(record, walk.heads)


def test_only_wanted_parameters_are_heads_when_some_are_wanted() -> None:
    x = image()
    early, late = (torch.rand(WIDTH, WIDTH, requires_grad=True) for _ in range(2))
    answer = (x @ early) @ late

    walk = walk_back(record_of([answer], x), answer, frozenset({id(early)}))

    assert [hit.uses[0].leaf is early for hit in walk.heads] == [True]


def test_what_would_get_a_gradient_is_known() -> None:
    x, used, unused = (
        torch.rand(2, 6),
        torch.rand(6, 5, requires_grad=True),
        torch.rand(5, requires_grad=True),
    )

    assert leaves_behind([x @ used]) == {id(used)}
    assert id(unused) not in leaves_behind([x @ used])
