from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from headswap.errors import HeadNotFound, TeachingFailed
from headswap.events import Event, Note
from headswap.features.bank import SHARD, BankBuilder, fill_bank
from headswap.features.engines import Engine
from headswap.features.extractor import Extractor
from headswap.heads.detect import find_head
from headswap.heads.wide import average
from headswap.network import InputSpec, Network, NetworkCard, Weights
from tests.pretend_device import pretend_device

SPEC = InputSpec(height=16, width=16, resize_px=16)


def network(*, explode: bool = False) -> Network:
    class Explodes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (
                x
                * (3e38 if x.dtype == torch.bfloat16 else 1.0)
                * (3e38 if x.dtype == torch.bfloat16 else 1.0)
            )

    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()]
    layers += [Explodes()] if explode else []
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    card = NetworkCard(name="tiny", zoo="test", input=SPEC, weights=Weights(state="here"))
    return Network(card=card, module=module.eval())


def body(engine: Engine, **options: bool) -> Extractor:
    made = network(**options)
    return Extractor(made, find_head(made), engine)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3)).astype(np.uint8)


def names(count: int) -> list[str]:
    return [f"{number:064x}" for number in range(count)]


def test_no_image_is_computed_twice(tmp_path: Path) -> None:
    batch = images(SHARD + 10)
    asked: list[int] = []

    def prepare(number: int) -> np.ndarray:
        asked.append(number)
        return batch[number]

    first = fill_bank(body(Engine("cpu", "float32")), names(len(batch)), prepare, folder=tmp_path)
    again = fill_bank(body(Engine("cpu", "float32")), names(len(batch))[::-1], prepare, folder=tmp_path)

    assert sorted(asked) == list(range(len(batch)))
    assert (first.computed, again.computed) == (len(batch), 0)
    assert torch.equal(first.features, again.features.flip(0))


def test_features_of_an_engine_that_was_given_up_are_found_again(tmp_path: Path) -> None:
    batch = images(4)

    def prepare(number: int) -> np.ndarray:
        return batch[number]

    rough = Engine("cpu", "bfloat16")
    fill_bank(body(rough, explode=True), names(4), prepare, folder=tmp_path)

    again = fill_bank(body(rough, explode=True), names(4), prepare, folder=tmp_path)

    assert again.computed == 0


def test_a_damaged_shard_costs_its_own_images_only(tmp_path: Path) -> None:
    batch = images(SHARD + 10)
    runner = body(Engine("cpu", "float32"))
    first = fill_bank(runner, names(len(batch)), lambda number: batch[number], folder=tmp_path)
    small = min(tmp_path.rglob("*.safetensors"), key=lambda path: path.stat().st_size)
    small.write_bytes(small.read_bytes()[:-40])

    again = fill_bank(runner, names(len(batch)), lambda number: batch[number], folder=tmp_path)

    assert again.computed == 10
    assert torch.equal(first.features, again.features)


def test_a_flipped_bit_in_a_feature_is_noticed_and_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    batch, runner = images(4), body(Engine("cpu", "float32"))
    first = fill_bank(runner, names(4), lambda number: batch[number], folder=tmp_path)
    (shard,) = tmp_path.rglob("*.safetensors")
    data = bytearray(shard.read_bytes())
    data[-20] ^= 1
    shard.write_bytes(data)

    again = fill_bank(runner, names(4), lambda number: batch[number], folder=tmp_path)

    assert again.computed == 4
    assert torch.equal(first.features, again.features)
    assert "a shard of features is damaged; its pictures are computed again" in caplog.text


def test_other_weights_or_another_engine_never_share_features(tmp_path: Path) -> None:
    batch, runner = images(4), body(Engine("cpu", "float32"))
    fill_bank(runner, names(4), lambda number: batch[number], folder=tmp_path)
    with torch.no_grad():
        runner.network.module[0].weight.add_(0.1)

    changed = fill_bank(runner, names(4), lambda number: batch[number], folder=tmp_path)
    other = fill_bank(
        body(Engine("cpu", "bfloat16")), names(4), lambda number: batch[number], folder=tmp_path
    )

    assert (changed.computed, other.computed) == (4, 4)


def test_features_that_vanish_while_they_are_needed_are_an_error_in_words(tmp_path: Path) -> None:
    batch = images(4)
    builder = BankBuilder(body(Engine("cpu", "float32")), folder=tmp_path, expected=4)
    for name, image in zip(names(4), batch, strict=True):
        builder.add(name, image)
    builder.bank(names(4))
    for shard in tmp_path.rglob("*.safetensors"):
        shard.unlink()

    with pytest.raises(TeachingFailed, match="4 pictures have vanished from the disk"):
        builder.bank(names(4))


def test_what_a_given_up_engine_computed_before_is_not_mixed_with_the_rest(tmp_path: Path) -> None:
    batch = images(6)
    fill_bank(body(Engine("cpu", "bfloat16")), names(4), lambda number: batch[number], folder=tmp_path)
    runner = body(Engine("cpu", "bfloat16"))
    exactly = fill_bank(
        body(Engine("cpu", "float32")), names(6), lambda number: batch[number], folder=tmp_path / "exact"
    )
    for part in (runner.network.module[2], runner._module[2]):
        part.register_forward_hook(
            lambda module, inputs, said: said * float("inf") if said.dtype == torch.bfloat16 else said
        )

    bank = fill_bank(runner, names(6), lambda number: batch[number], folder=tmp_path)

    assert bank.engine == "torch-cpu-float32"
    assert torch.equal(bank.features, exactly.features)


def test_equal_images_are_computed_once(tmp_path: Path) -> None:
    batch = images(1)

    bank = fill_bank(body(Engine("cpu", "float32")), names(1) * 3, lambda _: batch[0], folder=tmp_path)

    assert bank.computed == 1
    assert bank.features.shape == (3, 8)


@pytest.mark.parametrize("shape", [(2, 8), (2, 8, 3, 3), (2, 5, 8)])
def test_what_reaches_a_head_is_averaged_over_places(shape: tuple[int, ...]) -> None:
    assert average(torch.ones(shape), 8).shape == (2, 8)


def test_a_bare_parameter_has_no_door_to_wait_at() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.weight = nn.Conv2d(3, 8, 3), nn.Parameter(torch.randn(8, 5))

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x).mean((2, 3)) @ self.weight

    made = Network(card=network().card, module=Bare().eval())

    with pytest.raises(HeadNotFound, match="bare parameter"):
        Extractor(made, find_head(made), Engine("cpu", "float32")).features(images(2))


def test_what_was_seen_elsewhere_is_learned_and_kept(tmp_path: Path) -> None:
    exact, batch = body(Engine("cpu", "float32")), images(6)
    seen = exact.features(batch[:4])
    builder = BankBuilder(exact, folder=tmp_path, expected=6)

    builder.learn(names(4), seen)
    for number in range(6):
        builder.add(names(6)[number], batch[number])
    bank = builder.bank(names(6))

    assert bank.computed == 2
    assert torch.equal(bank.features[:4], seen)
    later = BankBuilder(body(Engine("cpu", "float32")), folder=tmp_path, expected=6)
    assert not [name for name in names(6) if later.lacks(name)]


def test_many_that_are_learned_at_once_lie_in_shards_of_the_usual_size(tmp_path: Path) -> None:
    many = 2 * SHARD + 1
    builder = BankBuilder(body(Engine("cpu", "float32")), folder=tmp_path, expected=many)
    rows = torch.arange(many * 8, dtype=torch.float32).reshape(many, 8)

    builder.learn(names(many), rows)

    assert torch.equal(builder.bank(names(many)).features, rows)
    sizes = [len(load_file(path)["features"]) for path in tmp_path.rglob("*.safetensors")]
    assert sorted(sizes) == [1, SHARD, SHARD]


def test_fewer_images_are_prepared_ahead_when_the_engine_falls_back_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, batch = body(Engine("cpu", "float32")), images(200)
    begun: list[int] = []

    def prepare(number: int) -> np.ndarray:
        begun.append(number)
        return batch[number]

    hindered = property(lambda builder: builder.computed > 0)
    monkeypatch.setattr(BankBuilder, "needs_every_core", hindered)

    bank = fill_bank(made, names(200), prepare, folder=tmp_path)

    assert bank.computed == 200
    assert sorted(begun) == list(range(200))


@pytest.mark.parametrize("is_wrong", [True, False])
def test_a_gpu_that_was_left_is_told_of_each_time(is_wrong: bool, tmp_path: Path) -> None:
    class OnMps(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1.05 * x if is_wrong and x.device.type == "mps" and len(x) > 1 else x

    batch, made = images(40), network()
    made.module.insert(3, OnMps())
    for _ in range(2):  # computed, and then from disk
        heard: list[Event] = []
        with pretend_device("mps"):
            asked = Extractor(made, find_head(made), Engine("mps", "float32"))
            bank = fill_bank(asked, names(40), batch.__getitem__, folder=tmp_path, listener=heard.append)

        said = [event.sentence for event in heard if isinstance(event, Note)]
        assert len(said) == is_wrong
        assert all(one.startswith("torch-mps-float32 did not give the features") for one in said)
        assert bank.engine.startswith("torch-cpu" if is_wrong else "torch-mps")


def test_a_gpu_gets_larger_batches(tmp_path: Path) -> None:
    seen: list[int] = []
    made = network()
    made.module.register_forward_pre_hook(
        lambda part, given: seen.append(len(given[0])) if given[0].device.type == "cuda" else None
    )
    with pretend_device("cuda"):
        fast = Extractor(made, find_head(made), Engine("cuda", "bfloat16", folded=True))
        fill_bank(fast, names(140), images(140).__getitem__, folder=tmp_path)

    assert max(seen) == 128
