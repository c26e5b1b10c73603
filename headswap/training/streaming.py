"""Features computed while images are still being decoded, so that no decoded image has to be kept.

Flow:  take_in --add--> FeatureStream --a batch at a time--> BankBuilder

The network loads in the meantime: the first image waits for it. A head that is not one
linear layer needs no features, and its stream lets the images pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headswap.network import InputSpec, Network

if TYPE_CHECKING:
    from headswap.features.bank import BankBuilder
    from headswap.training.config import HeadChoice
    from headswap.training.head_choice import FeatureSource


@dataclass(eq=False, kw_only=True)
class FeatureStream:
    """Where `take_in` sends each prepared image."""

    network: Callable[[], Network]  # waits until it is loaded
    spec: InputSpec  # for which the images are prepared
    head_path: str | None  # the person's own choice; None: found
    engine: str | None  # of the run that is repeated
    folder: Path  # where features are kept
    batch_size: int
    flip: bool = False  # every image is seen twice
    head: HeadChoice = "last"  # what the new head may read
    source: FeatureSource | None = None  # the network with its head, after the first image
    builder: BankBuilder | None = None  # the bank, where the head takes features
    expected: int = 0  # images that will come, at most
    _begun: bool = field(default=False, init=False)

    def expect(self, total: int) -> None:
        """So many images will come, at most."""
        self.expected = total

    @property
    def needs_every_core(self) -> bool:
        """Whether images should not be decoded while the backbone works."""
        return self.builder is not None and self.builder.needs_every_core

    def begin(self) -> None:
        """Find the head, and what is known already; waits for the network."""
        if not self._begun:
            self._begun = True
            self._begin()

    def add(self, sha256: str, image: NDArray[np.uint8]) -> None:
        """Take one image, (H, W, C) uint8."""
        self.begin()
        if self.builder is not None:
            self.builder.add(sha256, image)

    def _begin(self) -> None:
        from headswap.features.autotune import extractor_for
        from headswap.features.bank import BankBuilder
        from headswap.features.engines import engine_named
        from headswap.heads.detect import locate_head
        from headswap.training.head_choice import source_of

        network = self.network()
        if network.input != self.spec:  # the weights know better than the description
            return
        located = locate_head(network, head=self.head_path)
        self.source = source_of(network, located, self.head, self.expected)
        if self.source.fits_linear_head:
            engine = engine_named(self.engine) if self.engine else None
            source = self.source.network
            extractor = extractor_for(source, self.source.site, self.folder, engine, flip=self.flip)
            self.builder = BankBuilder(
                extractor,
                folder=self.folder,
                expected=self.expected,
                batch_size=self.batch_size,
            )
            if self.head == "last" and self.folder.is_dir():
                self._take_over(self.builder, source_of(network, located, "auto", self.expected))

    def _take_over(self, builder: BankBuilder, wide: FeatureSource) -> None:
        """The last features are among those of a wide head, should one have been compared before."""
        from headswap.features.autotune import extractor_for
        from headswap.features.bank import BankBuilder

        if not wide.is_wide:
            return
        engine = builder.extractor.engine
        extractor = extractor_for(wide.network, wide.site, self.folder, engine, flip=self.flip)
        before = BankBuilder(extractor, folder=self.folder, expected=self.expected)
        for sha, row in before.kept():
            builder.learn([sha], row[None, wide.site.last_features])
