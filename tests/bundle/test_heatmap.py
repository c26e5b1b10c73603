from __future__ import annotations

import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

import headswap
from headswap.app.processes.inference import AskHeatMap, answer
from headswap.bundle.heatmap import heat_map, heat_of, overlay
from headswap.bundle.prediction import HeatMap
from headswap.bundle.predictor import Bundle
from headswap.data.transforms import to_float
from headswap.errors import BadSetting
from headswap.heads.detect import find_head
from headswap.heads.site import HeadLayer
from headswap.heads.wide import find_taps, widen
from headswap.network import Network, NetworkCard, Weights
from headswap.zoos.catalogue import build_network


class Places(nn.Module):
    """Sees red by a filter without neighbours; only the class token of the second form answers."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form, self.patches = form, nn.Conv2d(3, 12, 8, stride=8)
        self.key, self.norm, self.fc = nn.Linear(12, 12), nn.LayerNorm(12), nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.patches(x).relu()  # (B, 12, h, w)
        if self.form == "maps":
            return self.fc(maps.mean((2, 3)))
        if self.form == "maps last":
            return self.fc(self.norm(maps.movedim(1, -1)).mean((1, 2)))
        tokens = maps.flatten(2).transpose(1, 2)  # (B, T, 12)
        values = self.key(torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1))
        share = values.square().sum(-1, keepdim=True).softmax(1)
        return self.fc(self.norm((share * values).sum(1)))


def bundle_of(module: nn.Module, like: Bundle) -> Bundle:
    spec = replace(like.card.input, height=64, width=64, resize_px=64)
    card = replace(like.network.card, input=spec)
    site = replace(
        like.card.site,
        layers=(HeadLayer(path="fc", kind="Linear", in_features=12, out_features=2),),
        num_classes=2,
        input_size=(3, 64, 64),
        outputs=("",),
    )
    return Bundle(
        replace(like.card, classes=("red", "other"), input=spec, site=site),
        like.report,
        replace(like.network, card=card, module=module.eval()),
    )


@pytest.fixture(scope="module")
def trained(bundle: Path) -> Bundle:
    return headswap.load_bundle(bundle)


@pytest.mark.parametrize("form", ["maps", "maps last", "tokens"])
def test_what_counted_is_where_it_is(form: str, trained: Bundle) -> None:
    torch.manual_seed(0)
    module = Places(form)
    with torch.no_grad():
        module.patches.weight.zero_()
        module.patches.weight[0, 0] = 0.05  # red
        module.patches.bias.fill_(0.02)
        module.patches.bias[0] = -1.0
        module.key.weight.copy_(torch.eye(12))
        module.key.bias.zero_()
        module.fc.weight.zero_()
        module.fc.weight[0, 0], module.fc.weight[1, 0] = 3.0, -3.0
    image = np.full((64, 64, 3), 128, np.uint8)
    image[8:24, 40:56] = (255, 0, 0)

    heat = heat_of(bundle_of(module, trained), image, 0)

    assert heat.shape == (64, 64)
    assert heat.max() == 1.0
    assert heat[8:24, 40:56].mean() > 4 * heat.mean()


def test_real_networks_of_every_kind_give_a_map_that_is_not_constant(trained: Bundle) -> None:
    image = np.random.default_rng(0).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    for name in ("torchvision/resnet18", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"):
        network = build_network(name)
        site = find_head(network)
        torch.manual_seed(0)
        nn.init.normal_(network.module.get_submodule(site.paths[0]).weight)  # type: ignore[arg-type]
        network.module.eval()
        classes = tuple(str(number) for number in range(site.num_classes))
        card = replace(trained.card, classes=classes, input=network.input, site=site)

        heat = heat_of(Bundle(card, trained.report, network), image, 3)

        assert heat.shape == (224, 224)
        assert 0 <= heat.min() < 0.1 < heat.std() + 0.05, name
        assert heat.max() == 1.0


def test_a_taught_network_shows_where_it_looked_and_answers_from_another_process(
    bundle: Path, trained: Bundle, sample: Path
) -> None:
    image = sample / "try" / "vehicle_rocket.png"

    heat = answer(AskHeatMap(str(bundle), str(image), None))
    assert isinstance(heat, HeatMap)
    other = heat_map(trained, image, label=next(name for name in trained.classes if name != heat.label))

    assert heat.label == trained.predict(image).label
    assert Image.open(BytesIO(heat.png)).size == (heat.width, heat.height) == (224, 224)
    assert other.png != heat.png
    with pytest.raises(BadSetting, match=r"There is no class 'fish' in this bundle\. Choose one of: bird"):
        heat_map(trained, image, label="fish")


def test_a_network_that_keeps_no_places_apart_is_refused(trained: Bundle) -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.squeeze, self.fc = nn.Linear(3 * 64 * 64, 8), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.squeeze(x.flatten(1)))

    with pytest.raises(BadSetting, match="loses the position of features"):
        heat_of(bundle_of(Flat(), trained), np.zeros((64, 64, 3), np.uint8), 0)


def test_a_map_is_gradient_times_activation_and_needs_no_library_for_it(
    trained: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 4, 8, stride=8), nn.Linear(4, 2, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.conv(x).relu_().mean((2, 3)))  # writes into what the layer gave

    monkeypatch.setitem(sys.modules, "captum", None)
    torch.manual_seed(0)
    module, label = InPlace(), 1
    bundle = bundle_of(module, trained)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)

    heat = heat_of(bundle, image, label)

    given = module.conv(torch.from_numpy(to_float(image[None], bundle.card.input)))[0].detach()  # (4, 8, 8)
    weight = module.fc.weight - module.fc.weight.mean(dim=0)
    slope = (weight[label].view(4, 1, 1) / 64 * (given > 0)).detach()
    wanted = (slope * given).sum(dim=0).clamp_min(0)
    smooth = interpolate(wanted[None, None], (64, 64), mode="bicubic")[0, 0].clamp_min(0)
    assert np.allclose(heat, (smooth / smooth.max()).numpy(), atol=1e-5)


def test_an_overlay_is_bright_only_where_it_counted() -> None:
    heat = np.zeros((10, 10), np.float32)
    heat[2, 3] = 1.0

    shown = np.asarray(Image.open(BytesIO(overlay(np.full((10, 10, 3), 200, np.uint8), heat))))

    assert shown[2, 3].sum() > 2 * shown[8, 8].sum()


def test_below_a_wide_head_every_layer_adds_what_it_said_by_itself(trained: Bundle) -> None:
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4), nn.ReLU(), nn.Conv2d(4, 4, 2, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2),
    )  # fmt: skip
    spec = replace(trained.card.input, height=64, width=64)
    card = NetworkCard(name="net", zoo="test", input=spec, weights=Weights(state="here"))
    network = Network(card=card, module=body.eval())
    site = find_head(network)
    wide, where = widen(network, site, find_taps(network, site), 2)
    with torch.no_grad():
        wide.module.head.weight.zero_()
        wide.module.head.weight[0, :4] = 1.0  # means of the first block alone speak, for the first class
    bundle = replace(
        trained, network=wide, card=replace(trained.card, site=where, classes=("a", "b"), input=card.input)
    )
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)

    heat = heat_of(bundle, image, 0)

    given = body[1](body[0](torch.from_numpy(to_float(image[None], card.input))))[0].sum(dim=0).detach()
    smooth = interpolate(given[None, None], (64, 64), mode="bicubic")[0, 0].clamp_min(0)
    assert np.allclose(heat, (smooth / smooth.max()).numpy(), atol=1e-4)
