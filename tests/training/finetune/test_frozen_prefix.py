"""The frozen part runs once: the cut is proved, and what learns above it is what would learn anyway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headswap.features.engines import Engine
from headswap.heads.swap import swap_head
from headswap.heads.wide import find_taps, widen
from headswap.network import InputSpec, Network, NetworkCard, Weights
from headswap.training.budget import Budget
from headswap.training.config import FinetuneConfig, TrainConfig
from headswap.training.finetune.frozen_prefix import FrozenPrefix, find_frozen_prefix
from headswap.training.finetune.loop import finetune
from headswap.training.finetune.search import search_finetuning

Make = Callable[..., Any]
CPU = Engine("cpu", "float32")


class EpochsBy(nn.Module):
    """What its first stage gives reaches the head by another way too."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(3 if i == 0 else 6, 6, 3, padding=1) for i in range(3))
        self.four, self.fc = nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        first = self.one(x).relu()
        deep = self.four(self.three(self.two(first).relu()).relu())
        return self.fc((deep + first).mean((2, 3)))


def top_of(room: Any) -> FrozenPrefix:
    top = find_frozen_prefix(room.module, room.site, room.image_batches.inputs([0, 1]), FinetuneConfig(), CPU)
    assert top is not None
    top.below = CPU
    return top


def test_the_top_answers_what_the_whole_network_answers(classroom: Make) -> None:
    room = classroom()
    batch = room.image_batches.inputs([4, 5, 6])

    top = top_of(room)

    with torch.no_grad():
        assert torch.allclose(top.answer(top.reach(batch)), room.module(batch), atol=1e-5)
    assert all("forward" not in part.__dict__ for part in room.module.modules())


def test_a_network_in_which_something_passes_the_cut_is_not_cut() -> None:
    torch.manual_seed(0)
    module = EpochsBy().eval()
    site = swap_head(module, 3, input_size=(3, 16, 16)).site

    assert find_frozen_prefix(module, site, torch.randn(2, 3, 16, 16), FinetuneConfig(), CPU) is None


def test_below_a_wide_head_what_it_reads_of_the_frozen_blocks_is_kept(classroom: Make) -> None:
    room = classroom()
    spec = InputSpec(height=16, width=16)
    card = NetworkCard(name="tiny", zoo="test", input=spec, weights=Weights(state="here"))
    network = Network(card=card, module=room.module)
    wide, site = widen(network, room.site, find_taps(network, room.site), 3)
    batch = room.image_batches.inputs([4, 5, 6])

    top = find_frozen_prefix(wide.module, site, room.image_batches.inputs([0, 1]), FinetuneConfig(), CPU)

    assert top is not None
    top.below = CPU
    assert [tap.path for tap in top.taps] == ["low", "middle"]
    with torch.no_grad():
        assert torch.allclose(top.answer(top.reach(batch)), wide.module(batch), atol=1e-5)
        assert not torch.allclose(top.answer(top.reach(batch)), top.answer(top.reach(batch.flip(0))))
    assert wide.module.known == {}


def test_moving_statistics_and_mixed_images_need_the_whole_network(classroom: Make) -> None:
    room = classroom()

    for config in (FinetuneConfig(norms="train"), FinetuneConfig(mixup=0.2)):
        assert (
            find_frozen_prefix(room.module, room.site, room.image_batches.inputs([0, 1]), config, CPU) is None
        )


def test_practising_above_the_cut_is_the_same_as_through_the_whole_network(classroom: Make) -> None:
    plain = FinetuneConfig(batch_size=8, least_crop=1, flip=False)
    whole, cut = classroom(), classroom()
    for room in (whole, cut):
        room.module.drop.p = 0.0  # its numbers would be drawn in another order
    task = cut.task(plain, depth="last")
    top = top_of(cut)
    list(top.fill(cut.image_batches, torch.arange(48), 48, plain, seed=0, crops=2))
    object.__setattr__(task, "top", top)

    trained = [
        finetune(room.module, room.site, room.image_batches, one, budget=Budget(None))
        for room, one in ((whole, whole.task(plain, depth="last")), (cut, task))
    ]

    assert trained[0].best_epoch == trained[1].best_epoch > 0
    assert torch.allclose(trained[0].last, trained[1].last, atol=1e-4)
    for name, value in cut.module.state_dict().items():
        assert torch.allclose(value, whole.module.state_dict()[name], atol=1e-4)


def test_memory_decides_how_many_crops_are_kept(classroom: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    top = top_of(classroom())
    one = 4 * list(top.shapes.values())[-1].numel()

    monkeypatch.setattr("headswap.training.finetune.frozen_prefix.KEEP_BYTES", one * 350)

    assert top.crops_that_fit(100, 120, 6) == 2
    assert top.crops_that_fit(50, 60, 6) == 5
    assert top.crops_that_fit(10, 12, 6) == 6
    assert top.crops_that_fit(300, 300, 6) == 0


def test_going_further_with_the_last_blocks_leaves_what_is_below_bit_for_bit(classroom: Make) -> None:
    room = classroom(120)
    heard: list[Any] = []
    before = {name: value.clone() for name, value in room.module.state_dict().items()}
    config = FinetuneConfig(batch_size=8, epochs=10, learning_rate=1e-2)

    finetuned = search_finetuning(
        room.setup(TrainConfig(depth="last", finetune=config), budget_s=30.0),
        listener=heard.append,
        on_epoch=lambda result, answer: None,
    )

    assert finetuned.moved
    moved = {name for name, value in room.module.state_dict().items() if not torch.equal(before[name], value)}
    assert "fc.weight" in moved
    assert all(name.startswith(("fc", "high")) for name in moved)
