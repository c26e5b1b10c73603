"""What the inference process answers: which networks there are, their heads, predictions, heat-maps.

Flow:  question (JSON) --answer--> answer (JSON)

Runs in the child process of a `Desk`, the only home of interactive torch. The last few
bundles stay loaded, so a second prediction costs no loading.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from headswap.artefacts.heatmap import heat_map
from headswap.artefacts.prediction import Prediction
from headswap.artefacts.predictor import Bundle, load_bundle
from headswap.files import from_json, to_json
from headswap.inspection import Inspection, inspect_network
from headswap.network import NetworkCard
from headswap.zoos.catalogue import list_networks


@dataclass(frozen=True)
class AskModels:
    """Which networks have this in their name?"""

    pattern: str
    kind: Literal["models"] = "models"


@dataclass(frozen=True)
class AskInspection:
    """Where is the head of this network?"""

    model: str
    path: str | None
    weights: str | None = None  # the person's own weight file
    kind: Literal["inspect"] = "inspect"


@dataclass(frozen=True)
class AskPrediction:
    """What does this picture show?"""

    bundle: str
    picture: str
    kind: Literal["predict"] = "predict"


@dataclass(frozen=True)
class AskHeatMap:
    """What in this picture counted?"""

    bundle: str
    picture: str
    label: str | None  # the class to explain; None: the one it chose
    kind: Literal["heat-map"] = "heat-map"


Question = AskModels | AskInspection | AskPrediction | AskHeatMap


@dataclass(frozen=True)
class Cards:
    """Networks, in the order of their zoos."""

    cards: tuple[NetworkCard, ...]


def answer(question_json: str) -> str:
    """Answer one question; called in the child process."""
    question: Question = from_json(Question, question_json)
    match question:
        case AskModels(pattern):
            return to_json(Cards(list_networks(pattern or None)))
        case AskInspection(model, path, weights):
            inspection: Inspection = inspect_network(model, path=path, weights=weights)
            return to_json(inspection)
        case AskPrediction(bundle, picture):
            prediction: Prediction = _bundle(bundle).predict(Path(picture))
            return to_json(prediction)
        case AskHeatMap(bundle, picture, label):
            return to_json(heat_map(_bundle(bundle), Path(picture), label=label))


@lru_cache(maxsize=3)
def _bundle(path: str) -> Bundle:
    """A sealed bundle never changes, so its path is enough to know it by."""
    return load_bundle(path)
