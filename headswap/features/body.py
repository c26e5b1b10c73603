"""Run the frozen body of a network and catch what reaches its head.

Flow:  (N, H, W, C) uint8 pictures --Body--> (N, D) float32 features

The body runs in some engine; on its first pictures the engine is compared with the
network as it is, in single precision, and given up when it is not near enough.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headswap.data.transforms import to_float
from headswap.features.allocator import keep_freed_memory
from headswap.features.engines import MAX_RELATIVE_ERROR, Engine, exact, place, relative_error
from headswap.features.fold import folded
from headswap.features.translated import NotTranslated, Run, run_translated
from headswap.features.watch import Watched
from headswap.files import to_json
from headswap.heads.site import HeadSite
from headswap.network import Network

_COMPARED = 4  # pictures


@dataclass
class Body:
    """A placed network that gives features. Its engine may fall back to a more exact one."""

    network: Network
    site: HeadSite
    engine: Engine
    translations: Path | None = None  # where translations for other libraries are kept; None: only torch runs
    mirror: bool = False  # features and answers are the mean over picture and mirrored picture
    flipped: bool = False  # every picture is seen in the mirror only
    settled: bool = True  # False: a faster engine may still be looked for
    _exact: Run = field(init=False)
    _fast: Run | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.engine.device == "cpu":
            keep_freed_memory()
        self._module = place(self.network.module.eval(), self.engine)
        self._exact = self._in_torch(self._module, exact(self.engine))

    @property
    def width(self) -> int:
        """D: the features of all heads, side by side."""
        return sum(self.site.in_features)

    @property
    def key(self) -> str:
        """Names weights, head, preprocessing: what features depend on beside picture and engine."""
        return "\n".join(
            (
                self._network_key,
                to_json(self.network.input),
                *["mirror"] * self.mirror,
                *["flipped"] * self.flipped,
            )
        )

    @property
    def _network_key(self) -> str:
        """Names weights, head and size: what a translation depends on, however pictures are prepared."""
        weights = self.network.weights_sha256 or _hash_of(self.network.module)
        return "\n".join((weights, str(self.network.input.size), ",".join(self.site.paths)))

    def features(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Features of prepared pictures.

        Args:
            pictures: (N, H, W, C) uint8, as `headswap.data.transforms.prepare` gives them.

        Returns:
            (N, D) float32 on the CPU.
        """
        return self.look(pictures)[0]

    def look(self, pictures: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """Features and, from the same run, what the head makes of them: (N, D) and (N, C) logits."""
        if self.flipped:
            pictures = pictures[:, :, ::-1]
        batch = torch.from_numpy(to_float(pictures, self.network.input))  # (N, C, H, W)
        if self._fast is None and not self.engine.is_exact:
            self._start(batch[:_COMPARED])
        run = self._fast or self._exact
        if not self.mirror:
            return run(batch)
        (features, logits), (mirrored, others) = run(batch), run(batch.flip(-1))
        return (features + mirrored) / 2, (logits + others) / 2

    def give_up(self) -> None:
        """Leave an engine that is not near enough: for single precision first, then for the exact one."""
        self._fast = None
        if self.engine.precision == "float32":
            self.engine = exact(self.engine)
        else:
            self.engine = replace(self.engine, precision="float32")

    def change(self, engine: Engine) -> None:
        """Go on in another engine of the same device."""
        self.engine, self._fast = engine, None

    def _start(self, batch: Tensor) -> None:
        """Start the engine and compare it with the exact one; take a slower one until they agree."""
        true = self._exact(batch)[0]
        while self._fast is None and not self.engine.is_exact:
            try:
                fast = self._begin(batch)
                rough = fast(batch)[0]
            except (NotTranslated, RuntimeError):  # what really is wrong, the exact engine says, too
                self.engine = exact(self.engine)
                continue
            if rough.shape == true.shape and relative_error(rough, true) <= MAX_RELATIVE_ERROR:
                self._fast = fast
            else:
                self.give_up()

    def _begin(self, batch: Tensor) -> Run:
        if self.engine.library != "torch":
            if self.translations is None:
                raise NotTranslated("There is no place for a translation.", remedy="Torch runs it.")
            watched = Watched(self._module, self.site, self.network.name).eval()
            key = self._network_key
            return run_translated(watched, self.engine, batch, folder=self.translations, key=key)
        module = self._module
        if self.engine.folded:
            module = folded(module, batch[:1].to(self.engine.device, memory_format=torch.channels_last))
        return self._in_torch(module, self.engine)

    def _in_torch(self, module: nn.Module, engine: Engine) -> Run:
        watched = Watched(module, self.site, self.network.name)

        def run(batch: Tensor) -> tuple[Tensor, Tensor]:
            with engine.running():
                features, logits = watched(batch.to(engine.device, memory_format=torch.channels_last))
            return features.float().cpu().clone(), logits.float().cpu().clone()  # outside inference mode

        return run


def _hash_of(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
