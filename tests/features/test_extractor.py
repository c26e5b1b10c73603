from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headswap.errors import TeachingFailed
from headswap.features.engines import Engine, choose_engine, engines_here
from headswap.features.extractor import Extractor
from headswap.heads.detect import find_head
from headswap.heads.wide import find_taps, widen
from headswap.network import Network
from tests.pretend_device import pretend_device

MakeNetwork = Callable[..., Network]
MakeImages = Callable[[int], NDArray[np.uint8]]
EXACT = Engine("cpu", "float32")


class Explodes(nn.Module):
    """Gives infinities in bfloat16 only."""

    def forward(self, x: Tensor) -> Tensor:
        factor = 3e38 if x.dtype == torch.bfloat16 else 1.0
        return x * factor * factor


class IsOff(nn.Module):
    """Wrong by a share of itself in bfloat16 only."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return x * (1.0 + self.share) if x.dtype == torch.bfloat16 else x


def body(network: Network, engine: Engine, translations: Path | None = None) -> Extractor:
    return Extractor(network, find_head(network), engine, translations)


def test_features_are_what_reaches_the_head(make_network: MakeNetwork, make_images: MakeImages) -> None:
    network = make_network()

    features, logits = body(network, EXACT).features_and_logits(make_images(3))

    assert features.shape == (3, 8)
    assert torch.allclose(network.module[-1](features), logits, atol=1e-6)


@pytest.mark.parametrize("engine", engines_here(), ids=lambda engine: engine.name)
def test_every_engine_is_near_the_exact_one(
    engine: Engine, make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path
) -> None:
    network, batch = make_network(), make_images(8)
    fast = body(network, engine, tmp_path)

    features, logits = fast.features_and_logits(batch)

    true = body(network, EXACT).features_and_logits(batch)
    assert fast.engine == engine
    assert (features - true[0]).norm() / true[0].norm() < 0.05
    assert (logits - true[1]).norm() / true[1].norm() < 0.05


@pytest.mark.parametrize("engine", engines_here(), ids=lambda engine: engine.name)
def test_every_engine_pools_the_same_of_every_block(
    engine: Engine, make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path
) -> None:
    layers = [nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 1)) for _ in range(3)]
    plain, batch = make_network(nn.Sequential(*layers)), make_images(8)
    own = find_head(plain)
    taps = find_taps(plain, own)
    network, site = widen(plain, own, taps, 4)
    fast = Extractor(network, site, engine, tmp_path)

    features = fast.features(batch)

    true = Extractor(network, site, EXACT).features(batch)
    assert fast.engine == engine
    assert features.shape == true.shape == (8, sum(site.in_features))
    widths = [*(tap.width for tap in taps), *own.in_features]
    for ours, exact in zip(features.split(widths, dim=1), true.split(widths, dim=1), strict=True):
        assert (ours - exact).norm() / exact.norm() < 0.05


@pytest.mark.parametrize("count", [1, 5])
def test_a_translation_takes_any_number_of_images(
    count: int, make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    fast = body(make_network(), Engine("cpu", "float32", library="onnxruntime"), tmp_path)
    fast.features(make_images(3))

    assert fast.features(make_images(count)).shape == (count, 8)
    assert fast.engine.library == "onnxruntime"


def test_an_engine_that_is_not_near_enough_gives_way_to_single_precision(
    make_network: MakeNetwork, make_images: MakeImages
) -> None:
    folded = body(make_network(Explodes()), Engine("cpu", "bfloat16", folded=True))

    features = folded.features(make_images(4))

    assert folded.engine == Engine("cpu", "float32", folded=True)
    assert torch.isfinite(features).all()


@pytest.mark.parametrize(("share", "kept"), [(0.1, True), (0.3, False)])
def test_an_engine_that_is_wrong_by_a_third_is_left_and_one_that_is_wrong_by_a_tenth_is_not(
    share: float, kept: bool, make_network: MakeNetwork, make_images: MakeImages
) -> None:
    fast, images = Engine("cpu", "bfloat16"), make_images(4)
    network = make_network(IsOff(share))
    runner = body(network, fast)

    features = runner.features(images)

    assert (runner.engine == fast) is kept
    assert torch.equal(features, body(network, EXACT).features(images)) is not kept


def test_a_network_that_cannot_be_translated_runs_in_torch(
    make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path
) -> None:
    class Unknown(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.special.i0(x)

    network, batch = make_network(Unknown()), make_images(3)
    runner = body(network, Engine("cpu", "float32", library="onnxruntime"), tmp_path)

    features = runner.features(batch)

    assert runner.engine == EXACT
    assert torch.equal(features, body(network, EXACT).features(batch))


def test_a_fast_way_that_ends_in_an_error_is_left_for_the_exact_one(
    make_network: MakeNetwork, make_images: MakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(module: nn.Module, example: Tensor) -> nn.Module:
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr("headswap.features.extractor.folded", refuse)
    network, batch = make_network(), make_images(3)
    fast = body(network, Engine("cpu", "float32", folded=True))

    features, _ = fast.features_and_logits(batch)

    assert fast.engine == EXACT
    assert torch.equal(features, body(network, EXACT).features_and_logits(batch)[0])


class WrongOn(nn.Module):
    """Like a kernel that is wrong on one device for more than one picture."""

    def __init__(self, device: str, error: float) -> None:
        super().__init__()
        self.device, self.error = device, error

    def forward(self, x: Tensor) -> Tensor:
        wrong = x.device.type == self.device and len(x) > 1
        return x * (1 + self.error) if wrong else x


@pytest.mark.parametrize("device", ["mps", "cuda"])
def test_the_network_that_was_given_stays_on_the_processor_while_a_copy_runs_on_the_gpu(
    device: str, make_network: MakeNetwork, make_images: MakeImages
) -> None:
    network, batch = make_network(), make_images(5)
    true = body(make_network(), EXACT).features_and_logits(batch)
    with pretend_device(device):  # type: ignore[arg-type]
        fast = body(network, choose_engine())

        features, logits = fast.features_and_logits(batch)

        assert fast.engine == choose_engine()
        assert fast.given_up == ()
        assert {value.device.type for value in network.module.state_dict().values()} == {"cpu"}
        assert torch.allclose(features, true[0], atol=1e-5)
        assert torch.allclose(logits, true[1], atol=1e-5)


def test_mps_gives_way_to_the_processor_where_a_kernel_is_wrong(
    make_network: MakeNetwork, make_images: MakeImages
) -> None:
    batch = make_images(4)
    true = body(make_network(), EXACT).features(batch)
    with pretend_device("mps"):
        fast = body(make_network(WrongOn("mps", 0.05)), choose_engine())

        features = fast.features(batch)

    assert fast.given_up == ("torch-mps-float32",)
    assert fast.engine.device == "cpu"
    assert (features - true).norm() / true.norm() < fast.engine.largest_error


def test_an_operation_that_mps_lacks_is_done_by_the_processor(
    make_network: MakeNetwork, make_images: MakeImages
) -> None:
    class Lacking(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.device.type == "mps":
                raise NotImplementedError("The operator is not currently implemented for the MPS device.")
            return x

    with pretend_device("mps"):
        fast = body(make_network(Lacking()), choose_engine())

        features = fast.features(make_images(2))

    assert fast.engine.device == "cpu"
    assert features.shape == (2, 8)


def test_a_full_gpu_halves_the_batch_and_keeps_its_engine(
    make_network: MakeNetwork, make_images: MakeImages
) -> None:
    batch = make_images(7)
    true = body(make_network(), EXACT).features(batch)
    image = 8 * 14 * 14 * 4  # bytes of the largest tensor, for one picture
    with pretend_device("cuda", largest_bytes=2 * image):
        fast = body(make_network(), choose_engine())

        features = fast.features(batch)

        assert fast.engine == choose_engine()
        assert torch.allclose(features, true, atol=1e-5)
        assert torch.allclose(fast.features(batch), true, atol=1e-5)


def test_a_gpu_with_no_room_for_one_image_is_one_sentence(
    make_network: MakeNetwork, make_images: MakeImages
) -> None:
    with pretend_device("cuda", largest_bytes=4000):
        fast = body(make_network(), choose_engine())

        with pytest.raises(TeachingFailed, match=r"no room on the GPU for tiny with one picture\. Choose a"):
            fast.features(make_images(3))


def test_weights_that_a_gpu_has_no_room_for_are_one_sentence(make_network: MakeNetwork) -> None:
    with (
        pretend_device("cuda", largest_bytes=100),
        pytest.raises(TeachingFailed, match=r"weights of this network do not fit into the memory of cuda\."),
    ):
        body(make_network(), choose_engine())
