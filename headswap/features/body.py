"""Run the frozen body of a network and catch what reaches its head.

Flow:  (N, H, W, C) uint8 pictures --Body--> (N, D) float32 features

The features are caught at the door of each head by a hook, so any architecture works
without being cut in two. What reaches a convolution head, or a head that looks at every
token, is averaged over positions. Several heads give their features side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headswap.data.transforms import to_float
from headswap.errors import HeadNotFound
from headswap.features.engines import MAX_RELATIVE_ERROR, Engine, exact, place, relative_error
from headswap.features.fold import folded
from headswap.heads.learning import logits_of
from headswap.heads.site import HeadSite
from headswap.network import Network


@dataclass
class Body:
    """A placed network that gives features. Its engine may fall back to the exact one, once."""

    network: Network
    site: HeadSite
    engine: Engine

    def __post_init__(self) -> None:
        self._module = place(self.network.module.eval(), self.engine)
        self._folded: nn.Module | None = None
        self._checked = self.engine.is_exact

    @property
    def width(self) -> int:
        """D: the features of all heads, side by side."""
        return sum(self.site.in_features)

    def features(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Features of prepared pictures.

        Args:
            pictures: (N, H, W, C) uint8, as `headswap.data.transforms.prepare` gives them.

        Returns:
            (N, D) float32 on the CPU.
        """
        batch = self._batch(pictures)
        if not self._checked:
            self._check(batch[:4])
        return self._run(batch, self.engine)[0]

    def look(self, pictures: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """Features and, from the same run, what the head makes of them: (N, D) and (N, C) logits."""
        return self._run(self._batch(pictures), self.engine)

    def _batch(self, pictures: NDArray[np.uint8]) -> Tensor:
        batch = torch.from_numpy(to_float(pictures, self.network.input)).to(self.engine.device)
        return batch.contiguous(memory_format=torch.channels_last)  # (N, C, H, W)

    def _check(self, batch: Tensor) -> None:
        """Compare the fast engine with the exact one; keep the exact one when they differ."""
        self._checked = True
        if self.engine.folded:
            self._folded = folded(self._module, batch[:1])
        rough, true = self._run(batch, self.engine)[0], self._run(batch, exact(self.engine))[0]
        if relative_error(rough, true) > MAX_RELATIVE_ERROR:
            self.give_up()

    def give_up(self) -> None:
        """Leave the fast engine for the exact one."""
        self._checked = True
        self.engine, self._folded = exact(self.engine), None

    def _run(self, batch: Tensor, engine: Engine) -> tuple[Tensor, Tensor]:
        caught: dict[int, Tensor] = {}

        def catch(number: int) -> Any:
            def hook(_module: nn.Module, arguments: tuple[Any, ...]) -> None:
                caught[number] = arguments[0].detach()

            return hook

        module = self._folded if engine.folded and self._folded is not None else self._module
        hooks = [
            self._head_module(module, path).register_forward_pre_hook(catch(number))
            for number, path in enumerate(self.site.paths)
        ]
        try:
            with engine.running():
                answer = module(batch)
        finally:
            for hook in hooks:
                hook.remove()
        parts = [
            pool(caught[number], width).float().cpu() for number, width in enumerate(self.site.in_features)
        ]  # each (N, D_k)
        return torch.cat(parts, dim=1), logits_of(answer, self.site).float().cpu()

    def _head_module(self, module: nn.Module, path: str) -> nn.Module:
        try:
            return module.get_submodule(path)
        except AttributeError:
            raise HeadNotFound(
                f"The head {path!r} of {self.network.name} is a bare parameter, not a layer.",
                remedy="Its features cannot be caught; teach it through the whole network.",
            ) from None


def pool(features: Tensor, width: int) -> Tensor:
    """Average what reaches a head over positions: (N, D), (N, D, H, W) or (N, T, D) to (N, D)."""
    if features.ndim == 2:
        return features
    channels = 1 if features.shape[1] == width else features.ndim - 1
    return features.movedim(channels, 1).flatten(2).mean(dim=2)
