"""What counted in an image: light on the positions that speak for a class.

Flow:  Bundle + image --heat_of--> (H, W) in [0, 1] --overlay--> PNG

Gradient times activation at the last layer that still knows positions and whose
positions have a say: the last maps of a convolutional network, the keys and values of the last
attention of a transformer that answers from one token. The layer is found by running the
network, not by its name; maps, tokens and channels-last maps are told apart by their shape.

A wide head reads earlier layers as well: what each of them adds to the answer by itself is laid over it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from headswap.bundle.prediction import HeatMap
from headswap.bundle.predictor import Bundle
from headswap.data.transforms import to_float
from headswap.errors import BadSetting

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import Tensor, nn

    from headswap.heads.wide import WideNetwork

_FEWEST_POSITIONS = 9  # a layer with fewer knows hardly where
_MOST_PREFIX = 8  # tokens before those of the positions: class, distillation, registers
_HAVE_A_SAY = 0.02  # share of places that must: after a ReLU it may be few, next to a class token none is
_GLOW = np.array([255.0, 170.0, 40.0])  # RGB
_DIM = 0.35  # brightness of what did not count


@dataclass(frozen=True)
class _Layout:
    """How places lie in a layer's output."""

    kind: Literal["maps", "maps last", "tokens"]
    rows: int
    columns: int
    prefix: int = 0

    def grid(self, values: Tensor) -> Tensor:
        """(1, ...) output to (rows, columns, channels)."""
        if self.kind == "maps":
            return values[0].movedim(0, -1)
        if self.kind == "maps last":
            return values[0]
        positions = values[0, self.prefix :]
        return positions.reshape(self.rows, self.columns, positions.shape[-1])


def heat_map(bundle: Bundle, image: str | Path | bytes | Image, *, label: str | None = None) -> HeatMap:
    """Light up what spoke for a class.

    Args:
        bundle: a trained network.
        image: a path, the bytes of a file, or a Pillow image.
        label: the class to explain; None: the one it chose.

    Raises:
        UnreadableImage: it is not an image that can be read.
        BadSetting: no such class, or the network loses the position of features.
    """
    prepared = bundle.prepare(image)
    said = label or bundle.classes[int(bundle.logits(prepared[None])[0].argmax())]
    if said not in bundle.classes:
        raise BadSetting(
            f"There is no class {said!r} in this bundle.",
            remedy=f"Choose one of: {', '.join(bundle.classes)}.",
        )
    heat = heat_of(bundle, prepared, bundle.classes.index(said))
    png = overlay(_as_rgb(prepared), heat)
    return HeatMap(label=said, width=heat.shape[1], height=heat.shape[0], png_base64=b64encode(png).decode())


def heat_of(
    bundle: Bundle, image: NDArray[np.uint8], label: int, *, earlier: bool = True
) -> NDArray[np.float32]:
    """How much each place spoke for a class.

    Args:
        bundle: a trained network.
        image: (H, W, C) uint8, as `Bundle.prepare` gives it.
        label: number of the class.
        earlier: under a wide head, count what it reads from earlier blocks too; no other head reads them.

    Returns:
        (H, W), smooth; 1 where it spoke loudest, 0 where nothing spoke for the class.
    """
    import torch
    from torch.nn.functional import interpolate

    from headswap.heads.loss import logits_of
    from headswap.heads.wide import WideNetwork

    module, site = bundle.network.module, bundle.card.site
    batch = torch.from_numpy(to_float(image[None], bundle.card.input)).requires_grad_()  # (1, C, H, W)

    def score() -> Tensor:
        logits = logits_of(module(batch), site)  # (1, classes)
        if bundle.card.is_multi_label:
            return logits[0, label]  # a question of its own
        return (logits - logits.mean(dim=1, keepdim=True))[0, label]  # not what is said of every class alike

    with bundle.lock:
        with torch.enable_grad():
            layer, layout = _last_spatial_layer(module, batch, score)
            spoken = layout.grid(_gradient_times_activation(layer, score)).sum(dim=-1)  # (rows, columns)
        if earlier and isinstance(module, WideNetwork):
            for part in _spoken_earlier(module, batch.detach(), label):
                spoken = spoken + _gathered(part, spoken.shape)
    size = (image.shape[0], image.shape[1])
    for_it = spoken.clamp_min(0) if float(spoken.max()) > 0 else spoken - spoken.min()
    smooth = interpolate(for_it[None, None].float(), size, mode="bicubic")[0, 0].clamp_min(0)
    return np.asarray((smooth / smooth.max().clamp_min(1e-30)).numpy(), dtype=np.float32)


def _gathered(spoken: Tensor, positions: torch.Size) -> Tensor:
    """What finer places said, added up in (rows, columns) coarser ones."""
    from torch.nn.functional import adaptive_avg_pool2d

    share = spoken.numel() / positions.numel()
    return adaptive_avg_pool2d(spoken[None, None].float(), (positions[0], positions[1]))[0, 0] * share


def _spoken_earlier(module: WideNetwork, batch: Tensor, label: int) -> Iterator[Tensor]:
    """(rows, columns) for each block but the last: what it adds to the score through the wide head alone."""
    import torch

    from headswap.heads.wide import first_tensor, pooled

    weight = module.head.weight.detach().float()  # (classes, W)
    spoken = (weight[label] - weight.mean(dim=0)).split([tap.width for tap in module.taps] + [_rest(module)])
    given: dict[str, Tensor] = {}
    hooks = [
        module.body.get_submodule(tap.path).register_forward_hook(
            lambda _part, _inputs, output, path=tap.path: given.update({path: first_tensor(output).clone()})
        )
        for tap in module.taps
    ]
    try:
        with torch.no_grad():
            module(batch)
    finally:
        for hook in hooks:
            hook.remove()
    for tap, own in zip(module.taps[:-1], spoken, strict=False):
        layout = _layout_of(given[tap.path], (batch.shape[2], batch.shape[3]))
        if layout is None:  # it keeps no positions apart
            continue
        with torch.enable_grad():
            value = given[tap.path].float().requires_grad_()
            (slope,) = torch.autograd.grad((pooled(value, tap) @ own).sum(), value)
        yield layout.grid((slope * value).detach()).sum(dim=-1)


def _rest(module: WideNetwork) -> int:
    return module.head.in_features - sum(tap.width for tap in module.taps)


def _gradient_times_activation(layer: nn.Module, score: Callable[[], Tensor]) -> Tensor:
    """What each number of a layer's output adds to a score, to first order; in the output's shape."""
    import torch

    kept: list[Tensor] = []

    def keep(_part: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()  # what comes next may write into it

    hook = layer.register_forward_hook(keep)
    try:
        value = score()
    finally:
        hook.remove()
    (slope,) = torch.autograd.grad(value, kept)
    return (slope * kept[0]).detach()


def overlay(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> bytes:
    """A PNG of an image, (H, W, 3), dim where nothing counted and glowing where it did."""
    from PIL import Image

    weight = heat[..., None].astype(np.float64)
    shown = image * (_DIM + (1.0 - _DIM) * np.sqrt(weight))
    shown = shown + (_GLOW - shown) * 0.45 * weight
    target = BytesIO()
    Image.fromarray(np.clip(shown, 0, 255).astype(np.uint8)).save(target, "PNG")
    return target.getvalue()


def _last_spatial_layer(
    module: nn.Module, batch: Tensor, score: Callable[[], Tensor]
) -> tuple[nn.Module, _Layout]:
    """The last layer in a run whose output has places, most of which change the score."""
    import torch

    outputs: list[tuple[nn.Module, Tensor]] = []
    runs: dict[nn.Module, int] = {}

    def note(part: nn.Module, _inputs: Any, output: Any) -> None:
        runs[part] = runs.get(part, 0) + 1
        if isinstance(output, torch.Tensor) and output.requires_grad:
            outputs.append((part, output))

    hooks = [part.register_forward_hook(note) for part in module.modules()]
    try:
        value = score()
    finally:
        for hook in hooks:
            hook.remove()
    size = (batch.shape[2], batch.shape[3])
    laid = [(part, output, _layout_of(output, size)) for part, output in outputs if runs[part] == 1]
    known = [(part, output, layout) for part, output, layout in laid if layout is not None]
    if not known:
        raise _no_positions()
    slopes: tuple[Tensor | None, ...] = torch.autograd.grad(
        value, [output for _, output, _ in known], allow_unused=True
    )
    for (part, _, layout), slope in zip(reversed(known), reversed(slopes), strict=True):
        if slope is None:
            continue
        speaks = layout.grid(slope).abs().sum(dim=-1) > 0  # (rows, columns)
        if float(speaks.float().mean()) >= _HAVE_A_SAY:
            return part, layout
    raise _no_positions()


def _no_positions() -> BadSetting:
    return BadSetting(
        "This network loses the position of features, so no heat map can be drawn.",
        remedy="Choose another network to see where it looks.",
    )


def _layout_of(output: Tensor, size: tuple[int, int]) -> _Layout | None:
    """How places lie in an output, if it has any: by the shape of the image, (H, W)."""
    shape, wanted = output.shape, size[0] / size[1]
    if len(shape) == 4:
        for kind, rows, columns in (("maps", shape[2], shape[3]), ("maps last", shape[1], shape[2])):
            near = abs(rows - columns * wanted) <= 1 and rows <= size[0] and columns <= size[1]
            if near and rows * columns >= _FEWEST_POSITIONS:
                return _Layout("maps" if kind == "maps" else "maps last", rows, columns)
    if len(shape) == 3:
        for prefix in range(min(_MOST_PREFIX + 1, shape[1])):
            positions = shape[1] - prefix
            rows = round((positions * wanted) ** 0.5)
            if positions >= _FEWEST_POSITIONS and rows and positions % rows == 0:
                columns = positions // rows
                if abs(rows - columns * wanted) <= 1e-6 + 0.1 * rows:
                    return _Layout("tokens", rows, columns, prefix)
    return None


def _as_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The prepared image as people see it."""
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
