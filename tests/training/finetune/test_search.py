"""Going further only where it helps; the solved head is the floor."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import Tensor

from headswap.errors import BadSetting, Cancelled, FinishEarly
from headswap.events import Event, Note, Progress
from headswap.training.config import FinetuneConfig, TrainConfig
from headswap.training.finetune.candidates import CandidateRunner
from headswap.training.finetune.compare import leaves_room
from headswap.training.finetune.plan import Costs
from headswap.training.finetune.search import FinetuneResult, search_finetuning

Make = Callable[..., Any]
QUICK = FinetuneConfig(batch_size=8, epochs=8, checkpoint_every_s=0.0)


def state_of(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(before: dict[str, Tensor], module: torch.nn.Module) -> bool:
    return all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def go(room: Any, config: TrainConfig, heard: list[Event] | None = None, **more: Any) -> FinetuneResult:
    heard = [] if heard is None else heard
    return search_finetuning(
        room.setup(config, **more), listener=heard.append, on_epoch=lambda result, answer: None
    )


def test_auto_goes_further_where_the_body_does_not_fit(classroom: Make) -> None:
    room = classroom(120)
    heard: list[Any] = []
    rate = FinetuneConfig(batch_size=8, epochs=12, learning_rate=1e-2)

    finetuned = go(room, TrainConfig(depth="auto", finetune=rate), heard)

    finetune = finetuned.summary
    assert finetuned.moved
    assert finetune.asked == "auto"
    assert finetune.depth in ("everything", "last", "norms")
    assert finetune.right_after > finetune.right_before
    assert finetune.validation == len(finetuned.held) == len(finetuned.logits)
    assert f"with the head alone {finetune.right_before}" in finetune.sentence
    assert Note(finetune.sentence, code="further") in heard
    steps = [event for event in heard if isinstance(event, Progress)]
    assert {event.step for event in steps} == {"finetune"}
    assert all(event.done <= event.likely <= event.total for event in steps)
    assert steps[0].likely < steps[0].total, "no one knows yet whether the last run is made"
    assert steps[-1].likely == steps[-1].total
    assert steps[-1].done >= 0.99 * steps[-1].total, "what was not needed is not counted"


def test_auto_keeps_the_solved_head_where_nothing_can_be_gained(classroom: Make) -> None:
    room = classroom(60, shuffled=True)
    before = state_of(room.module)

    finetuned = go(room, TrainConfig(depth="auto", finetune=QUICK))

    assert not finetuned.moved
    assert finetuned.summary.depth == "head"
    assert finetuned.summary.sentence.startswith(
        "Tried: how much of the body may move. Kept: only the head. "
    )
    assert same(before, room.module)


def test_for_several_labels_auto_goes_further_only_where_average_precision_rises(classroom: Make) -> None:
    rate = FinetuneConfig(batch_size=8, epochs=12, learning_rate=1e-2)
    room, hopeless = classroom(120, several=True), classroom(60, shuffled=True, several=True)
    before = state_of(hopeless.module)

    finetuned = go(room, TrainConfig(depth="auto", finetune=rate))
    kept = go(hopeless, TrainConfig(depth="auto", finetune=QUICK))

    assert finetuned.moved
    assert finetuned.logits.shape == (len(finetuned.held), 3)
    found = re.search(
        r"average precision was ([01]\.\d+) on \d+ practice pictures that were kept back, with the "
        r"head alone (0\.\d+)\.",
        finetuned.summary.sentence,
    )
    assert found is not None
    scores = average_precision_score(room.labels[finetuned.held].numpy(), finetuned.logits.numpy())
    assert float(found[1]) > float(found[2])
    assert abs(float(found[1]) - scores) < 0.03, "of both parts together, each with its own temperature"
    assert not kept.moved
    assert kept.summary.sentence.startswith("Tried: how much of the body may move. Kept: only the head. ")
    assert same(before, hopeless.module)


def test_auto_tries_nothing_where_too_few_are_wrong_to_tell_a_better_way_from_chance(classroom: Make) -> None:
    room = classroom(60)
    nearly = replace(room.setup(TrainConfig(depth="auto", finetune=QUICK)), leaves_room=False)
    asked_for = replace(room.setup(TrainConfig(depth="norms", finetune=QUICK)), leaves_room=False)

    kept = search_finetuning(nearly, listener=lambda event: None, on_epoch=lambda result, answer: None)
    tried = search_finetuning(asked_for, listener=lambda event: None, on_epoch=lambda result, answer: None)

    assert kept.summary.tried == 0
    assert "too few pictures were wrong" in kept.summary.sentence
    assert tried.summary.tried > 0


@pytest.mark.parametrize(("wrong", "room"), [(4, False), (5, True)])
def test_five_wrong_images_leave_room_for_a_better_way(wrong: int, room: bool) -> None:
    labels = torch.arange(40) % 2
    said = torch.where(torch.arange(40) < wrong, 1 - labels, labels)

    assert leaves_room(torch.nn.functional.one_hot(said, 2).float(), labels) is room


def test_an_absurd_rate_ends_with_advice_and_the_solved_head(classroom: Make) -> None:
    for rate, advice in ((1e30, "Choose 0.001 or less"), (1e9, "Choose 0.001 or less"), (50.0, "")):
        room = classroom()
        before = state_of(room.module)
        config = FinetuneConfig(batch_size=8, epochs=8, learning_rate=rate, patience=2)

        finetuned = go(room, TrainConfig(depth="everything", finetune=config))

        assert not finetuned.moved
        assert advice in finetuned.summary.sentence
        assert same(before, room.module)


def test_a_rate_that_is_no_number_is_refused_before_anything_starts() -> None:
    for rate in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(BadSetting, match=r"Choose a number above 0, such as 0\.001"):
            FinetuneConfig(learning_rate=rate)
    with pytest.raises(BadSetting, match=r"budget_s is 0\. Choose seconds above 0"):
        TrainConfig(budget_s=0)


def test_too_few_images_to_hold_back_leave_the_head_alone(classroom: Make) -> None:
    room = classroom(12)
    before = state_of(room.module)

    finetuned = go(room, TrainConfig(depth="everything", finetune=QUICK))

    assert "can be held back to see whether it helps: too few" in finetuned.summary.sentence
    assert same(before, room.module)


def test_without_time_the_solved_head_is_kept_and_the_person_told(classroom: Make) -> None:
    room = classroom()
    before = state_of(room.module)

    finetuned = go(room, TrainConfig(depth="auto", budget_s=1e-3, finetune=QUICK), budget_s=1e-3)

    assert "There was no time for it" in finetuned.summary.sentence
    assert same(before, room.module)


def test_too_little_time_is_told_as_what_was_left_what_is_kept_and_what_it_takes(
    classroom: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = classroom()
    costs = Costs(image={"everything": 1.0, "last": 1.0, "norms": 1.0}, setup={}, rest=30, every=40)
    monkeypatch.setattr(CandidateRunner, "costs", lambda self, *, measured: costs)

    finetuned = go(room, TrainConfig(depth="everything", budget_s=60, finetune=QUICK), budget_s=60)

    kept = len(room.labels) / 2
    assert f"60 s were left, of which the test and saving need {kept:.0f} s" in finetuned.summary.sentence


def ending_after(epochs: int) -> tuple[list[Event], Callable[[Event], None]]:
    """A listener that wants no more after so much of the work, measured in looks at images."""
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Progress) and event.done >= epochs:
            raise FinishEarly

    return heard, listen


def steps(said: list[Event]) -> int:
    return sum(isinstance(event, Progress) for event in said)


EVERYTHING = TrainConfig(
    depth="everything", finetune=FinetuneConfig(batch_size=8, epochs=12, learning_rate=1e-2)
)


@pytest.fixture(scope="module")
def steps_of_all(classroom: Make) -> int:
    """What the search says when no one ends it."""
    heard: list[Event] = []
    go(classroom(120), EVERYTHING, heard)
    return steps(heard)


@pytest.mark.parametrize("looks", [pytest.param(1, marks=pytest.mark.thorough), 400, 1200])
def test_a_person_who_waits_no_longer_gets_the_best_so_far(
    classroom: Make, steps_of_all: int, looks: int
) -> None:
    heard, listen = ending_after(looks)

    finetuned = search_finetuning(
        classroom(120).setup(EVERYTHING), listener=listen, on_epoch=lambda result, answer: None
    )

    assert steps(heard) < steps_of_all
    assert "Teaching ended early, as was asked" in finetuned.summary.sentence
    assert finetuned.moved == (finetuned.summary.right_after > finetuned.summary.right_before)


def test_a_budget_is_honoured(classroom: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    room, now = classroom(60), [0.0]
    long = FinetuneConfig(batch_size=4, epochs=1000, learning_rate=1e-2, patience=1000)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])  # only pictures make it go on

    def look(module: torch.nn.Module, given: tuple[Tensor]) -> None:
        now[0] += 0.01 * len(given[0])

    room.module.register_forward_pre_hook(look)

    finetuned = go(room, TrainConfig(depth="everything", budget_s=20.0, finetune=long), budget_s=20.0)

    assert 10.0 < now[0] <= 20.0
    assert 3 < finetuned.summary.planned_epochs < 1000


def test_a_killed_search_goes_on_and_ends_in_the_same_network(classroom: Make, tmp_path: Path) -> None:
    rate = FinetuneConfig(batch_size=8, epochs=6, learning_rate=1e-2, checkpoint_every_s=0.0)
    config = TrainConfig(depth="everything", finetune=rate)
    whole = classroom(60)
    expected = go(whole, config)
    heard = 0

    def stop(event: Event) -> None:
        nonlocal heard
        heard += isinstance(event, Progress)
        if heard == 50:  # within the second try
            raise Cancelled

    room = classroom(60)
    with pytest.raises(Cancelled):
        search_finetuning(
            room.setup(config, folder=tmp_path), listener=stop, on_epoch=lambda result, answer: None
        )
    again = classroom(60)
    after: list[Any] = []
    finetuned = go(again, config, after, folder=tmp_path)

    assert finetuned.summary == expected.summary
    assert same(state_of(whole.module), again.module)
    assert sum(isinstance(event, Progress) for event in after) < heard + 60


def test_a_stop_leaves_the_network_in_eval_mode_with_its_flags(classroom: Make) -> None:
    room = classroom()

    def stop(event: Event) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        search_finetuning(
            room.setup(TrainConfig(depth="last", finetune=QUICK)),
            listener=stop,
            on_epoch=lambda result, answer: None,
        )

    assert not room.module.training
    assert all(value.requires_grad for value in room.module.parameters())
