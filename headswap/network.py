"""A loaded network and what it expects: the noun that zoos give and everything else takes.

`NetworkCard` is what can be said about a network in JSON; `Network` adds the module.
Importing this file loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from headswap.field_types import check_fields, keys_on_disk

if TYPE_CHECKING:
    from torch import nn

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
CropMode = Literal["crop", "squash", "border"]
ChannelOrder = Literal["RGB", "BGR"]
_USUAL_CROP = 0.875  # of the shorter side, where the makers of a network did not cut


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """How an image must look before it enters the network. Travels with the weights."""

    __pydantic_config__ = keys_on_disk(crop_mode="fit")

    channels: int = 3
    height: int = 224  # px
    width: int = 224  # px
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)  # subtracted, for pixels in [0, 1]
    std: tuple[float, ...] = (0.229, 0.224, 0.225)  # divided by
    interpolation: Interpolation = "bicubic"
    crop_mode: CropMode = (
        "crop"  # crop: resize the shorter side, cut the centre; squash: resize both; border: pad
    )
    resize_px: int = 256  # the shorter side before the crop (used by "crop" only)
    squash_px: tuple[int, int] | None = None  # "squash": height, width before the cut; None: the input's
    channel_order: ChannelOrder = "RGB"  # of the tensor; mean and std are in the same order

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def size(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.channels, self.height, self.width

    def sized(self, px: int | None) -> InputSpec:
        """The same for square images of another size, cut out of as much; None: as it is."""
        if px is None or (px, px) == (self.height, self.width):
            return self
        resize_px = round(self.resize_px * px / min(self.height, self.width))
        return replace(self, height=px, width=px, resize_px=resize_px, squash_px=None)

    def fitted(self, crop_mode: CropMode | None) -> InputSpec:
        """The same with another way of making an image fill the frame; None: as it is."""
        if crop_mode is None or crop_mode == self.crop_mode:
            return self
        resize_px = (
            round(min(self.height, self.width) / _USUAL_CROP) if crop_mode == "crop" else self.resize_px
        )
        return replace(self, crop_mode=crop_mode, resize_px=resize_px, squash_px=None)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Where the pretrained weights of a network are."""

    state: Literal["here", "to fetch", "not available"]
    size_bytes: int | None = None  # None: not known before fetching
    size_is_exact: bool = True  # False: reckoned from the number of parameters at four bytes each
    source: str = ""  # a file, a package or a URL, for people

    @property
    def text(self) -> str:
        """One phrase for a card or a table."""
        if self.state == "here":
            return "on this machine"
        if self.state == "to fetch":
            size = f"{self.size_bytes / 1e6:.0f} MB" if self.size_bytes else "size not stated"
            size = size if self.size_is_exact else f"about {size}"
            return f"to be downloaded ({size})"
        return "not available offline"


@dataclass(frozen=True, kw_only=True)
class NetworkCard:
    """What is known of a network without its weights. None means "not stated"."""

    name: str  # unique within its zoo
    zoo: str  # where it comes from, such as "timm"
    input: InputSpec  # what it expects to see
    weights: Weights  # where they come from, and whether they are here
    parameters: int | None = None  # numbers in the network, old head included
    num_classes: int | None = None  # classes the pretrained head knows; 0: it has no head of its own
    licence: str | None = None  # of the weights, as the library states it
    year: int | None = None  # of the architecture, as the library states it
    # what `build_network` must be told in addition to the name to build the very same module
    variant: str = ""

    @property
    def full_name(self) -> str:
        """zoo/name: unique everywhere."""
        return f"{self.zoo}/{self.name}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Network:
    """A module with everything needed to use it: what zoos give, what heads and training take."""

    card: NetworkCard  # what is known of it
    module: nn.Module  # the network itself
    class_names: tuple[str, ...] = ()  # of the pretrained head; empty when the library does not state them
    weights_sha256: str = ""  # of the weight file; empty: random weights
    head_is_new: bool = False  # built with a head it did not have when pretrained

    @property
    def name(self) -> str:
        """Of the architecture, unique within its zoo."""
        return self.card.name

    @property
    def input(self) -> InputSpec:
        """What it expects to see."""
        return self.card.input

    def seeing(self, spec: InputSpec) -> Network:
        """The same network, the same module, with images prepared in another way."""
        return self if spec == self.input else replace(self, card=replace(self.card, input=spec))
