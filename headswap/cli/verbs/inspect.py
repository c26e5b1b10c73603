"""`headswap inspect MODEL`: where the head of a network is, and how that is known."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from headswap.cli.verb import VerbAnswer, Verbs, add_network, new_verb
from headswap.heads.site import HeadLayer


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "inspect", run)
    sub.add_argument("model", help="a network; see `headswap models`")
    add_network(sub)


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Find the head of a network and say how."""
    from headswap.pipeline.api import inspect

    found = inspect(choices.model, head=choices.head, weights=choices.weights)
    card, site = found.card, found.site
    heads = _heads(site.layers, site.num_classes)
    aux_heads = _heads(site.aux_layers, site.num_classes)
    record = {
        "model": card.name,
        "zoo": card.zoo,
        "heads": heads,
        "aux_heads": aux_heads,
        "input_size": list(card.input.size),
        "mean": list(card.input.mean),
        "std": list(card.input.std),
        "parameters": found.backbone_parameters + found.head_parameters,
        "head_parameters": found.head_parameters,
        "weights": card.weights.text,
        "licence": card.licence,
        "new_head": site.new_head,
        "evidence": list(site.evidence),
        "candidates": [
            {"path": other.path, "kind": other.kind, "reason": other.reason} for other in site.candidates
        ],
        "metadata": site.metadata,
        "metadata_agrees": site.metadata_agrees,
    }
    lines = [f"{card.full_name}: {record['parameters']:,} parameters, {card.weights.text}"]
    lines += [f"  head {_arrow(head)}" for head in heads]
    lines += [f"  head {_arrow(head)} (only while it is trained)" for head in aux_heads]
    lines += [f"  - {sentence}" for sentence in site.evidence]
    return VerbAnswer(record, "\n".join(lines))


def _heads(layers: Sequence[HeadLayer], classes: int) -> list[dict[str, Any]]:
    return [
        {"path": one.path, "kind": one.kind, "in_features": one.in_features, "out_features": classes}
        for one in layers
    ]


def _arrow(head: dict[str, Any]) -> str:
    return f"{head['path']}: {head['kind']} {head['in_features']} -> {head['out_features']}"
