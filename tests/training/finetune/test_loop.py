"""Head and body learn together: what moves, what does not, what is kept, and going on after a kill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from headswap.errors import Cancelled, TeachingFailed
from headswap.features.engines import Engine
from headswap.training.budget import Budget
from headswap.training.config import FinetuneConfig
from headswap.training.finetune.loop import finetune
from headswap.training.finetune.records import FinetunedRun, FinetuneTask
from tests.pretend_device import pretend_device

CONFIG = FinetuneConfig(batch_size=8, release=0.5, checkpoint_every_s=0.0)
Make = Callable[..., Any]


def state_of(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(before: dict[str, Tensor], module: torch.nn.Module) -> set[str]:
    return {name for name, value in module.state_dict().items() if not torch.equal(before[name], value)}


def teach(room: Any, task: FinetuneTask, **more: Any) -> FinetunedRun:
    return finetune(
        room.module, room.site, room.image_batches, task, budget=Budget(more.pop("seconds", None)), **more
    )


@pytest.mark.parametrize(
    ("depth", "moves"),
    [
        ("norms", {"fc", "low.norm", "middle.norm", "high.norm"}),
        ("last", {"fc", "high.norm", "high.conv"}),
        ("everything", {"fc", *(f"{b}.{p}" for b in ("low", "middle", "high") for p in ("norm", "conv"))}),
    ],
)
def test_only_the_chosen_depth_moves_and_statistics_never(
    classroom: Make, depth: str, moves: set[str]
) -> None:
    room = classroom()
    before = state_of(room.module)

    teach(room, room.task(CONFIG, depth=depth, watch=False))

    moved = changed(before, room.module)
    assert {name.rpartition(".")[0] for name in moved} == moves
    assert not [name for name in moved if "running" in name or "num_batches" in name]
    assert not room.module.training
    assert all(value.requires_grad and value.grad is None for value in room.module.parameters())


def test_statistics_drift_or_are_measured_anew_only_when_asked(classroom: Make) -> None:
    for norms in ("train", "recalibrate"):
        room = classroom()
        before = state_of(room.module)

        teach(room, room.task(FinetuneConfig(batch_size=8, norms=norms), watch=False, epochs=2))

        assert {"low.norm.running_mean", "high.norm.running_var"} <= changed(before, room.module)


def test_train_raises_what_the_network_gets_right(classroom: Make) -> None:
    room = classroom(96)

    trained = teach(room, room.task(CONFIG, epochs=12, learning_rate=1e-2))

    held = room.labels[::4]
    before = int((trained.start.argmax(1) == held).sum())
    after = int((trained.best.argmax(1) == held).sum())
    assert after > before
    assert trained.stopped in ("done", "early")
    assert [one.number for one in trained.history] == list(range(1, len(trained.history) + 1))


def test_the_best_weights_are_in_the_network_not_the_last(classroom: Make) -> None:
    room = classroom(shuffled=True)

    trained = teach(room, room.task(FinetuneConfig(batch_size=8, patience=3), epochs=8, learning_rate=0.05))

    now = room.module(room.image_batches.inputs(range(0, 48, 4))).detach()
    assert trained.stopped == "early"
    assert len(trained.history) == max(trained.best_epoch, 4) + 3
    assert torch.equal(now, trained.best)


@pytest.mark.parametrize("rate", [1e4, 1e30])
def test_an_absurd_learning_rate_ends_early_with_the_solved_head_kept(classroom: Make, rate: float) -> None:
    room = classroom()
    before = state_of(room.module)

    trained = teach(room, room.task(CONFIG, learning_rate=rate))

    assert trained.stopped in ("diverged", "early", "done")
    assert trained.best_epoch == 0
    assert not changed(before, room.module)


def test_an_image_that_makes_the_loss_no_number_ends_the_run(classroom: Make) -> None:
    room = classroom()
    before = state_of(room.module)
    room.module.middle.register_forward_hook(
        lambda part, inputs, answer: answer * torch.nan if part.training else None
    )

    trained = teach(room, room.task(CONFIG))

    assert trained.stopped == "diverged"
    assert not changed(before, room.module)


@pytest.mark.parametrize("several", [False, True])
def test_a_run_that_was_killed_goes_on_to_the_same_bit(
    classroom: Make, tmp_path: Path, several: bool
) -> None:
    whole = classroom(several=several)
    teach(whole, whole.task(CONFIG, epochs=5))
    room, trained_on = classroom(several=several), 0

    def stop(images: int) -> None:
        nonlocal trained_on
        trained_on += images
        if trained_on > 36 * 2 + 10:  # within the third pass
            raise Cancelled

    with pytest.raises(Cancelled):
        teach(room, room.task(CONFIG, epochs=5, folder=tmp_path / "run"), tick=stop)
    again = classroom(several=several)
    seen: list[int] = []

    trained = teach(
        again,
        again.task(CONFIG, epochs=5, folder=tmp_path / "run"),
        on_epoch=lambda result, answer: seen.append(result.number),
    )

    assert seen == [3, 4, 5]
    assert len(trained.history) == 5
    assert not changed(state_of(whole.module), again.module)


@pytest.mark.parametrize("device", ["mps", "cuda"])
def test_a_run_on_a_gpu_that_was_killed_draws_on_where_it_stood(
    classroom: Make, tmp_path: Path, device: str
) -> None:
    with pretend_device(device):  # type: ignore[arg-type]
        whole, room, again = classroom(), classroom(), classroom()

        def task(one: Any, folder: Path | None) -> FinetuneTask:
            made = one.task(CONFIG, epochs=2, folder=folder)
            return replace(made, engine=Engine(device, "float32"))

        teach(whole, task(whole, None))
        trained_on = []

        def stop(images: int) -> None:
            trained_on.append(images)
            if len(trained_on) > 6:  # within the second pass: dropout has drawn on the device
                raise Cancelled

        with pytest.raises(Cancelled):
            teach(room, task(room, tmp_path / "run"), tick=stop)
        torch.rand(5, device=device)  # someone else draws in between

        teach(again, task(again, tmp_path / "run"))

        left, right = whole.module.state_dict(), again.module.state_dict()
        assert all(torch.equal(left[name], right[name]) for name in left)


def test_a_finished_run_is_not_taught_again(classroom: Make, tmp_path: Path) -> None:
    room = classroom()
    first = teach(room, room.task(CONFIG, folder=tmp_path / "run"))
    after = state_of(room.module)
    again = classroom()

    trained_on: list[int] = []

    second = teach(again, again.task(CONFIG, folder=tmp_path / "run"), tick=trained_on.append)

    assert not changed(after, again.module)
    assert not trained_on
    assert second.history == first.history
    assert torch.equal(second.best, first.best)


def test_the_same_seed_gives_the_same_network_and_disturbs_nobodys_random_numbers(classroom: Make) -> None:
    rooms = [classroom(), classroom()]
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)

    for room in rooms:
        teach(room, room.task(CONFIG, epochs=2))

    assert torch.equal(torch.rand(3), expected)
    assert not changed(state_of(rooms[0].module), rooms[1].module)


def test_when_time_is_up_the_best_until_then_is_kept(classroom: Make) -> None:
    room = classroom()
    before = state_of(room.module)

    trained = teach(room, room.task(CONFIG), seconds=0.0)

    assert trained.stopped == "time"
    assert trained.history == ()
    assert not changed(before, room.module)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_auxiliary_heads_are_switched_off_or_learn_too(classroom: Make, weight: float) -> None:
    room = classroom(aux=True)
    before = state_of(room.module)

    teach(room, room.task(FinetuneConfig(batch_size=8, aux_weight=weight), watch=False, epochs=2))

    moved = changed(before, room.module)
    assert "fc.weight" in moved
    assert ("aux.weight" in moved) is (weight > 0)


@pytest.mark.parametrize("several", [False, True])
def test_mixed_images_teach_too(classroom: Make, several: bool) -> None:
    room = classroom(several=several)
    before = state_of(room.module)

    trained = teach(room, room.task(FinetuneConfig(batch_size=8, mixup=0.4), epochs=2, watch=False))

    assert trained.stopped == "done"
    assert "low.conv.weight" in changed(before, room.module)


def test_a_full_gpu_takes_a_step_in_parts_and_learns_the_same(classroom: Make) -> None:
    largest = 8 * 6 * 8 * 8 * 4  # bytes of what the lowest block gives, for a batch
    rooms = []
    for room_for in (None, largest // 3):
        room = classroom()
        with pretend_device("cuda", largest_bytes=room_for):
            task = replace(room.task(CONFIG, epochs=1, watch=False), engine=Engine("cuda", "float32"))
            task = replace(task, config=replace(CONFIG, label_smoothing=0.0, batch_size=8))
            room.module.drop.p = 0.0
            trained = teach(room, task)
            assert trained.stopped == "done"
            rooms.append({name: value.cpu() for name, value in room.module.state_dict().items()})

    whole, parts = rooms
    assert all(torch.allclose(whole[name], parts[name], atol=1e-3) for name in whole)


def test_a_gpu_with_no_room_for_one_image_ends_in_one_sentence(classroom: Make) -> None:
    room = classroom()
    with pretend_device("cuda"):
        task = replace(room.task(CONFIG, epochs=1, watch=False), engine=Engine("cuda", "float32"))
        room.module.register_forward_pre_hook(_full_while_training)

        with pytest.raises(TeachingFailed, match="no room to teach so much of this network"):
            teach(room, task)


def _full_while_training(part: torch.nn.Module, inputs: Any) -> None:
    if part.training:
        raise torch.OutOfMemoryError("CUDA out of memory.")
