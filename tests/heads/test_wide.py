"""A head that reads every block: which blocks, what of them, and in which networks."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from benchmarks.wide_oracle import disagreements
from headswap.heads import wide as wide_heads
from headswap.heads.detect import locate_head
from headswap.heads.site import HeadSite, Layout, Tap
from headswap.heads.swap import swap_located
from headswap.heads.wide import NoBlocks, WideNetwork, find_taps, pooled, widen
from headswap.network import InputSpec, Network, NetworkCard, Weights
from headswap.zoos.catalogue import build_network

PX = 16


class Residual(nn.Module):
    """A block of two layers that adds to what it is given, in place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(channels, channels, 3, padding=1), nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x).relu()) + x


class Net(nn.Module):
    """A stem of plain layers, blocks in a stage, a head, and an activation behind it."""

    def __init__(self, channels: int = 8, blocks: int = 3, *, in_place: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, stride=2), nn.BatchNorm2d(channels), nn.ReLU())
        self.stages = nn.ModuleList(
            [nn.ModuleDict({"rows": nn.ModuleList(Residual(channels) for _ in range(blocks))})]
        )
        self.pool, self.fc, self.after = nn.AdaptiveAvgPool2d(1), nn.Linear(channels, 5), nn.Softplus()
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.stages[0]["rows"]:
            x = block(x)
            if self.in_place:
                x = x.mul_(2)
        answer: Tensor = self.after(self.fc(self.pool(x).flatten(1)))
        return answer


def network_of(module: nn.Module, px: int = PX) -> Network:
    card = NetworkCard(
        name="net", zoo="own", input=InputSpec(height=px, width=px), weights=Weights(state="here")
    )
    return Network(card=card, module=module.eval())


def wide_of(network: Network, classes: int = 4) -> tuple[WideNetwork, HeadSite]:
    located = locate_head(network)
    record = swap_located(located, classes)
    wide, site = widen(network, record.site, find_taps(network, located.site), classes)
    assert isinstance(wide.module, WideNetwork)
    return wide.module, site


def test_every_block_is_read_in_the_order_in_which_they_run_and_nothing_behind_the_head() -> None:
    network = network_of(Net())

    taps = find_taps(network, locate_head(network).site)

    assert [tap.path for tap in taps] == ["stem.2", "stages.0.rows.0", "stages.0.rows.1", "stages.0.rows.2"]
    assert {tap.layout for tap in taps} == {"NCHW"}
    assert [tap.mean for tap in taps] == [True, True, True, False], "the last mean reaches the head"
    assert [tap.width for tap in taps] == [16, 16, 16, 8]


@pytest.mark.parametrize(
    ("layout", "shape", "positions"),
    [("NCHW", (2, 6, 4, 5), (2, 3)), ("NHWC", (2, 4, 5, 6), (1, 2)), ("NTC", (2, 9, 6), (1,))],
)
def test_mean_and_spread_are_over_all_positions(
    layout: Layout, shape: tuple[int, ...], positions: tuple[int, ...]
) -> None:
    value = torch.randn(shape) * 3 + 1

    found = pooled(value, Tap(path="", layout=layout, channels=6))

    assert torch.allclose(found[:, :6], value.mean(positions), atol=1e-6)
    assert torch.allclose(found[:, 6:], value.var(positions, unbiased=False).sqrt(), atol=1e-4)
    assert torch.equal(pooled(value, Tap(path="", layout=layout, channels=6, mean=False)), found[:, 6:])


def test_the_last_features_come_last_and_are_what_the_plain_head_read() -> None:
    network = network_of(Net())
    images = torch.rand(3, 3, PX, PX)
    reached: list[Tensor] = []
    network.module.fc.register_forward_pre_hook(lambda part, given: reached.append(given[0]))
    wide, site = wide_of(network)
    reached.clear()

    features = wide.features(images)

    assert features.shape == (3, sum(site.in_features)) == (3, 16 + 16 + 16 + 8 + 8)
    assert torch.equal(features[:, site.last_features], reached[0])


def test_a_block_is_read_before_the_next_layer_writes_into_it() -> None:
    plain, written = Net(), Net(in_place=True)
    images = torch.rand(2, 3, PX, PX)

    first = wide_of(network_of(plain))[0].features(images)[:, 16:32]
    same = wide_of(network_of(written))[0].features(images)[:, 16:32]

    assert torch.equal(first, same)


def test_a_widened_network_is_an_ordinary_one() -> None:
    network = network_of(Net())
    before = copy.deepcopy(network.module)
    wide, site = wide_of(network, classes=4)
    images = torch.rand(2, 3, PX, PX)

    twin = copy.deepcopy(wide)

    assert wide(images).shape == (2, 4)
    assert torch.equal(twin(images), wide(images))
    assert site.paths == ("head",)
    assert wide.head.out_features == site.num_classes == 4
    assert torch.equal(wide.body.stem(images), before.stem(images)), "the network inside is not changed"
    assert "body.fc" in site.aux_paths, "the head that it had does not count as its body"


def test_a_network_without_blocks_says_so() -> None:
    network = network_of(nn.Sequential(nn.Flatten(), nn.Linear(3 * PX * PX, 8), nn.ReLU(), nn.Linear(8, 5)))

    with pytest.raises(NoBlocks, match="no blocks that can be told apart"):
        find_taps(network, locate_head(network).site)


def test_blocks_that_are_too_wide_for_a_head_are_refused_as_such() -> None:
    network = network_of(Net())

    with pytest.raises(NoBlocks, match="more numbers of a picture than a head may read \\(20\\)"):
        find_taps(network, locate_head(network).site, most_features=20)


def test_of_too_many_blocks_every_second_is_read_and_always_the_last() -> None:
    network = network_of(Net(blocks=8))
    site = locate_head(network).site

    taps = find_taps(network, site, most_features=100)

    assert sum(tap.width for tap in taps) + sum(site.in_features) <= 100
    assert [tap.path[-1] for tap in taps] == ["1", "3", "5", "7"] or taps[-1].path == "stages.0.rows.7"
    assert len(taps) >= 4


@pytest.mark.parametrize(
    ("name", "layout", "fewest"),
    [
        ("torchvision/squeezenet1_1", "NCHW", 9),  # the head is a convolution, and something runs after it
        ("torchvision/mobilenet_v3_small", "NCHW", 12),
        ("timm/vit_tiny_patch16_224", "NTC", 12),
        ("torchvision/swin_t", "NHWC", 12),
        ("timm/levit_128", "NTC", 12),  # two heads
        ("torchvision/alexnet", "NCHW", 5),  # plain layers only
    ],
)
def test_blocks_of_real_networks(name: str, layout: Layout, fewest: int) -> None:
    torch.manual_seed(0)
    network = build_network(name)
    with torch.no_grad():
        for value in network.module.parameters():  # some begin at zero, and their block would do nothing
            value.add_(torch.randn_like(value), alpha=0.02)
    located = locate_head(network)

    taps = find_taps(network, located.site)
    wide, site = widen(network, swap_located(located, 3).site, taps, 3)

    assert len(taps) >= fewest
    assert layout in {tap.layout for tap in taps}
    images = torch.rand(2, *site.input_size)
    with torch.inference_mode():
        features = wide.module.features(images)
    assert features.shape == (2, sum(site.in_features))
    assert torch.isfinite(features).all()
    assert float((features[0] - features[1]).abs().max()) > 0
    assert disagreements(network.module, wide.module, images) == []


FAULTS: dict[str, Callable[[Tensor, Tap], Tensor]] = {
    "mean and maximum": lambda value, tap: torch.cat(
        [value.mean((2, 3)), value.amax((2, 3))][0 if tap.mean else 1 :], 1
    ),
    "the variance of a sample": lambda value, tap: torch.cat(
        [value.mean((2, 3)), value.std((2, 3))][0 if tap.mean else 1 :], 1
    ),
    "rows alone": lambda value, tap: pooled(value[:, :, :1], tap),
    "spread first": lambda value, tap: pooled(value, tap).roll(1, dims=1),
    "no numbers": lambda value, tap: pooled(value * float("nan"), tap),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_oracle_notices_what_is_not_mean_and_spread(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wide, images = wide_of(network_of(Net()))[0], torch.rand(2, 3, PX, PX)
    assert disagreements(wide.body, wide, images) == []

    monkeypatch.setattr(wide_heads, "pooled", FAULTS[fault])

    assert disagreements(wide.body, wide, images)


def test_the_oracle_notices_blocks_in_another_order_and_a_head_that_adds_to_its_answer() -> None:
    wide, images = wide_of(network_of(Net()))[0], torch.rand(2, 3, PX, PX)
    wide.head.register_forward_hook(lambda _part, _arguments, answer: answer + 0.01)
    assert "answers are wrong" in disagreements(wide.body, wide, images)[0]

    other = wide_of(network_of(Net()))[0]
    other.features = lambda images: WideNetwork.features(other, images).roll(16, dims=1)  # type: ignore[method-assign]
    assert "features are wrong" in disagreements(other.body, other, images)[0]
