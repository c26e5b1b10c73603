"""Find the classifier head of any network by what the network does when it runs.

Flow:  Network | module --plain_module--> module --first_run--> DryRun --answers_of--> hits --> HeadSite

No name of an architecture is known here. The network runs once on shapes alone; from its
answer the way is walked back to the first weights with one row per class. Heads that
speak only in training are looked for in a second run, when some parameters stayed silent.

`find_head` is for everyone; `locate` also gives the plan that a swap carries out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import nn

from headswap.heads.answers import LogitsOutput, ObservedPass, answers_of, read, refuse_other_answers
from headswap.heads.dry_run import DryRun, InputSize
from headswap.heads.explain import Found, described_site
from headswap.heads.graph import Hit, feed_each_other
from headswap.heads.input_size import LARGER_SIZES_PX, attempt, checked_size, first_run
from headswap.heads.metadata import declared_by
from headswap.heads.plan import (
    HeadModule,
    HeadPlan,
    Part,
    head_modules_of,
    in_order,
    silent_module,
    with_part,
)
from headswap.heads.refusals import (
    refuse_features,
    refuse_fixed_numbers,
    refuse_path,
    refuse_residual_stream,
    refuse_without_head,
)
from headswap.heads.site import HeadSite
from headswap.heads.trainable import is_within
from headswap.heads.unwrap import Target, plain_module


@dataclass(frozen=True, kw_only=True)
class Located:
    """A head with everything needed to swap it."""

    module: nn.Module  # unwrapped
    site: HeadSite
    plan: HeadPlan
    train_size: InputSize  # the size at which it runs in training mode


def find_head(
    target: Target, *, input_size: tuple[int, int, int] | None = None, head: str | None = None
) -> HeadSite:
    """Find every layer that turns features into classes; the network stays exactly as it was.

    Args:
        target: a Network, or any nn.Module that takes one batch of images.
        input_size: (channels, height, width); None: from metadata, or tried out.
        head: the path of the layer to take, such as "fc"; None: found.

    Returns:
        The site: paths, kinds, widths, the evidence and the candidates that lost.

    Raises:
        HeadNotFound: it is no classifier, or which layer is the head cannot be told for sure.
        BadSetting: `input_size` is not three whole numbers.
    """
    return locate_head(target, input_size=input_size, head=head).site


def locate_head(
    target: Target, *, input_size: tuple[int, int, int] | None = None, head: str | None = None
) -> Located:
    """`find_head`, with what is needed to swap the head without looking for it again."""
    return locate(target, input_size=input_size, paths=None if head is None else (head,))


def locate(
    target: Target, *, input_size: tuple[int, int, int] | None, paths: tuple[str, ...] | None
) -> Located:
    """Find the head, and plan what would change with it; `paths` are layers that were pointed at."""
    module = plain_module(target)
    declared = declared_by(module)
    run = first_run(target, module, checked_size(input_size))
    refuse_other_answers(run)
    seen = _seen_whole(module, run, declared.classes)
    if paths is None:
        refuse_without_head(declared)
        answers = answers_of(seen)
        if not answers:
            refuse_fixed_numbers(module, seen)
        _refuse_doubtful(module, seen, answers, declared.classes)
    else:
        answers = _pointed_at(module, seen, paths)
    head_modules = _head_modules(module, seen, answers)
    aux = _silent_heads(module, seen, answers)
    head_modules = in_order(module, (*head_modules, *aux.head_modules))
    found = Found(
        target=target,
        module=module,
        seen=seen,
        input_size=run.how.size if input_size is not None else aux.size,
        answers=answers,
        head_modules=head_modules,
        aux_outputs=aux.outputs,
        declared=declared,
        pointed_at=paths or (),
    )
    plan = HeadPlan(head_modules=head_modules)
    return Located(module=module, site=described_site(found), plan=plan, train_size=aux.size)


def _seen_whole(module: nn.Module, run: DryRun, stated: int | None) -> ObservedPass:
    """The run, read; or a second run, if the network cut the image off on its way."""
    seen = read(run, stated)
    if seen.rows:
        return seen
    again = attempt(module, replace(run.how, force_grad=True))
    return read(again, stated) if isinstance(again, DryRun) else seen


def _pointed_at(module: nn.Module, seen: ObservedPass, paths: tuple[str, ...]) -> tuple[LogitsOutput, ...]:
    """The answers that the layers a person points at make."""
    wanted: set[int] = set()
    for path in paths:
        names_of = seen.run.leaves.items()
        below = {key for key, names in names_of if any(is_within(name, [path]) for name in names)}
        if not below:
            refuse_path(module, path, seen)
        wanted |= below
    answers = answers_of(seen, frozenset(wanted))
    if not answers:
        refuse_path(module, paths[0], seen)
    return answers


def _refuse_doubtful(
    module: nn.Module, seen: ObservedPass, answers: tuple[LogitsOutput, ...], declared: int | None
) -> None:
    """Reject candidates that are backbone features, not class scores."""
    for answer in answers:
        if feed_each_other(seen.record, answer.walk.heads):
            refuse_residual_stream(module, answer)
        if answer.classes != declared:
            refuse_features(seen.run, answer)


def _head_modules(
    module: nn.Module, seen: ObservedPass, answers: tuple[LogitsOutput, ...]
) -> tuple[HeadModule, ...]:
    """Heads, and what comes after them, of all answers together."""
    met = frozenset[int]().union(*(answer.walk.met for answer in answers))
    heads: dict[str, HeadModule] = {}
    for answer in answers:
        whole, scored = _split_scores(answer)
        parts: tuple[tuple[tuple[Hit, ...], Part], ...] = (
            (whole, "head"),
            (scored, "aux"),
            (answer.walk.tail, "tail"),
        )
        for hits, part in parts:
            uses = [(use, answer.classes) for hit in hits for use in hit.uses]
            for head_module in with_part(head_modules_of(module, uses, seen.run.leaves, met, "head"), part):
                heads[head_module.path] = _merged(heads.get(head_module.path), head_module)
        for path, given in seen.run.sized:
            if given.grad_fn in answer.walk.path_nodes:
                heads.setdefault(path, silent_module(module, path, answer.classes))
    return tuple(heads.values())


def _merged(known: HeadModule | None, head_module: HeadModule) -> HeadModule:
    """One head module met twice on the way keeps its part and gains the parameters."""
    if known is None:
        return head_module
    names = {resize.name for resize in known.resizes}
    return replace(
        known, resizes=(*known.resizes, *(more for more in head_module.resizes if more.name not in names))
    )


def _split_scores(answer: LogitsOutput) -> tuple[tuple[Hit, ...], tuple[Hit, ...]]:
    """Heads that answer for the image, and auxiliary ones that score its places and are added to those."""
    whole: list[Hit] = []
    scored: list[Hit] = []
    for hit in answer.walk.heads:
        per_position = hit.shape[-1:] == (answer.classes,) or "onvolution" in hit.node.name()
        several = math.prod(hit.shape) > answer.logits.numel()
        (scored if per_position and several else whole).append(hit)
    return (tuple(whole), tuple(scored)) if whole else (tuple(scored), ())


@dataclass(frozen=True, kw_only=True)
class Silent:
    """Heads that do not speak in eval mode."""

    head_modules: tuple[HeadModule, ...] = ()
    outputs: tuple[str, ...] = ()
    size: InputSize  # the size at which the network runs in training mode


def _silent_heads(module: nn.Module, seen: ObservedPass, answers: tuple[LogitsOutput, ...]) -> Silent:
    """Look for heads among the parameters that did not speak in eval mode."""
    run = seen.run
    heard = {id(leaf) for leaf in seen.record.leaves.values()}
    silent = [leaf for leaf in run.stand_ins if id(leaf) in run.leaves and id(leaf) not in heard]
    if not any(leaf.dim() >= 2 and leaf.is_floating_point() for leaf in silent):
        return Silent(size=run.how.size)
    quiet = frozenset(name for leaf in silent for name in run.leaves[id(leaf)])
    channels, *sides = run.how.size
    larger = [(channels, px, px) for px in LARGER_SIZES_PX if px > max(sides)]
    for size in (run.how.size, *larger):
        training = attempt(module, replace(run.how, training=True, size=size))
        if isinstance(training, DryRun):
            return _aux_heads(module, training, answers[0].classes, quiet)
    return Silent(size=run.how.size)


def _aux_heads(module: nn.Module, training: DryRun, classes: int, quiet: frozenset[str]) -> Silent:
    found: dict[str, HeadModule] = {}
    outputs = []
    for answer in answers_of(read(training, classes)):
        hits = (*answer.walk.heads, *answer.walk.tail)
        uses = [(use, classes) for hit in hits for use in hit.uses]
        head_modules = head_modules_of(module, uses, training.leaves, answer.walk.met, "aux")
        if answer.classes == classes and all(
            one.name in quiet for head_module in head_modules for one in head_module.resizes
        ):
            found |= {head_module.path: head_module for head_module in head_modules}
            outputs.append(answer.name)
    return Silent(head_modules=tuple(found.values()), outputs=tuple(outputs), size=training.how.size)
