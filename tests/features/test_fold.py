from __future__ import annotations

import pytest
import torch
from torch import nn

from headswap.features.fold import AfterNorm, folded
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
    picture = torch.randn(2, 3, 128, 128)

    twin = folded(module, picture)

    with torch.inference_mode():
        true, ours = module(picture), twin(picture)
    assert (ours - true).norm() / true.norm() < 1e-4
    assert [part for part in twin.modules() if isinstance(part, AfterNorm)]
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
    picture = torch.randn(1, 3, 9, 9)

    twin = folded(module, picture)

    assert not [part for part in twin.modules() if isinstance(part, AfterNorm)]
    assert torch.equal(twin(picture), module(picture))
