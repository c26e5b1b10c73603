"""headswap turns any pretrained image classifier into your own.

    import headswap

    network = headswap.load_network("tf_efficientnet_lite0")
    print(headswap.find_head(network).paths)        # ('classifier',)
    outcome = headswap.train("pictures/")           # a folder of class folders, or a zip
    print(headswap.predict(outcome.bundle, "new.jpg").answers[0].label)

Importing headswap loads no torch; the first call that needs it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headswap.errors import Cancelled, FinishEarly, HeadswapError
from headswap.version import __version__ as __version__

if TYPE_CHECKING:
    from headswap.bundle.evaluate import BundleEvaluation
    from headswap.bundle.prediction import Prediction
    from headswap.bundle.predictor import Bundle, load_bundle
    from headswap.data.film_link import FetchedFilm, film
    from headswap.data.manifest import Manifest
    from headswap.evaluation.report import Report
    from headswap.events import Listener
    from headswap.exports.export import export
    from headswap.exports.parity import ParityCheck
    from headswap.heads.detect import find_head
    from headswap.heads.site import HeadSite
    from headswap.heads.swap import SwapRecord, swap_head
    from headswap.lessons.catalogue import lesson
    from headswap.lessons.lesson import LessonResult
    from headswap.network import Network, NetworkCard
    from headswap.pipeline.api import Predictions, check, evaluate, inspect, models, predict, teach, train
    from headswap.pipeline.compare import compare
    from headswap.pipeline.comparison import Comparison, ComparisonRow, Race
    from headswap.pipeline.edit import EditOutcome, edit
    from headswap.pipeline.experiment import DataConfig, Experiment
    from headswap.pipeline.inspect import Inspection
    from headswap.pipeline.label import LabelRow, LabelTable, label
    from headswap.pipeline.many import SortedImages, sort
    from headswap.pipeline.run import Outcome, run_experiment
    from headswap.training.config import FinetuneConfig, TrainConfig
    from headswap.zoos.catalogue import load_network
    from headswap.zoos.zoo import ZooSettings

__all__ = [
    "Bundle",
    "BundleEvaluation",
    "Cancelled",
    "Comparison",
    "ComparisonRow",
    "DataConfig",
    "EditOutcome",
    "Experiment",
    "FetchedFilm",
    "FinetuneConfig",
    "FinishEarly",
    "HeadSite",
    "HeadswapError",
    "Inspection",
    "LabelRow",
    "LabelTable",
    "LessonResult",
    "Listener",
    "Manifest",
    "Network",
    "NetworkCard",
    "Outcome",
    "ParityCheck",
    "Prediction",
    "Predictions",
    "Race",
    "Report",
    "SortedImages",
    "SwapRecord",
    "TrainConfig",
    "ZooSettings",
    "check",
    "compare",
    "edit",
    "evaluate",
    "export",
    "film",
    "find_head",
    "inspect",
    "label",
    "lesson",
    "load_bundle",
    "load_network",
    "models",
    "predict",
    "run_experiment",
    "sort",
    "swap_head",
    "teach",
    "train",
]

_HOMES = {
    "Bundle": "headswap.bundle.predictor",
    "BundleEvaluation": "headswap.bundle.evaluate",
    "Comparison": "headswap.pipeline.comparison",
    "ComparisonRow": "headswap.pipeline.comparison",
    "DataConfig": "headswap.pipeline.experiment",
    "EditOutcome": "headswap.pipeline.edit",
    "Experiment": "headswap.pipeline.experiment",
    "FetchedFilm": "headswap.data.film_link",
    "FinetuneConfig": "headswap.training.config",
    "HeadSite": "headswap.heads.site",
    "Inspection": "headswap.pipeline.inspect",
    "LabelRow": "headswap.pipeline.label",
    "LabelTable": "headswap.pipeline.label",
    "LessonResult": "headswap.lessons.lesson",
    "Listener": "headswap.events",
    "Manifest": "headswap.data.manifest",
    "Network": "headswap.network",
    "NetworkCard": "headswap.network",
    "Outcome": "headswap.pipeline.run",
    "ParityCheck": "headswap.exports.parity",
    "Prediction": "headswap.bundle.prediction",
    "Predictions": "headswap.pipeline.api",
    "Race": "headswap.pipeline.comparison",
    "Report": "headswap.evaluation.report",
    "SortedImages": "headswap.pipeline.many",
    "SwapRecord": "headswap.heads.swap",
    "TrainConfig": "headswap.training.config",
    "ZooSettings": "headswap.zoos.zoo",
    "check": "headswap.pipeline.api",
    "compare": "headswap.pipeline.compare",
    "edit": "headswap.pipeline.edit",
    "evaluate": "headswap.pipeline.api",
    "export": "headswap.exports.export",
    "film": "headswap.data.film_link",
    "find_head": "headswap.heads.detect",
    "inspect": "headswap.pipeline.api",
    "label": "headswap.pipeline.label",
    "lesson": "headswap.lessons.catalogue",
    "load_bundle": "headswap.bundle.predictor",
    "load_network": "headswap.zoos.catalogue",
    "models": "headswap.pipeline.api",
    "predict": "headswap.pipeline.api",
    "run_experiment": "headswap.pipeline.run",
    "sort": "headswap.pipeline.many",
    "swap_head": "headswap.heads.swap",
    "teach": "headswap.pipeline.api",
    "train": "headswap.pipeline.api",
}


def __getattr__(name: str) -> Any:  # PEP 562: load a room when someone enters it
    if name not in _HOMES:
        raise AttributeError(f"module 'headswap' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
