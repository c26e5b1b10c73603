"""What leaves as a graph: prepared images in, every answer of the bundle out.

Flow:  Bundle --DeployedNetwork--> (N, C, H, W) float32 -> probabilities, unlike, places

How the head is read, the calibration, the distance to what was trained on and the heat map are part of
the network, so a program in another language needs no formula of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headswap.bundle.predictor import Bundle
from headswap.evaluation.ood import NEIGHBOURS
from headswap.exports.graph_names import HEAT_MAP, OOD_SCORE, PROBABILITIES
from headswap.features.hooks import HookedNetwork
from headswap.heads.loss import logits_of
from headswap.heads.site import Tap
from headswap.heads.wide import NoBlocks, WideNetwork, find_taps, first_tensor, unwidened

_TINY = 1e-6  # as in the features of a wide head
_FAR = 8.0  # no squared distance between two embeddings is over 4


class DeployedNetwork(nn.Module):
    """A bundle as one network; `outputs` names what it answers, in order.

    probabilities: (N, classes), calibrated. unlike: (N,), over 1 where an image is unlike everything
    trained on; missing where the bundle cannot say. places: (N, classes, rows, columns), what each place
    adds to the score of each class; only on wish, and only where it is exact.
    """

    def __init__(self, bundle: Bundle, *, with_heat: bool = False) -> None:
        super().__init__()
        card, site = bundle.card, bundle.card.site
        self._site, self._flip = site, card.flip
        self._temperature, self._even_share = card.temperature, card.even_share
        self._is_multi_label, self._logit_offset = card.is_multi_label, card.logit_offset
        self.network = bundle.network.module
        self.threshold = bundle.reference.threshold if bundle.reference else None
        self.heat = HeatMaps.of(bundle) if with_heat else None
        known = bundle.reference.embeddings if bundle.reference else None  # (M, D)
        if self.threshold is not None and known is not None:
            self.hooked = HookedNetwork(self.network, site, bundle.network.name)
            self.register_buffer("known", torch.from_numpy(known).half())  # as it is kept on disk
        self.outputs = (
            PROBABILITIES,
            *[OOD_SCORE] * (self.threshold is not None),
            *[HEAT_MAP] * (self.heat is not None),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) float32 to one tensor for each of `outputs`."""
        if self.heat is None:
            features, logits = self._features_and_logits(images)
            heat: tuple[Tensor, ...] = ()
        else:
            with self.heat.listening() as given:
                features, logits = self._features_and_logits(images)
            heat = (self.heat(given),)
        if self._flip:
            others, mirrored = self._features_and_logits(images.flip(-1))
            features, logits = (features + others) / 2, (logits + mirrored) / 2
        probabilities = self._calibrated(logits)
        ood_scores = (self._ood_scores(features),) if self.threshold is not None else ()
        return (probabilities, *ood_scores, *heat)

    def _calibrated(self, logits: Tensor) -> Tensor:
        """(N, classes) that sum to 1, or, where an image may have several labels, each of its own."""
        share = self._even_share
        if self._is_multi_label:
            scaled = (logits - self._logit_offset) / self._temperature
            return scaled.sigmoid() * (1.0 - share) + share / 2.0
        return (logits / self._temperature).softmax(dim=1) * (1.0 - share) + share / logits.shape[1]

    def _features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if self.threshold is None:
            logits = logits_of(self.network(images), self._site)
            return logits, logits
        found: tuple[Tensor, Tensor] = self.hooked(images)
        return found

    def _ood_scores(self, features: Tensor) -> Tensor:
        """Mean distance to the nearest known images over the threshold; as `headswap.evaluation.ood`."""
        last = features[:, self._site.last_features]
        rooted = last.sign() * last.abs().sqrt()
        embeddings = rooted / rooted.norm(dim=1, keepdim=True).clamp_min(1e-12)
        known = self.get_buffer("known").float()
        squared = (2.0 - 2.0 * embeddings @ known.T).clamp_min(0.0)  # (N, M)
        count = min(NEIGHBOURS, known.shape[0])
        nearest = _smallest(squared, count)
        return nearest.sqrt().mean(dim=1) / float(self.threshold or 1.0)


class HeatMaps(nn.Module):
    """What each place adds to the score of each class: gradient times activation, written out.

    Exact where the mean of the last maps is what reaches the head, for then the gradient is known: the
    weight of the channel over the number of places. A wide head reads means and spreads of earlier maps
    as well. The same numbers as `headswap.bundle.heatmap`, before they are smoothed.
    """

    def __init__(
        self, backbone: nn.Module, taps: tuple[Tap, ...], weight: Tensor, *, is_multi_label: bool
    ) -> None:
        """Of taps, the last one is what the head reads anyway; `weight` is (classes, all features)."""
        super().__init__()
        self._backbone, self._taps = [backbone], taps  # in a list: not a part of this module
        # What is said of every class alike points nowhere; a label is a question of its own.
        spoken = weight if is_multi_label else weight - weight.mean(dim=0)
        widths = [tap.width for tap in taps]
        *own, last = spoken.split([*widths, spoken.shape[1] - sum(widths)], dim=1)
        for number, (tap, part) in enumerate(zip(taps, own, strict=True)):
            mean, spread = (part[:, : tap.channels], part[:, -tap.channels :]) if tap.mean else (last, part)
            self.register_buffer(f"mean{number}", mean.clone())
            self.register_buffer(f"spread{number}", spread.clone())

    @classmethod
    def of(cls, bundle: Bundle) -> HeatMaps | None:
        """For a bundle; None where a heat map needs a gradient."""
        module, site = bundle.network.module, bundle.card.site
        if len(site.paths) != 1 or site.tail_paths or site.answer_kind != "logits":
            return None
        head = module.get_submodule(site.paths[0])
        if not isinstance(head, nn.Linear):
            return None
        weight = head.weight.detach().float()
        if isinstance(module, WideNetwork):
            taps = module.taps
            if len(module.site.paths) != 1:
                return None
        else:
            try:
                taps = find_taps(bundle.network, site)[-1:]
            except NoBlocks:
                return None
            weight = torch.cat([torch.zeros(len(weight), taps[0].width), weight], dim=1)
        if taps[-1].mean or any(tap.layout == "NTC" for tap in taps):
            return None
        return cls(unwidened(module), taps, weight, is_multi_label=bundle.card.is_multi_label)

    @contextmanager
    def listening(self) -> Iterator[dict[str, Tensor]]:
        """While this is entered, what the blocks give is kept, by their paths."""
        given: dict[str, Tensor] = {}

        def listen(path: str) -> Any:
            def hook(_part: nn.Module, _inputs: Any, output: Any) -> None:
                given[path] = first_tensor(output).clone()  # what comes next may write into it

            return self._backbone[0].get_submodule(path).register_forward_hook(hook)

        hooks = [listen(tap.path) for tap in self._taps]
        try:
            yield given
        finally:
            for hook in hooks:
                hook.remove()

    def forward(self, given: dict[str, Tensor]) -> Tensor:
        """What the blocks gave to (N, classes, rows, columns)."""
        parts = [self._spoken(number, tap, given[tap.path].float()) for number, tap in enumerate(self._taps)]
        *earlier, total = parts
        rows, columns = int(total.shape[2]), int(total.shape[3])  # numbers, also while it is traced
        for part in earlier:
            across, down = _shares(int(part.shape[3]), columns), _shares(int(part.shape[2]), rows)
            total = total + down @ part @ across.T
        return total

    def _spoken(self, number: int, tap: Tap, value: Tensor) -> Tensor:
        maps = value if tap.layout == "NCHW" else value.movedim(-1, 1)  # (N, channels, rows, columns)
        positions = maps.shape[2] * maps.shape[3]
        mean = maps.mean(dim=(2, 3), keepdim=True)
        variance = (maps.square().mean(dim=(2, 3), keepdim=True) - mean.square()).clamp_min(0)
        by_mean, by_spread = (
            self.get_buffer(f"{name}{number}")[..., None, None] for name in ("mean", "spread")
        )
        found = nn.functional.conv2d(maps, by_mean)
        if bool(by_spread.any()):
            found = found + nn.functional.conv2d(maps * (maps - mean) / (variance + _TINY).sqrt(), by_spread)
        return found / positions


def _smallest(values: Tensor, count: int) -> Tensor:
    """(N, M) of at most 4 to (N, count), the smallest first; without a sort, which LiteRT cannot do."""
    columns = torch.arange(values.shape[1])
    found = []
    for _ in range(count):
        found.append(values.amin(dim=1))
        values = values.masked_fill(columns == values.argmin(dim=1, keepdim=True), _FAR)
    return torch.stack(found, dim=1)


def _shares(finer: int, coarser: int) -> Tensor:
    """(coarser, finer): adds up a row of finer places; adaptive pooling, for which ONNX has no word."""
    shares = np.zeros((coarser, finer), np.float32)
    for row in range(coarser):
        start, end = row * finer // coarser, -(-(row + 1) * finer // coarser)
        shares[row, start:end] = finer / coarser / (end - start)
    return torch.from_numpy(shares)
