"""Solved heads as layers of the network: fit each, install it, prove that the network says the same.

Flow:  LabeledFeatures --fit_heads--> LinearHeads --install--> swapped network that agrees

The solver works on features caught at the head's door. Whether a linear layer there is all
that stands between features and answer is not assumed but proved: after installing, the
network must give the same answers on real images. What a softmax cannot see (one number
added to every class) is used once: when a ReLU follows the head, as in SqueezeNet, the
bias is lifted until nothing is clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from headswap.features.memmap import matrix
from headswap.heads.site import HeadSite
from headswap.training.config import TrainConfig
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.ridge import fit_ridge
from headswap.training.linear.self_training import fit_self_trained, unlabeled_to_use
from headswap.training.linear.solver import SolvedHead, Watch, fit_head

_AT_ONCE = 4096  # images
AGREEMENT = 1e-3  # largest difference of a probability between the solved head and the network


@dataclass(frozen=True, eq=False)
class LinearHeads:
    """One solved head for each head of the network; their logits are averaged."""

    solved: tuple[SolvedHead, ...]
    widths: tuple[int, ...]  # features of each
    bias_offset: float = (
        0.0  # added to every class when installed, so that a ReLU behind the head clips nothing
    )
    factor: float = 1.0  # network logits over averaged logits, as the network combines them

    def logits(self, features: Tensor) -> Tensor:
        """(N, D) features of all heads side by side to (N, C) logits."""
        found = matrix(len(features), len(self.solved[0].bias))
        for images, some in zip(features.split(_AT_ONCE), found.split(_AT_ONCE), strict=True):
            parts = zip(images.split(self.widths, dim=1), self.solved, strict=True)
            each = [part @ head.weight.T + head.bias for part, head in parts]
            torch.mul(torch.stack(each).mean(dim=0), self.factor, out=some)
        return found

    @property
    def guesses(self) -> int:
        """Unlabeled images that it was also solved with; where there are several heads, at most."""
        return max(head.guesses for head in self.solved)

    @property
    def fold_logits(self) -> Tensor | None:
        """(N, C): each training image judged by heads that never saw it; None: too few images."""
        each = [head.fold_logits for head in self.solved]
        known = [logits for logits in each if logits is not None]
        if len(known) < len(each):
            return None
        if len(known) == 1 and self.factor == 1.0:
            return known[0]
        found = matrix(*known[0].shape)
        for some, *parts in zip(found.split(_AT_ONCE), *(one.split(_AT_ONCE) for one in known), strict=True):
            torch.mul(torch.stack(parts).mean(dim=0), self.factor, out=some)
        return found


def fit_heads(
    images: LabeledFeatures,
    site: HeadSite,
    *,
    has_bias: Sequence[bool],
    config: TrainConfig,
    seed: int = 0,
    watch: Watch | None = None,
    like: LinearHeads | None = None,
) -> LinearHeads:
    """Solve every head of a site on its own features, a wide one by ridge regression; as `fit_head`.

    With unlabeled images, each of them with its own guesses for these. With `like`, by what solved those
    heads: the configuration gives their penalty.
    """
    watch = watch if len(has_bias) == 1 else None
    solve: Callable[..., SolvedHead] = fit_ridge if site.taps and images.labels.ndim == 1 else fit_head
    if like is not None:
        solve = partial(fit_ridge, always=True) if like.solved[0].by_ridge else fit_head

    def fitted(own: LabeledFeatures, intercept: bool) -> SolvedHead:
        if unlabeled_to_use(own, intercept=intercept, seed=seed) is not None:
            return fit_self_trained(own, config=config, seed=seed, watch=watch)
        return solve(own, config=config, seed=seed, intercept=intercept, watch=watch)

    ends = [0, *accumulate(site.in_features)]
    solved = tuple(
        fitted(images.columns(slice(start, end)), bias)
        for (start, end), bias in zip(pairwise(ends), has_bias, strict=True)
    )
    return LinearHeads(solved, site.in_features)


def has_bias(module: nn.Module, site: HeadSite) -> tuple[bool, ...]:
    """Whether each head of a network adds a bias."""
    return tuple(getattr(module.get_submodule(path), "bias", None) is not None for path in site.paths)


def can_hold(module: nn.Module, site: HeadSite, num_classes: int) -> bool:
    """Whether every head is a layer with one weight that a linear solution fits into."""
    for layer in site.layers:
        try:
            head = module.get_submodule(layer.path)
        except AttributeError:
            return False
        weight, bias = getattr(head, "weight", None), getattr(head, "bias", None)
        if (
            not isinstance(weight, Tensor)
            or weight.numel() != num_classes * layer.in_features
            or len(weight) != num_classes
        ):
            return False
        if bias is not None and bias.shape != (num_classes,):
            return False
    return not site.tail_paths


@torch.no_grad()
def install(module: nn.Module, site: HeadSite, heads: LinearHeads) -> None:
    """Write solved heads into the layers of a swapped network."""
    for path, solved in zip(site.paths, heads.solved, strict=True):
        layer = module.get_submodule(path)
        weight: Tensor = layer.weight  # type: ignore[assignment]
        new = solved.weight.to(weight).view_as(weight)
        if parametrize.is_parametrized(layer, "weight"):
            layer.weight = new
        else:
            weight.copy_(new)
        if layer.bias is not None:
            layer.bias.copy_((solved.bias + heads.bias_offset).to(layer.bias))  # type: ignore[operator, arg-type]


def agree(
    heads: LinearHeads, features: Tensor, network_logits: Tensor, *, several: bool = False
) -> LinearHeads | None:
    """Compare solved heads with the network that holds them, on the same images.

    Args:
        heads: installed in the network.
        features: (M, D), exact, of a few images.
        network_logits: (M, C) that the network gives for them.
        several: whether each is answered by a sigmoid, which sees what is added to all of them.

    Returns:
        The heads with the factor the network applies (it may add its heads instead of averaging), or
        None when the network says something else.
    """
    if several:
        return _agree_on_labels(heads, features, network_logits)
    ours = heads.logits(features)
    ours_centred, theirs = (
        ours - ours.mean(1, keepdim=True),
        network_logits - network_logits.mean(1, keepdim=True),
    )
    factor = float((ours_centred * theirs).sum() / ours_centred.square().sum().clamp_min(1e-12))
    if len(heads.solved) == 1 or abs(factor - 1) < 1e-3:
        factor = 1.0
    scaled = replace(heads, factor=heads.factor * factor)
    gap = (scaled.logits(features).softmax(1) - network_logits.softmax(1)).abs().max()
    return scaled if factor > 0 and float(gap) < AGREEMENT else None


def _agree_on_labels(heads: LinearHeads, features: Tensor, network_logits: Tensor) -> LinearHeads | None:
    """The same for sigmoids: what was lifted is taken off again, by the factor that the network applies."""
    ours = heads.logits(features)
    lifted = ours + heads.bias_offset
    factor = float((lifted * network_logits).sum() / lifted.square().sum().clamp_min(1e-12))
    if len(heads.solved) == 1 or abs(factor - 1) < 1e-3:
        factor = 1.0
    theirs = network_logits - factor * heads.bias_offset
    gap = ((factor * ours).sigmoid() - theirs.sigmoid()).abs().max()
    scaled = replace(heads, factor=heads.factor * factor)
    return scaled if factor > 0 and float(gap) < AGREEMENT else None
