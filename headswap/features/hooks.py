"""Catch what reaches the heads of a network while it answers.

Flow:  (N, C, H, W) --HookedNetwork--> (N, D) features, (N, classes) logits

A hook at the door of each head, so any architecture works without being cut in two.
What reaches a convolution head, or a head that looks at every token, is averaged over
positions. Several heads give their features side by side.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from headswap.errors import HeadNotFound
from headswap.heads.loss import logits_of
from headswap.heads.site import HeadSite
from headswap.heads.wide import average


class HookedNetwork(nn.Module):
    """A network that gives its features in addition to its answer. The network itself is not changed."""

    def __init__(self, module: nn.Module, site: HeadSite, name: str) -> None:
        super().__init__()
        self.network = module
        self._site = site
        self._heads = [_hooked(module, path, name) for path in site.paths]

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) to (N, D) and (N, classes)."""
        caught: dict[int, Tensor] = {}

        def catch(number: int) -> Any:
            def hook(_module: nn.Module, arguments: tuple[Any, ...]) -> None:
                caught[number] = arguments[0].detach()

            return hook

        hooks = [hooked.register_forward_pre_hook(catch(number)) for number, hooked in enumerate(self._heads)]
        try:
            answer = self.network(batch)
        finally:
            for hook in hooks:
                hook.remove()
        parts = [average(caught[number], width) for number, width in enumerate(self._site.in_features)]
        return torch.cat(parts, dim=1), logits_of(answer, self._site)


def _hooked(module: nn.Module, path: str, name: str) -> nn.Module:
    try:
        return module.get_submodule(path)
    except AttributeError:
        raise HeadNotFound(
            f"The head {path!r} of {name} is a bare parameter, not a layer.",
            remedy="Its features cannot be caught; teach it through the whole network.",
        ) from None
