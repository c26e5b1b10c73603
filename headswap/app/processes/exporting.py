"""Pack a run to be taken home, in a process of its own, step by step: the page tells how far it is.

Flow:  AskLayOut --answer--> LaidOut;  AskRoute, one by one --answer--> Route;  AskSeal --answer--> Check

Runs in a `ChildProcess`; it runs the zip's own programs in processes of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from headswap.bundle.format import read_dataset
from headswap.bundle.predictor import Bundle, load_bundle
from headswap.data.manifest import Manifest
from headswap.exports.package import LaidOut, bundle_route, lay_out, onnx_route, script_route, seal_up
from headswap.exports.parity import Route
from headswap.exports.teachable_machine import write_teachable_machine
from headswap.exports.webpage import write_page
from headswap.imports import import_libraries
from headswap.storage.records import read_record

RouteName = Literal["bundle", "predict.py", "model.onnx"]


@dataclass(frozen=True)
class AskLayOut:
    """Fill a new folder with everything that needs no measuring."""

    bundle: str
    folder: str
    dataset: str  # dataset.json of the run; its pictures may be gone
    kind: Literal["lay out"] = "lay out"


@dataclass(frozen=True)
class AskRoute:
    """Ask the network in one way, and compare."""

    bundle: str
    laid: LaidOut
    route: RouteName
    kind: Literal["way"] = "way"


@dataclass(frozen=True)
class AskSeal:
    """Write what was measured, and pack."""

    bundle: str
    laid: LaidOut
    routes: tuple[Route, ...]
    title: str
    target: str
    kind: Literal["seal"] = "seal"


@dataclass(frozen=True)
class AskPage:
    """Write a web page."""

    bundle: str
    target: str
    title: str
    kind: Literal["page"] = "page"


@dataclass(frozen=True)
class AskTeachableMachine:
    """Write the zip in Teachable Machine's format."""

    bundle: str
    target: str
    title: str
    dataset: str  # dataset.json of the run; its pictures may be gone
    kind: Literal["teachable machine"] = "teachable machine"


Question = AskLayOut | AskRoute | AskSeal | AskPage | AskTeachableMachine


def answer(question: Question) -> object:
    """Do one step; called in the child process."""
    import_libraries()
    source = Path(question.bundle)
    match question:
        case AskLayOut(_, folder, dataset):
            return lay_out(source, _bundle(question.bundle), Path(folder), _images(source, dataset))
        case AskRoute(_, laid, "bundle"):
            return bundle_route(_bundle(question.bundle), laid)
        case AskRoute(_, laid, "predict.py"):
            return script_route(laid)
        case AskRoute(_, laid, _):
            return onnx_route(_bundle(question.bundle), laid)
        case AskSeal(_, laid, routes, title, target):
            return seal_up(source, laid, routes, title=title, target=Path(target))
        case AskPage(_, target, title):
            return write_page(_bundle(question.bundle), source, Path(target), title=title)
        case AskTeachableMachine(_, target, title, dataset):
            bundle, manifest = _bundle(question.bundle), _images(source, dataset)
            return write_teachable_machine(bundle, Path(target), title=title, manifest=manifest)


def _images(source: Path, dataset: str) -> Manifest | None:
    """The pictures of the run, in the parts that they had in it."""
    if not Path(dataset).is_file():
        return None
    given: Manifest = read_record(Manifest, Path(dataset))
    return replace(read_dataset(source), root=given.root)


@lru_cache(maxsize=1)
def _bundle(path: str) -> Bundle:
    """A sealed bundle never changes, so its path is enough to know it by."""
    return load_bundle(path)
