"""Search autograd's graph of one forward pass backwards, from the output to the layer that made it.

Flow:  answer's grad_fn --record_of--> AutogradRecord --walk_back--> GraphWalk: the heads,
           and what came after them

A node of the record is one operation. The image reaches the answer along some nodes;
parameters hang on these at the side. Going back from the answer along the image's way,
as long as the values still are one per class, the first node on each way with a weight
matrix that has one row (or column) per class is a head.

Knows autograd nodes and shapes only: no modules, no names of layers.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from torch import Tensor
from torch.autograd.graph import Node

Shape: TypeAlias = tuple[int, ...]
_ENTRY_BY_ENTRY = ("AddBackward", "SubBackward", "RsubBackward", "MulBackward", "DivBackward", "PowBackward")


@dataclass(frozen=True, eq=False)
class AutogradRecord:
    """The nodes behind an answer, with the ones the image passes through."""

    sources: dict[Node, tuple[Node, ...]]  # what each node took in
    from_image: frozenset[Node]
    leaves: dict[Node, Tensor]  # nodes that stand for a parameter (or the image)

    def upstream(self, starts: Iterable[Node]) -> set[Node]:
        """Every node that the given ones depend on, themselves included."""
        seen: set[Node] = set()
        waiting = list(starts)
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting.extend(self.sources[node])
        return seen


@dataclass(frozen=True, eq=False)
class Use:
    """One parameter at the side of a node: its stand-in, and the operation that takes it in."""

    leaf: Tensor
    consumer: str  # name of the operation, e.g. "AddmmBackward0"
    input_index: int  # which of the operation's inputs it is
    is_weight: bool = False  # whether it turns features into classes, and is not one number per class


@dataclass(frozen=True, eq=False)
class Hit:
    """A node where parameters with one entry per class meet the image's way."""

    node: Node
    shape: Shape  # of what the node gives
    uses: tuple[Use, ...]  # the parameters at its side that have one entry, row or slice per class
    after: tuple[str, ...]  # operations between this node and the answer, nearest to the answer first
    passes: bool = False  # whether what came before already had one entry per class, and goes through unmixed


@dataclass(frozen=True, eq=False)
class GraphWalk:
    """What was met on the way back from one answer."""

    heads: tuple[Hit, ...]
    tail: tuple[Hit, ...]  # between a head and the answer: norms, scales and biases, one entry per class
    path_nodes: frozenset[Node]  # nodes between a head and the answer
    met: frozenset[int]  # ids of all stand-ins at the side of the way, whatever their shape


def record_of(answers: Iterable[Tensor], image: Tensor | None) -> AutogradRecord:
    """Read autograd's record of all answers at once."""
    sources: dict[Node, tuple[Node, ...]] = {}
    leaves: dict[Node, Tensor] = {}
    from_image: set[Node] = set()
    waiting = [(answer.grad_fn, False) for answer in answers if answer.grad_fn is not None]
    while waiting:
        node, sources_done = waiting.pop()
        if sources_done:
            if (node in leaves and leaves[node] is image) or not from_image.isdisjoint(sources[node]):
                from_image.add(node)
        elif node not in sources:
            taken = tuple(source for source, _ in node.next_functions if source is not None)
            sources[node] = taken
            if (leaf := getattr(node, "variable", None)) is not None:
                leaves[node] = leaf
            waiting.append((node, True))
            waiting.extend((source, False) for source in taken if source not in sources)
    return AutogradRecord(sources, frozenset(from_image), leaves)


def walk_back(record: AutogradRecord, answer: Tensor, wanted: frozenset[int] | None = None) -> GraphWalk:
    """Find the heads behind one answer of shape (B, classes).

    Args:
        record: what autograd wrote down, the answer included.
        answer: (B, classes).
        wanted: ids of the only stand-ins that may be heads; None: any.
    """
    walk = _walk(record, answer, wanted, _is_matrix)
    return walk if walk.heads else _walk(record, answer, wanted, _is_column)


def _walk(
    record: AutogradRecord,
    answer: Tensor,
    wanted: frozenset[int] | None,
    is_weight: Callable[[Shape, int], bool],
) -> GraphWalk:
    batch, classes = answer.shape[0], answer.shape[-1]
    heads: list[Hit] = []
    tail: list[Hit] = []
    met: set[int] = set()
    after: dict[Node, tuple[str, ...]] = {answer.grad_fn: ()} if answer.grad_fn else {}
    waiting = deque(after)
    while waiting:
        node = waiting.popleft()
        shape = given_shape(node)
        if shape is not None and not _one_per_class(shape, classes, batch):
            continue
        uses = _uses(record, node)
        met.update(id(use.leaf) for use in uses)
        classwise = tuple(
            replace(use, is_weight=is_weight(tuple(use.leaf.shape), classes))
            for use in uses
            if classes in use.leaf.shape
        )
        hit = Hit(node, shape or (), classwise, after[node])
        weights = {id(use.leaf) for use in classwise if use.is_weight}
        sources = record.sources[node]
        if weights and (wanted is None or weights & wanted):
            passes = node.name().startswith(_ENTRY_BY_ENTRY)
            sources = tuple(source for source in sources if passes and given_shape(source) == shape)
            heads.append(replace(hit, passes=bool(sources)))
        elif classwise and not weights:
            tail.append(hit)
        for source in sources:
            if source in record.from_image and source not in after:
                after[source] = (*after[node], node.name())
                waiting.append(source)
    nodes = {hit.node for hit in heads}
    path_nodes = frozenset(node for node in after if not nodes.isdisjoint(record.upstream([node])))
    return GraphWalk(
        tuple(heads), tuple(hit for hit in tail if hit.node in path_nodes), path_nodes, frozenset(met)
    )


def leaves_behind(answers: Iterable[Tensor]) -> set[int]:
    """Ids of every tensor that would get a gradient from these answers."""
    record = record_of(answers, image=None)
    return {id(leaf) for leaf in record.leaves.values()}


def feed_each_other(record: AutogradRecord, heads: Iterable[Hit]) -> bool:
    """Whether one of the heads depends on another: then they are a residual stream, not heads."""
    nodes = {hit.node for hit in heads if not hit.passes}
    return len(nodes) > 1 and any(
        not nodes.isdisjoint(record.upstream(record.sources[node])) for node in nodes
    )


def _is_matrix(shape: Shape, classes: int) -> bool:
    """Whether a parameter has many numbers per class, not one."""
    return len(shape) >= 2 and classes in shape and math.prod(shape) > classes


def _is_column(shape: Shape, classes: int) -> bool:
    """Whether a parameter is a weight for a single feature: (classes, 1)."""
    return len(shape) >= 2 and classes in shape


def given_shape(node: Node) -> Shape | None:
    """Shape of what an operation gave; None when autograd does not say."""
    metadata = getattr(node, "_input_metadata", None)
    return tuple(metadata[0].shape) if metadata else None


def _one_per_class(shape: Shape, classes: int, batch: int) -> bool:
    """Whether one dimension, the batch apart, has the length of the answer (or batch and classes in one)."""
    inner = shape[1:] if shape[:1] == (batch,) else shape
    return classes in inner or batch * classes in inner


def _uses(record: AutogradRecord, node: Node) -> list[Use]:
    """The parameters that reach a node without the image, through any arithmetic of their own."""
    found: dict[int, Use] = {}
    seen: set[Node] = set()
    waiting = [node]
    while waiting:
        consumer = waiting.pop()
        for index, (source, _) in enumerate(consumer.next_functions):
            if source is None or source in record.from_image or source in seen:
                continue
            seen.add(source)
            leaf = record.leaves.get(source)
            if leaf is None:
                waiting.append(source)
            else:
                found.setdefault(id(leaf), Use(leaf, consumer.name(), index))
    return list(found.values())
