"""`headswap models [PATTERN]`: every architecture that the zoos know."""

from __future__ import annotations

import argparse

from headswap.cli.verb import VerbAnswer, Verbs, new_verb


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "models", run)
    sub.add_argument("pattern", nargs="?", help="part of a name, or a pattern such as 'resnet*'")


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Every architecture that the zoos know."""
    from headswap.pipeline.api import models

    cards = models(choices.pattern)
    rows = [
        {
            "name": card.name,
            "zoo": card.zoo,
            "parameters": card.parameters,
            "input_size": list(card.input.size),
            "weights": card.weights.text,
            "licence": card.licence,
        }
        for card in cards
    ]
    lines = [f"{'name':44} {'zoo':12} {'parameters':>12} {'input':>11}  weights"]
    for card in cards:
        count = f"{card.parameters:,}" if card.parameters else "not stated"
        size = f"{card.input.height}x{card.input.width}"
        lines.append(f"{card.name:44} {card.zoo:12} {count:>12} {size:>11}  {card.weights.text}")
    return VerbAnswer({"models": rows}, "\n".join(lines))
