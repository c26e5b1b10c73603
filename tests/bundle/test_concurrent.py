"""A loaded bundle that several threads ask at once, as a web server does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import headswap
from headswap.bundle.heatmap import heat_of
from headswap.bundle.predictor import Bundle
from headswap.heads.site import HeadLayer
from headswap.heads.wide import find_taps, widen

Images = NDArray[np.uint8]


class Meeting(nn.Module):
    """Lets two threads go on together, or one alone that waits in vain."""

    barrier: Barrier | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.barrier is not None:
            try:
                self.barrier.wait(timeout=0.5)
            except BrokenBarrierError:  # from now on no one waits
                return x
        return x


class Meetings(nn.Module):
    """Two blocks and a head, between which threads meet: each hears what the other runs, if it listens."""

    def __init__(self) -> None:
        super().__init__()
        self.begin, self.end = Meeting(), Meeting()
        self.blocks = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(8, 12, 2, stride=2), nn.ReLU(), nn.Conv2d(12, 12, 1), nn.ReLU()),
        )
        self.fc = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.begin(x))
        return self.end(self.fc(x.mean((2, 3))))


def met(bundle: Bundle) -> None:
    """From now on, threads meet in the network of a bundle."""
    barrier = Barrier(2)
    for part in bundle.network.module.modules():
        if isinstance(part, Meeting):
            part.barrier = barrier


@pytest.fixture(params=["last", "wide"])
def shared(request: pytest.FixtureRequest, bundle: Path) -> Bundle:
    """One bundle for all threads, whose head reads the last features or every block."""
    torch.manual_seed(0)
    like = headswap.load_bundle(bundle)
    spec = replace(like.card.input, height=64, width=64, resize_px=64)
    network = replace(like.network, card=replace(like.network.card, input=spec), module=Meetings().eval())
    site = replace(
        like.card.site,
        layers=(HeadLayer(path="fc", kind="Linear", in_features=12, out_features=2),),
        num_classes=2,
        input_size=(3, 64, 64),
        outputs=("",),
    )
    if request.param == "wide":
        network, site = widen(network, site, find_taps(network, site), 2)
    card = replace(like.card, classes=("red", "other"), input=spec, site=site)
    return Bundle(card, like.report, network, like.reference)


def features_and_logits(bundle: Bundle, images: Images) -> NDArray[np.float64]:
    features, logits = bundle.features_and_logits(images)
    assert features is not None
    return np.concatenate([features, logits], axis=1)


def heat(bundle: Bundle, images: Images) -> NDArray[np.float64]:
    return heat_of(bundle, images[0], 1).astype(np.float64)


@pytest.mark.parametrize("ask", [features_and_logits, Bundle.logits, heat])
def test_threads_that_ask_at_once_get_the_answers_of_their_own_images(
    ask: Callable[[Bundle, Images], NDArray[np.float64]], shared: Bundle
) -> None:
    images = np.random.default_rng(0).integers(0, 255, (2, 1, 64, 64, 3), dtype=np.uint8)
    alone = [ask(shared, some) for some in images]
    assert not np.allclose(alone[0], alone[1])
    met(shared)

    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(lambda some: ask(shared, some), images))

    for said, true in zip(together, alone, strict=True):
        np.testing.assert_array_equal(said, true)


def test_a_bundle_that_changes_one_choice_still_waits_for_the_same_network(shared: Bundle) -> None:
    other = replace(shared, limits=replace(shared.limits))

    assert other.lock is shared.lock


def test_a_bundle_travels_to_another_process(bundle: Path, sample: Path) -> None:
    import pickle

    loaded, image = headswap.load_bundle(bundle), sample / "try" / "vehicle_rocket.png"

    there = pickle.loads(pickle.dumps(loaded))  # noqa: S301

    assert there.predict(image) == loaded.predict(image)
