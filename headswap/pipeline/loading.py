"""The network that an experiment names, as it will see images: in this process, or in one of a crew.

Flow:  NetworkOrigin --load_as_asked--> Network, of the size and with the preprocessing asked for
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headswap.errors import BadSetting
from headswap.events import Listener, silent
from headswap.network import CropMode, Network
from headswap.zoos.catalogue import DEFAULT_SETTINGS, load_network
from headswap.zoos.zoo import ZooSettings


@dataclass(frozen=True, kw_only=True)
class NetworkOrigin:
    """Where a network comes from, and how it is to see."""

    model: str
    weights: str | None  # the person's own weight file
    px: int | None  # side of the square image; None: as its makers chose it
    crop_mode: CropMode | None  # None: as its makers did it


def load_as_asked(
    origin: NetworkOrigin, *, settings: ZooSettings = DEFAULT_SETTINGS, listener: Listener = silent
) -> Network:
    """Load a network.

    Raises:
        BadSetting: it does not take images of that size.
    """
    weights = Path(origin.weights) if origin.weights else None
    network = load_network(origin.model, weights=weights, listener=listener, settings=settings)
    return _sized(network, origin.px).seeing(network.input.sized(origin.px).fitted(origin.crop_mode))


def _sized(network: Network, px: int | None) -> Network:
    """The same network, if it takes images of that size or can be made to."""
    from headswap.heads.resize import take_size
    from headswap.zoos.resampled import resampled

    if px is None:
        return network
    size = network.input.sized(px).size
    if take_size(network.module, size):
        return network
    again = resampled(network, px)
    if again is not None and take_size(again.module, size):
        return again
    usual = f"{network.input.height}×{network.input.width}"
    raise BadSetting(
        f"{network.name} does not take pictures of {px}×{px} px.",
        remedy=f"Leave the size as it is, {usual}, or choose another network.",
    )
