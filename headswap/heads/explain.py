"""Tell people how a head was found, and why other layers are not it.

Flow:  what `detect` saw --described_site--> HeadSite with sentences, candidates and metadata
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from headswap.counted import counted
from headswap.heads.answers import LogitsOutput, ObservedPass
from headswap.heads.dry_run import DryRun, InputSize
from headswap.heads.graph import AutogradRecord
from headswap.heads.input_size import text_of
from headswap.heads.metadata import Declared, agreement
from headswap.heads.plan import HeadModule, Part, plain_kind
from headswap.heads.site import AnswerKind, Candidate, HeadLayer, HeadSite
from headswap.heads.trainable import is_within
from headswap.heads.unwrap import Target
from headswap.network import Network

_MOST_CANDIDATES = 5
_SHAPE_ONLY = (
    "View",
    "UnsafeView",
    "ReshapeAlias",
    "Squeeze",
    "Unsqueeze",
    "Clone",
    "Alias",
    "T",
    "Transpose",
    "Copy",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Found:
    """What detection saw, for people to be told."""

    target: Target
    module: nn.Module
    seen: ObservedPass
    input_size: InputSize
    answers: tuple[LogitsOutput, ...]
    head_modules: tuple[HeadModule, ...]
    aux_outputs: tuple[str, ...]
    declared: Declared
    pointed_at: tuple[str, ...]  # layers that a person named; empty: none

    def of(self, part: Part) -> list[HeadModule]:
        return [head_module for head_module in self.head_modules if head_module.part == part]

    @property
    def new_head(self) -> bool:
        added = isinstance(self.target, Network) and self.target.head_is_new
        return added or self.declared.pretrained_without_head


def described_site(found: Found) -> HeadSite:
    """Put what was found into words."""
    heads, aux = found.of("head"), found.of("aux")
    paths = tuple(head_module.path for head_module in heads)
    every = (*paths, *(head_module.path for head_module in aux))
    agrees = agreement(found.declared, paths) or agreement(found.declared, every)
    answers = _nearest_to_heads(found)
    return HeadSite(
        layers=tuple(map(_layer, heads)),
        num_classes=answers[0].classes,
        input_size=found.input_size,
        aux_layers=tuple(map(_layer, aux)),
        tail_paths=tuple(head_module.path for head_module in found.of("tail")),
        outputs=tuple(answer.name for answer in answers),
        aux_outputs=found.aux_outputs,
        answer_kind=_answer_kind(answers[0]),
        evidence=_sentences(found),
        candidates=_candidates(found),
        metadata=found.declared.text,
        metadata_agrees=agrees,
        new_head=found.new_head,
    )


def _layer(head: HeadModule) -> HeadLayer:
    return HeadLayer(path=head.path, kind=head.kind, in_features=head.in_features, out_features=head.classes)


def _nearest_to_heads(found: Found) -> list[LogitsOutput]:
    """One answer per set of heads: the one that others (such as its probabilities) are made from."""
    nearest: list[LogitsOutput] = []
    for answer in sorted(found.answers, key=lambda one: min(len(hit.after) for hit in one.walk.heads)):
        nodes = {hit.node for hit in answer.walk.heads}
        if not any(nodes == {hit.node for hit in known.walk.heads} for known in nearest):
            nearest.append(answer)
    order = [answer.name for answer in found.answers]
    return sorted(nearest, key=lambda answer: order.index(answer.name))


def _answer_kind(answer: LogitsOutput) -> AnswerKind:
    """What the last operation that changes numbers makes of them."""
    for name in answer.walk.heads[0].after:
        if name.startswith("LogSoftmax"):
            return "log-probabilities"
        if name.startswith("Softmax"):
            return "probabilities"
        if name.startswith("Sigmoid"):
            return "independent probabilities"
        if not name.startswith(_SHAPE_ONLY):
            break
    return "logits"


def _sentences(found: Found) -> tuple[str, ...]:
    run, tail, aux = found.seen.run, found.of("tail"), found.of("aux")
    how = "with real numbers" if run.how.real else "as shapes only, without computing"
    said = [f"A picture of {text_of(run.how.size)} went through the network {how}."]
    if run.how.force_grad:
        said.append("It runs part of itself without gradients; the way through that part was followed too.")
    for answer in found.answers:
        output = f" (output `{answer.name}`)" if answer.name else ""
        said.append(f"The network answers each picture with {counted(answer.classes, 'number')}{output}.")
    if found.pointed_at:
        said.append(f"You pointed at {_ticked(found.pointed_at)}.")
    back = "Going back from the answer, the first layer with one row of weights per class is"
    for one in found.of("head"):
        said.append(f"{back} `{one.path}` ({one.kind}, {one.in_features} → {one.classes}).")
        back = "On another way back it is"
    if tail:
        said.append(f"Between head and answer, {_ticked(one.path for one in tail)} is resized with it.")
    if aux:
        paths = _ticked(head_module.path for head_module in aux)
        said.append(f"{paths} also gives a score per class, as a help in training, and is replaced too.")
    if found.new_head:
        said.append("The network has no head of its own; a new one was added.")
    return tuple(said)


def _candidates(found: Found) -> tuple[Candidate, ...]:
    """The last layers of the network, and any other layer as wide as the answer, that are not the head."""
    run, record, answers = found.seen.run, found.seen.record, found.answers
    taken = {head_module.path for head_module in found.head_modules}
    taken |= {one.name for head_module in found.head_modules for one in head_module.resizes}
    classes = {answer.classes for answer in answers}
    heard = {name for leaf in record.leaves.values() for name in run.leaves.get(id(leaf), ())}
    behind = _names_behind_heads(run, record, answers)
    layers = [
        (f"{path}.{name}".lstrip("."), path, part, tuple(weight.shape))
        for path, part in found.module.named_modules()
        for name, weight in part._parameters.items()
        if weight is not None and weight.dim() >= 2
    ]
    free = [layer for layer in layers if not is_within(layer[0], taken)]
    wide = [layer for layer in free if classes & set(layer[3])]
    return tuple(
        Candidate(
            path=path or full,
            kind=plain_kind(part),
            shape=shape,
            reason=_reason(full, shape, classes, heard, behind),
        )
        for full, path, part, shape in list(dict.fromkeys([*free[-2:][::-1], *wide[::-1]]))[:_MOST_CANDIDATES]
    )


def _reason(name: str, shape: tuple[int, ...], classes: set[int], heard: set[str], behind: set[str]) -> str:
    if name not in heard:
        return "It plays no part in the answer."
    if name not in behind:
        return f"It is on the way to the answer, but has no {' or '.join(map(str, sorted(classes)))} rows."
    if classes & set(shape):
        return "It is as wide as the answer, but belongs to the body: its values go on into the head."
    return "It belongs to the body: its values go on into the head."


def _names_behind_heads(run: DryRun, record: AutogradRecord, answers: tuple[LogitsOutput, ...]) -> set[str]:
    """Parameters that a head's input depends on."""
    starts = [
        source
        for answer in answers
        for hit in answer.walk.heads
        for source in record.sources[hit.node]
        if source in record.from_image
    ]
    behind = record.upstream(starts)
    return {
        name
        for node in behind
        if node in record.leaves
        for name in run.leaves.get(id(record.leaves[node]), ())
    }


def _ticked(paths: Iterable[str]) -> str:
    return ", ".join(f"`{path}`" for path in paths)
