from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from headswap.features import fold
from headswap.features.fold import AfterNorm, OneStep, folded
from headswap.zoos.catalogue import build_network


def stirred(module: nn.Module) -> nn.Module:
    """Norms with statistics as a taught network has them."""
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(std=0.1)
            part.running_var.uniform_(0.5, 2.0)
    return module.eval()


@pytest.mark.parametrize(
    "name",
    [
        "tf_efficientnet_lite0",
        "torchvision/resnet18",
        "torchvision/densenet121",
        "timm/regnetx_002",
        "timm/ghostnet_100",
    ],
)
def test_a_folded_network_gives_the_same_answers_with_fewer_norms(name: str) -> None:
    module = stirred(build_network(name).module)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    image = torch.randn(2, 3, 128, 128)

    twin = folded(module, image)

    with torch.inference_mode():
        true, ours = module(image), twin(image)
    assert (ours - true).norm() / true.norm() < 1e-4
    assert [part for part in twin.modules() if isinstance(part, AfterNorm | OneStep)]
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


def test_a_convolution_that_others_read_too_is_left_alone() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
            self.other = nn.Conv2d(8, 8, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps = self.conv(x)
            return self.norm(maps) + self.other(maps)

    module = stirred(Shared())
    image = torch.randn(1, 3, 9, 9)

    twin = folded(module, image)

    assert not [part for part in twin.modules() if isinstance(part, AfterNorm | OneStep)]
    assert torch.equal(twin(image), module(image))


class PadsItself(nn.Conv2d):
    """As TensorFlow's "SAME" does; `more` pads otherwise, `standard` makes its weights again at each run."""

    def __init__(self, *shape: Any, more: int = 0, standard: bool = False, **options: Any) -> None:
        super().__init__(*shape, **options)
        self.more, self.standard = more, standard

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sides: list[int] = []
        for at in (1, 0):
            px, taps, step, gap = x.shape[2 + at], self.kernel_size[at], self.stride[at], self.dilation[at]
            needed = max((-(-px // step) - 1) * step + (taps - 1) * gap + 1 - px, 0) + 2 * self.more
            sides += [needed // 2, needed - needed // 2]
        weight = self.weight - self.weight.mean() if self.standard else self.weight
        padded = functional.pad(x, sides)
        return functional.conv2d(padded, weight, self.bias, self.stride, 0, self.dilation, self.groups)


@pytest.mark.parametrize("px", [(32, 32), (33, 32), (31, 40)])
@pytest.mark.parametrize("shape", [(3, 8, 3), (3, 8, 5), (3, 8, 4), (3, 8, 2), (3, 8, 1)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_convolution_that_pads_by_itself_becomes_a_plain_one(
    px: tuple[int, int], shape: tuple[int, ...], stride: int
) -> None:
    torch.manual_seed(0)
    module = stirred(nn.Sequential(PadsItself(*shape, stride=stride), nn.BatchNorm2d(8), nn.ReLU6()))
    image = torch.randn(2, 3, *px)

    twin = folded(module, image[:1])

    assert not [part for part in twin.modules() if isinstance(part, PadsItself | nn.BatchNorm2d)]
    true, ours = module(image), twin(image)
    assert ours.shape == true.shape
    assert torch.allclose(ours, true, atol=1e-5)


@pytest.mark.parametrize("options", [{"more": 1}, {"standard": True}, {"dilation": 2, "stride": 2}], ids=str)
def test_one_that_pads_otherwise_or_makes_its_weights_is_left_alone(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    module = stirred(nn.Sequential(PadsItself(3, 8, 2, **options), nn.BatchNorm2d(8), nn.ReLU6()))
    image = torch.randn(2, 3, 32, 32)

    twin = folded(module, image)

    assert isinstance(twin[0], PadsItself)
    assert isinstance(twin[1], nn.BatchNorm2d)
    assert torch.equal(twin(image), module(image))


one_step = pytest.mark.skipif(not fold._ONE_STEP, reason="oneDNN has no such step on this processor")


@one_step
@pytest.mark.parametrize(
    ("name", "most_left"),
    [  # activations that stay modules of their own: those in no chain, and those used more than once
        ("tf_efficientnet_lite0", 0),
        ("torchvision/mobilenet_v2", 0),
        ("torchvision/mobilenet_v3_small", 10),  # of the squeezing parts and the head
        ("timm/regnety_002", 27),  # of the squeezing parts, and after sums
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_activations_are_applied_inside_the_convolutions(
    name: str, most_left: int, dtype: torch.dtype
) -> None:
    if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bfloat16 convolutions, and no engine takes them here")
    module = stirred(build_network(name).module)
    image = torch.randn(2, 3, 128, 128)

    twin = folded(module, image)

    acts = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU)
    inside = [part for part in twin.modules() if isinstance(part, OneStep)]
    assert len(inside) >= 10
    assert sum(isinstance(part, acts) for part in twin.modules()) <= most_left
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        ours = twin(image).float()
    with torch.inference_mode():
        true = module(image)
    assert (ours - true).norm() / true.norm() < (1e-4 if dtype == torch.float32 else 0.1)


@one_step
def test_an_activation_that_others_use_too_stays() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
            self.norm_one, self.norm_two = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
            self.act = nn.SiLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.act(self.norm_two(self.two(self.act(self.norm_one(self.one(x))))))

    module = stirred(Twice())
    image = torch.randn(1, 3, 9, 9)

    twin = folded(module, image)

    assert isinstance(twin.act, nn.SiLU)
    assert {part._step[0] for part in twin.modules() if isinstance(part, OneStep)} == {"none"}
    assert torch.allclose(twin(image), module(image), atol=1e-5)


def test_without_such_a_step_norms_are_folded_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "_ONE_STEP", False)
    module = stirred(build_network("torchvision/mobilenet_v2").module)
    image = torch.randn(2, 3, 64, 64)

    twin = folded(module, image)

    assert not [part for part in twin.modules() if isinstance(part, OneStep | nn.BatchNorm2d)]
    assert (twin(image) - module(image)).norm() / module(image).norm() < 1e-4
