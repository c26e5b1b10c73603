"""Networks of transformers at another image size: built again for it, their positions resampled.

Flow:  Network + px --resampled--> Network of that size, its card's variant saying so; or None

A transformer adds a number to each patch that says where it lies. Its configuration says for how many
patches: built for another size, everything else is the same, and a grid of positions is stretched by bicubic
interpolation, as the library does in each pass when it is told `interpolate_pos_encoding`. Done once, the
network is a plain one, in a bundle and in every export. What depends on the size in another way (biases of
windows, attention over a fixed grid) is not guessed.

Knows configurations and tensors: imports timm when a grid is stretched.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headswap.network import Network

if TYPE_CHECKING:
    from torch import Tensor

ZOO = "transformers"
_MOST_PREFIX = 5  # tokens before the grid: of the class, of a teacher, four registers


def resampled(network: Network, px: int) -> Network | None:
    """The same network for square images of another size.

    Args:
        network: of transformers, loaded; it is not changed.
        px: the side of the images.

    Returns:
        A new network, or None: of another library, or its size is fixed.
    """
    module: Any = network.module
    if network.card.zoo != ZOO:
        return None
    config = deepcopy(module.config)
    seen = getattr(config, "vision_config", config)  # CLIP and its like have one for texts next to it
    if not hasattr(seen, "image_size"):
        return None
    seen.image_size = px if isinstance(seen.image_size, int) else [px] * len(seen.image_size)
    try:
        fresh = type(module)(config)
    except (AssertionError, RuntimeError, TypeError, ValueError):  # its stages do not divide that size
        return None
    state, wanted = module.state_dict(), fresh.state_dict()
    fitted = {name: _fitted(state[name], value) for name, value in wanted.items() if name in state}
    if fitted.keys() != wanted.keys() or any(value is None for value in fitted.values()):
        return None
    fresh.load_state_dict(fitted)
    card = replace(network.card, variant=config.to_json_string())
    return replace(network, card=card, module=fresh.eval())


def _fitted(value: Tensor, wanted: Tensor) -> Tensor | None:
    """As it is, or a grid of positions stretched: (tokens, D) or (1, tokens, D); None: something else."""
    if value.shape == wanted.shape:
        return value
    if value.ndim not in (2, 3) or value.ndim != wanted.ndim or value.shape[-1] != wanted.shape[-1]:
        return None
    old, new = value.shape[-2], wanted.shape[-2]
    for prefix in range(_MOST_PREFIX + 1):
        sides = [math.isqrt(max(0, count - prefix)) for count in (old, new)]
        if [side * side + prefix for side in sides] == [old, new] and min(sides) > 0:
            return _stretched(value, sides, prefix).reshape(wanted.shape)
    return None


def _stretched(value: Tensor, sides: list[int], prefix: int) -> Tensor:
    from timm.layers import resample_abs_pos_embed

    rows = value.reshape(1, value.shape[-2], value.shape[-1])
    old, new = ([side, side] for side in sides)
    stretched: Tensor = resample_abs_pos_embed(
        rows, new_size=new, old_size=old, num_prefix_tokens=prefix, antialias=False
    )
    return stretched
