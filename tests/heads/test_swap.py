"""The swap as a whole: all or nothing, proved, reusable, undone bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headswap.errors import BadSetting, HeadNotFound, SwapFailed
from headswap.heads.detect import find_head
from headswap.heads.site import HeadLayer, HeadSite
from headswap.heads.swap import swap_head
from headswap.network import InputSpec, Network, NetworkCard, Weights

SIZE = (3, 16, 16)


def network(classes: int = 10) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, classes),
    )


@pytest.mark.parametrize("count", [1, 2, 3, 8, 10, 1000])
def test_any_number_of_classes_can_be_asked_for(count: int) -> None:
    net = network()

    record = swap_head(net, count, input_size=SIZE)

    assert net(torch.zeros(2, *SIZE)).shape == (2, count)
    assert record.site.num_classes == count
    assert [layer.out_features for layer in record.site.layers] == [count]
    assert record.old_site.num_classes == 10


@pytest.mark.parametrize("count", [0, -3, 2.0, True, "3"])
def test_a_count_that_cannot_be_is_refused(count: object) -> None:
    with pytest.raises(BadSetting, match=r"num_classes is .* whole number of 1 or more"):
        swap_head(network(), count, input_size=SIZE)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(3, 16), (3, 0, 16), (3, 16, 16.0), "3x16x16"])
def test_an_input_size_that_cannot_be_is_refused(size: object) -> None:
    with pytest.raises(BadSetting, match=r"input_size is .* \(channels, height, width\)"):
        swap_head(network(), 3, input_size=size)  # type: ignore[arg-type]


def test_a_negative_spread_is_refused() -> None:
    with pytest.raises(BadSetting, match="init_std is -1"):
        swap_head(network(), 3, input_size=SIZE, init_std=-1)


def test_new_weights_have_the_spread_asked_for_and_new_biases_are_zero() -> None:
    net = network()

    swap_head(net, 5000, input_size=SIZE, init_std=0.05)

    assert net[5].weight.std().item() == pytest.approx(0.05, rel=0.05)
    assert net[5].bias.count_nonzero() == 0


def test_new_numbers_follow_the_seed() -> None:
    one, other = network(), network()

    for net in (one, other):
        torch.manual_seed(7)
        swap_head(net, 4, input_size=SIZE)

    assert torch.equal(*(net[5].weight for net in (one, other)))  # type: ignore[arg-type]


def test_the_layer_keeps_its_identity_hooks_and_mode() -> None:
    net = network()
    layer, calls = net[5], []
    layer.register_forward_hook(lambda *_: calls.append(1))
    layer.eval()

    swap_head(net, 4, input_size=SIZE)
    net(torch.zeros(2, *SIZE))

    assert net[5] is layer
    assert not layer.training
    assert calls
    assert (layer.in_features, layer.out_features) == (8, 4)


def test_undo_brings_back_the_very_same_parameters() -> None:
    net = network()
    weight, bias = net[5].weight, net[5].bias
    record = swap_head(net, 4, input_size=SIZE)

    record.undo()
    record.undo()  # a second time changes nothing

    assert net[5].weight is weight
    assert net[5].bias is bias
    assert net[5].out_features == 10


def test_undo_also_brings_back_the_statistics_of_a_norm_after_the_head() -> None:
    net = nn.Sequential(network(), nn.BatchNorm1d(10))
    net(torch.rand(4, *SIZE))
    before = {name: value.clone() for name, value in net.state_dict().items()}

    record = swap_head(net, 4, input_size=SIZE)

    assert net[1].running_var.tolist() == [1.0] * 4
    record.undo()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_swaps_are_undone_in_any_number_last_first() -> None:
    net = network()
    weight = net[5].weight
    first = swap_head(net, 4, input_size=SIZE)
    second = swap_head(net, 6, site=first.site)

    second.undo()
    assert net(torch.zeros(2, *SIZE)).shape == (2, 4)
    first.undo()

    assert net[5].weight is weight


def test_a_site_found_before_saves_nothing_but_the_search() -> None:
    net = network()
    site = find_head(net, input_size=SIZE)

    record = swap_head(net, 3, site=site)

    assert record.old_site == site
    assert record.site.paths == site.paths


def test_a_site_of_another_network_is_refused() -> None:
    site = HeadSite(
        layers=(HeadLayer(path="head", kind="Linear", in_features=8),), num_classes=10, input_size=SIZE
    )

    with pytest.raises(HeadNotFound, match="no layer named 'head'"):
        swap_head(network(), 3, site=site)


def test_a_path_that_does_not_exist_names_the_last_layers() -> None:
    with pytest.raises(HeadNotFound, match=r"no layer named 'fc'\..*The last layers are `0`, `5`\."):
        swap_head(network(), 3, input_size=SIZE, head="fc")


def test_a_path_to_a_layer_of_the_body_is_refused() -> None:
    with pytest.raises(HeadNotFound, match="'0' does not make the network's 10 answers"):
        swap_head(network(), 3, input_size=SIZE, head="0")


def test_a_path_to_a_container_finds_the_head_inside() -> None:
    net = nn.Sequential(network()[:5], nn.Sequential(nn.Dropout(), nn.Linear(8, 10)))

    assert swap_head(net, 3, input_size=SIZE, head="1").site.paths == ("1.1",)


def test_one_of_several_questions_can_be_pointed_at() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.colour, self.shape = network()[:5], nn.Linear(8, 5), nn.Linear(8, 3)

        def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
            features = self.body(image)
            return {"colour": self.colour(features), "shape": self.shape(features)}

    net = Two()

    record = swap_head(net, 7, input_size=SIZE, head="shape")

    answer = net(torch.zeros(2, *SIZE))
    assert (record.site.paths, record.site.outputs) == (("shape",), ("shape",))
    assert (answer["colour"].shape, answer["shape"].shape) == ((2, 5), (2, 7))


class FixedCount(nn.Module):
    """Its forward knows only ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = network()[:5], nn.Linear(8, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.fc(self.body(image)).view(-1, 10)


def test_a_swap_that_does_not_prove_itself_leaves_the_network_as_it_was() -> None:
    net = FixedCount()
    weight = net.fc.weight

    with pytest.raises(SwapFailed, match="The network is as it was"):
        swap_head(net, 7, input_size=SIZE)

    assert net.fc.weight is weight
    assert net.fc.out_features == 10
    assert net(torch.zeros(2, *SIZE)).shape == (2, 10)


class NeedsLabelsInTraining(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, image: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        if self.training and labels is None:
            raise ValueError("labels are needed in training")
        return self.net(image)


def test_a_network_that_cannot_run_in_training_mode_is_refused_with_its_own_words() -> None:
    with pytest.raises(SwapFailed, match=r"does not run in training mode .*labels are needed"):
        swap_head(NeedsLabelsInTraining(), 7, input_size=SIZE)


class GroupedHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = network()[:4], nn.Conv2d(8, 10, 1, groups=2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(image)).flatten(1)


def test_a_count_that_the_layer_cannot_have_says_so_and_others_work() -> None:
    net = GroupedHead()

    with pytest.raises(SwapFailed, match="cannot be made for 7 classes: the layer works in 2 groups"):
        swap_head(net, 7, input_size=SIZE)

    swap_head(net, 6, input_size=SIZE)
    assert net(torch.zeros(2, *SIZE)).shape == (2, 6)


def test_a_network_from_a_zoo_brings_its_input_size() -> None:
    card = NetworkCard(
        name="tiny", zoo="test", input=InputSpec(height=20, width=24), weights=Weights(state="not available")
    )
    net = Network(card=card, module=network(), head_is_new=True)

    site = swap_head(net, 3).site

    assert site.input_size == (3, 20, 24)
    assert site.new_head
    assert "a new one was added" in site.evidence[-1]


def test_a_head_on_meta_tensors_stays_there() -> None:
    with torch.device("meta"):
        net = network()

    swap_head(net, 3, input_size=SIZE)

    assert net[5].weight.is_meta
    assert net[5].weight.shape == (3, 8)


def test_no_real_pass_is_made_where_shapes_suffice() -> None:
    net = network()
    seen = []
    net.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].device.type))

    swap_head(net, 3)

    assert set(seen) == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_head_on_a_gpu_stays_there(dtype: torch.dtype) -> None:
    net = network().to(device="cuda", dtype=dtype)

    swap_head(net, 3)

    assert net[5].weight.is_cuda
    assert net[5].weight.dtype == dtype
    assert net(torch.zeros(2, *SIZE, device="cuda", dtype=dtype)).shape == (2, 3)
