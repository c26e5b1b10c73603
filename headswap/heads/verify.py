"""Prove that a swapped head is the head: it alone learns, and the network answers with the new count.

Flow:  swapped nn.Module --prove--> nothing, or SwapFailed with the reason

The network runs once in eval and once in training mode, on shapes alone where they
suffice. Everything outside the head is frozen in these runs, so the tensors that would
get a gradient must be exactly the head's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from headswap.errors import SwapFailed
from headswap.heads.dry_run import DryRun, DryRunMode, InputSize
from headswap.heads.graph import leaves_behind
from headswap.heads.input_size import attempt, first_line, text_of
from headswap.heads.plan import HeadPlan
from headswap.heads.trainable import head_names

_REMEDY = "The network is as it was. Point at another layer with path=…, or ask its author which layer it is."


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a swap says it has done."""

    plan: HeadPlan
    num_classes: int
    eval_size: InputSize
    train_size: InputSize


def prove(module: nn.Module, claim: Claim) -> None:
    """Check a swap.

    Raises:
        SwapFailed: the network does not run, answers with another count, or something else learns.
    """
    paths = tuple(head_module.path for head_module in claim.plan.head_modules)
    names = head_names(module, paths)
    answering = _prove_mode(module, claim, names, training=False)
    learning = answering | _prove_mode(module, claim, names, training=True)
    for head_module in claim.plan.head_modules:
        heard = learning if head_module.part == "aux" else answering
        deaf = [resize.name for resize in head_module.resizes if resize.name not in heard]
        if deaf:
            raise SwapFailed(f"The new {deaf[0]!r} plays no part in the network's answer.", remedy=_REMEDY)


def _prove_mode(module: nn.Module, claim: Claim, names: frozenset[str], *, training: bool) -> set[str]:
    """Check one mode; gives the names of the parameters that would learn."""
    mode = "training" if training else "eval"
    size = claim.train_size if training else claim.eval_size
    batch = 3 if claim.num_classes == 2 else 2  # never as many images as classes
    run = attempt(module, DryRunMode(size=size, training=training, trainable=names, batch=batch))
    if not isinstance(run, DryRun):
        raise SwapFailed(
            f"With {claim.num_classes} classes the network does not run in {mode} mode on a picture of "
            f"{text_of(size)}: {first_line(run)}",
            remedy=_REMEDY,
        ) from run
    trained = [value for _, value in run.outputs if value.requires_grad]
    shapes = [tuple(value.shape) for value in trained if value.dim() == 2]
    wrong = [shape for shape in shapes if shape != (batch, claim.num_classes)]
    if wrong or not shapes:
        seen = f"of shape {wrong[0]}" if wrong else "that is no row of numbers per picture"
        raise SwapFailed(
            f"In {mode} mode the new head gives an answer {seen}, not ({batch}, {claim.num_classes}).",
            remedy=_REMEDY,
        )
    return {name for key in leaves_behind(trained) for name in run.leaves.get(key, ())}
