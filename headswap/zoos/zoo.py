"""What every source of networks offers, and the three settings they share.

Flow:  name --describe--> NetworkCard        name --build--> Network (random weights)
       name --load--> Network (pretrained)

A name counts only if it is in the zoo's own list, letter by letter: what a name says
is never followed to a web address or a folder.

Loads no torch, torchvision, timm or transformers; a zoo imports its library when first asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from headswap.events import Listener
from headswap.field_types import check_fields
from headswap.network import Network, NetworkCard

Device = Literal["cpu", "meta"]  # meta: shapes only, no numbers and no memory


@dataclass(frozen=True, kw_only=True)
class ZooSettings:
    """Where weights are kept, and what a zoo may do. The defaults suit one person's machine."""

    cache: Path | None = (
        None  # holds <zoo>/<name>.safetensors and what is fetched; None: the user's cache folder
    )
    offline: bool = False  # never open a connection
    allow_code: bool = False  # "package.module:factory" may run Python code that the person names

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def folder(self) -> Path:
        """The weights folder."""
        if self.cache is not None:
            return self.cache
        from platformdirs import user_cache_path

        return user_cache_path("headswap", appauthor=False) / "weights"


class Zoo(Protocol):
    """A library of networks. Every zoo passes the suite in tests/contracts/test_zoos.py."""

    @property
    def name(self) -> str:
        """One lower-case word, the part before the slash of a full name."""

    def names(self) -> tuple[str, ...]:
        """Every architecture it has, in the library's order."""

    def knows(self, name: str) -> bool:
        """Whether `name` is one of its names, or one of its published variants of them."""

    def describe(self, name: str) -> NetworkCard:
        """What the library states, and where the weights are. Builds nothing, opens no connection."""

    def count_parameters(self, name: str) -> int:
        """How many numbers the network has as `build` gives it. Instant where measured before."""

    def build(
        self, name: str, *, num_classes: int | None = None, device: Device = "cpu", variant: str = ""
    ) -> Network:
        """The architecture with random weights; `num_classes` None keeps what the library builds.

        `variant` is the `NetworkCard.variant` of a loaded network, to build that one and not the usual one.
        """

    def load(self, name: str, listener: Listener) -> Network:
        """The network with its pretrained weights, fetched when they are not on this machine."""
