"""`headswap engines MODEL`: measure which engine runs this network's body fastest here, and remember it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.cli.verb import VerbAnswer, Verbs, new_verb

if TYPE_CHECKING:
    from headswap.features.autotune import EngineTimings

_IMAGES = 16


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "engines", run)
    sub.add_argument("model", help="a network; see `headswap models`")


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Time every engine of this machine; later runs take the fastest."""
    found = measured(choices.model, choices.workspace / "features")
    lines = [f"{'engine':32} ms per picture"]
    lines += [
        f"{name:32} {took:8.1f}{'  fastest' if name == found.fastest else ''}"
        for name, took in sorted(found.milliseconds.items(), key=lambda item: item[1])
    ]
    return VerbAnswer({"fastest": found.fastest, "milliseconds": found.milliseconds}, "\n".join(lines))


def measured(model: str, folder: Path) -> EngineTimings:
    """Measure on noise; what was found is remembered in the folder of the feature bank."""
    import numpy as np

    from headswap.features.autotune import measure
    from headswap.heads.detect import find_head
    from headswap.zoos.catalogue import load_network

    network = load_network(model)
    spec = network.input
    noise = np.random.default_rng(0).integers(
        0, 256, (_IMAGES, spec.height, spec.width, spec.channels), dtype=np.uint8
    )
    return measure(network, find_head(network), noise, folder)
