"""A wide head: one linear layer over what every block of a network gives, not its last features alone.

Flow:  Network + HeadSite --find_taps--> Tap, ... --widen--> a network whose head reads them all

The last features keep what tells the pretrained classes apart; edges, strokes and textures are in the
blocks before, which run in the same pass anyway (Evci et al. 2022, Head2Toe, arXiv:2201.03529). The
mean and the spread of each channel over all positions are read. The widened network is an ordinary one,
a linear layer called `head` at its end, so everything that solves, proves, saves and exports a head
does the same with it. Blocks are found by how a network is built and what it gives, never by names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from headswap.counted import counted
from headswap.errors import HeadNotFound
from headswap.heads.dry_run import network_dtype
from headswap.heads.meta_kernels import QuickShapes
from headswap.heads.site import HeadLayer, HeadSite, Layout, Tap
from headswap.heads.trainable import is_within
from headswap.heads.unwrap import plain_module
from headswap.network import Network

HEAD = "head"  # the layer of a widened network that reads everything
BODY = "body"  # the network that was widened
MOST_FEATURES = 16_384  # of all blocks together; with more, every second, third, ... block is read
_FEWEST_BLOCKS = 2
_SAME = 1e-3  # relative error within which the mean of a block is the last features
_TINY = 1e-6  # added to a variance, so that a channel that never changes has a slope


class NoBlocks(HeadNotFound):
    """The blocks of a network cannot be told apart, so no head can read them."""


class WideNetwork(nn.Module):
    """A network whose answer is a linear layer over its blocks and its last features.

    The network inside runs as it always did; the answer of its own head is not used.
    """

    def __init__(self, backbone: nn.Module, site: HeadSite, taps: Sequence[Tap], num_classes: int) -> None:
        """Wrap a network.

        Args:
            backbone: the network, changed in nothing.
            site: of its own head, whose features are read too.
            taps: of its blocks.
            num_classes: that the new head answers.
        """
        super().__init__()
        self.body, self.site, self.taps = backbone, site, tuple(taps)
        width = sum(tap.width for tap in taps) + sum(site.in_features)
        device = next((value.device for value in backbone.parameters()), None)
        self.head = nn.Linear(width, num_classes, device=device, dtype=network_dtype(backbone))
        self.known: dict[str, Tensor] = {}  # what some blocks give, where others stand in for them

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) to (N, classes) logits."""
        answer: Tensor = self.head(self.features(images).to(self.head.weight.dtype))
        return answer

    def features(self, images: Tensor) -> Tensor:
        """(N, C, H, W) to (N, W) features: of the blocks in their order, then the last ones."""
        read = self.read(images) | self.known
        return torch.cat(list(_in_order(read, self.taps, self.site)), dim=1)

    def read(self, images: Tensor) -> dict[str, Tensor]:
        """Run the network: what each block gave, by its path, and what reached its own heads."""
        read: dict[str, Tensor] = {}
        hooks = [self._listen(tap, read) for tap in self.taps]
        hooks += [self._listen_before(layer, read) for layer in self.site.layers]
        try:
            self.body(images)
        finally:
            for hook in hooks:
                hook.remove()
        return read

    def _listen(self, tap: Tap, read: dict[str, Tensor]) -> Any:
        def hook(_part: nn.Module, _arguments: Any, given: Any) -> None:
            read[tap.path] = pooled(first_tensor(given), tap)  # at once: the next layer may write into it

        return self.body.get_submodule(tap.path).register_forward_hook(hook)

    def _listen_before(self, layer: HeadLayer, read: dict[str, Tensor]) -> Any:
        def hook(_part: nn.Module, arguments: tuple[Any, ...]) -> None:
            read[_before(layer.path)] = average(arguments[0], layer.in_features).float()

        return self.body.get_submodule(layer.path).register_forward_pre_hook(hook)


def unwidened(module: nn.Module) -> nn.Module:
    """The network that was widened; any other one as it is."""
    return module.body if isinstance(module, WideNetwork) else module


def average(features: Tensor, width: int) -> Tensor:
    """Average what reaches a head over positions: (N, D), (N, D, H, W) or (N, T, D) to (N, D)."""
    if features.ndim == 2:
        return features
    channels = 1 if features.shape[1] == width else features.ndim - 1
    return features.movedim(channels, 1).flatten(2).mean(dim=2)


def pooled(value: Tensor, tap: Tap) -> Tensor:
    """What a block gave, averaged over positions: (N, 2 C) means and spreads, or (N, C) spreads."""
    value, positions = value.float(), _POSITIONS[tap.layout]
    mean = value.mean(dim=positions)
    # By squares: torch's own variance takes thirty times as long on processors.
    square = value.square().mean(dim=positions)
    spread = ((square - mean.square()).clamp_min(0) + _TINY).sqrt()
    return torch.cat([mean, spread], dim=1) if tap.mean else spread


def first_tensor(given: Any) -> Tensor:
    """The tensor that a block gives, or the first of several."""
    while isinstance(given, tuple | list):
        given = given[0]
    found: Tensor = given
    return found


def find_taps(network: Network, site: HeadSite, *, most_features: int = MOST_FEATURES) -> tuple[Tap, ...]:
    """Find the blocks of a network.

    Args:
        network: runs once on two images of noise; on meta tensors shapes alone decide.
        site: of its head.
        most_features: that a head may read of them, last features included.

    Raises:
        NoBlocks: there are fewer than two, or what they give cannot be read.
    """
    module = plain_module(network)
    try:
        seen, last = _run(module, site, list(_blocks(module, "", (*site.all_paths, *site.tail_paths))))
    except AttributeError as error:  # the head is a bare parameter
        raise NoBlocks(
            f"What reaches the head of {network.name} cannot be read.", remedy="Take the plain head."
        ) from error
    found = _without_repetition(_chains_joined(module, seen, site.input_size), seen, last)
    room = most_features - sum(site.in_features)
    taps = next((chosen for chosen in _thinned(found) if sum(tap.width for tap in chosen) <= room), ())
    if len(taps) < _FEWEST_BLOCKS <= len(found):
        raise NoBlocks(
            f"The blocks of {network.name} give more numbers of a picture than a head may read "
            f"({most_features}).",
            remedy="Take the plain head, or a smaller network.",
        )
    if len(taps) < _FEWEST_BLOCKS:
        raise NoBlocks(
            f"{network.name} has no blocks that can be told apart, so no head can read them.",
            remedy="Take the plain head, or a network that is built of blocks.",
        )
    return taps


def widen(
    network: Network, site: HeadSite, taps: Sequence[Tap], num_classes: int = 1
) -> tuple[Network, HeadSite]:
    """Put a head that reads every block on a network; the network inside stays as it is.

    Args:
        network: with its head at `site`, old or new.
        site: of that head.
        taps: as `find_taps` gives them.
        num_classes: that the wide head answers.

    Returns:
        The widened network and where its head is.
    """
    wide = WideNetwork(network.module, site, taps, num_classes).train(network.module.training)
    wide_site = HeadSite(
        layers=(
            HeadLayer(path=HEAD, kind="Linear", in_features=wide.head.in_features, out_features=num_classes),
        ),
        num_classes=num_classes,
        input_size=site.input_size,
        aux_layers=tuple(
            HeadLayer(path=f"{BODY}.{path}", out_features=num_classes)
            for path in (*site.all_paths, *site.tail_paths)
        ),
        evidence=(*site.evidence, f"The new head reads {counted(len(taps), 'block')} and the last features."),
        candidates=site.candidates,
        metadata=site.metadata,
        metadata_agrees=site.metadata_agrees,
        new_head=site.new_head,
        taps=tuple(taps),
    )
    return replace(network, module=wide), wide_site


# --- which blocks ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Given:
    """What a part gave for two images, in the order in which parts ended."""

    path: str
    value: Tensor


_POSITIONS: dict[Layout, tuple[int, ...]] = {"NCHW": (2, 3), "NHWC": (1, 2), "NTC": (1,)}
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def _blocks(part: nn.Module, path: str, heads: Sequence[str]) -> Iterator[str]:
    """Paths of the blocks below a part: what holds blocks is opened, what is one is not."""
    if path and is_within(path, heads):
        return
    holds_head = any(head == path or head.startswith(f"{path}.") for head in heads)
    if not path or holds_head or isinstance(part, _CONTAINERS) or _holds_blocks(part):
        for name, child in part.named_children():
            yield from _blocks(child, f"{path}.{name}" if path else name, heads)
    else:
        yield path


def _holds_blocks(part: nn.Module) -> bool:
    """Whether somewhere inside two or more of one kind, each of several layers, stand in a row."""
    for row in part.modules():
        if row is not part and isinstance(row, _CONTAINERS):
            kinds = [type(child) for child in row.children() if _layers(child) > 1]
            if any(kinds.count(kind) > 1 for kind in kinds):
                return True
    return False


def _layers(part: nn.Module) -> int:
    """Parts that own a matrix or filters."""
    return sum(any(value.dim() > 1 for value in one._parameters.values() if value is not None)
               for one in part.modules())  # fmt: skip


@torch.inference_mode()
def _run(module: nn.Module, site: HeadSite, paths: Sequence[str]) -> tuple[list[_Given], Tensor]:
    """What each part gives once, on the way to the head, for two images of noise; (2, D) last features."""
    given: dict[str, Tensor | None] = {}
    arrived: list[str] = []  # heads that were reached: what runs after the first one answers, and is no block

    def listen(path: str) -> Any:
        def hook(_part: nn.Module, _arguments: Any, answer: Any) -> None:
            if arrived:
                return
            found = answer
            while isinstance(found, tuple | list) and found:
                found = found[0]
            once = path not in given and torch.is_tensor(found)
            given.pop(path, None)
            given[path] = found.float().clone() if once else None

        return module.get_submodule(path).register_forward_hook(hook)

    probe = WideNetwork(module, site, (), 1)
    hooks = [listen(path) for path in paths]
    hooks += [
        module.get_submodule(path).register_forward_pre_hook(lambda *_: arrived.append(""))
        for path in site.paths
    ]
    value = next(module.parameters())
    noise = torch.rand((2, *site.input_size), generator=torch.Generator().manual_seed(0))
    was_training = module.training
    try:
        with QuickShapes() if value.is_meta else nullcontext():
            last = probe.eval().features(noise.to(value.device, value.dtype))
    finally:
        module.train(was_training)
        for hook in hooks:
            hook.remove()
    return [_Given(path, found) for path, found in given.items() if found is not None], last


def _chains_joined(module: nn.Module, seen: Sequence[_Given], size: tuple[int, int, int]) -> list[Tap]:
    """A tap for each block; plain layers in a row (filter, norm, activation) count as one block."""
    taps: list[Tap] = []
    in_chain = False
    for one in seen:
        layers = _layers(module.get_submodule(one.path))
        tap = _tap(one, size)
        if tap is None:
            continue
        if in_chain and layers == 0:
            taps[-1] = tap
        else:
            taps.append(tap)
        in_chain = layers <= 1
    return taps


def _tap(one: _Given, size: tuple[int, int, int]) -> Tap | None:
    """How to read what a part gives; None: it has no positions to average over."""
    shape = tuple(one.value.shape)
    if shape[0] != 2 or not (one.value.is_meta or torch.isfinite(one.value).all()):
        return None
    if len(shape) == 3 and shape[1] > 1:
        return Tap(path=one.path, layout="NTC", channels=shape[2])
    if len(shape) != 4:
        return None
    _, height, width = size
    for layout, rows, columns, channels in (("NCHW", 2, 3, 1), ("NHWC", 1, 2, 3)):
        is_map = math.isclose(shape[rows] / shape[columns], height / width, rel_tol=0.3)
        if is_map and shape[rows] * shape[columns] > 1:
            return Tap(path=one.path, layout=layout, channels=shape[channels])  # type: ignore[arg-type]
    return None


def _without_repetition(taps: Sequence[Tap], seen: Sequence[_Given], last: Tensor) -> list[Tap]:
    """The same, without the mean of a block that is what reaches the head anyway."""
    values = {one.path: one.value for one in seen}
    found = []
    for tap in taps:
        means = values[tap.path].mean(dim=_POSITIONS[tap.layout])
        alike = means.shape == last.shape and not last.is_meta
        same = alike and bool((means - last).norm() <= _SAME * last.norm())
        found.append(replace(tap, mean=False) if same else tap)
    return found


def _thinned(taps: Sequence[Tap]) -> Iterator[tuple[Tap, ...]]:
    """All of them; every second one; every third; ...; none. The last one is always read."""
    for step in range(1, len(taps) + 1):
        yield tuple(taps[::-1][::step][::-1])
    yield ()


def _before(path: str) -> str:
    return f"before {path}"


def _in_order(read: dict[str, Tensor], taps: Sequence[Tap], site: HeadSite) -> Iterator[Tensor]:
    for key in (*(tap.path for tap in taps), *(_before(path) for path in site.paths)):
        yield read[key]
