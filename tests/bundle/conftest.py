"""Bundles of any architecture with random numbers: what matters here is that all programs agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from headswap.bundle.format import EXPERIMENT, read_card, read_dataset, read_report, save_bundle
from headswap.data.manifest import Manifest
from headswap.heads.detect import locate_head
from headswap.heads.swap import swap_located
from headswap.heads.wide import find_taps, widen
from headswap.zoos.catalogue import build_network
from headswap.zoos.zoo import ZooSettings

Untaught = Callable[..., Path]  # model, and whether its head reads every block


@pytest.fixture(scope="session")
def untaught(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Untaught:
    """A sealed bundle of an architecture whose head was swapped and never taught."""
    folder = tmp_path_factory.mktemp("untaught")

    def make(model: str, *, wide: bool = False) -> Path:
        import torch

        place = folder / f"{model.replace('/', '-').replace(':', '-')}{'-wide' * wide}"
        if place.exists():
            return place
        torch.manual_seed(0)
        network = build_network(model, settings=ZooSettings(allow_code=True))
        located = locate_head(network)
        site = swap_located(located, 3).site
        if wide:
            network, site = widen(network, site, find_taps(network, located.site), 3)
        old = read_card(bundle)
        card = replace(
            old, model=network.card.full_name, variant=network.card.variant, input=network.input,
            site=site, head_path=None, temperature=1.5,
        )  # fmt: skip
        experiment = (bundle / EXPERIMENT).read_text()
        save_bundle(place, network, card, experiment, read_report(bundle), read_dataset(bundle))
        return place

    return make


@pytest.fixture(scope="session")
def few_images(bundle: Path, few_drawings: Path) -> Manifest:
    """The pictures that `bundle` was taught on, where they lie."""
    return replace(read_dataset(bundle), root=str(few_drawings))
