"""What the inference process answers: which networks there are, their heads, predictions, heat-maps, labels.

Flow:  question --answer--> answer; both are records

Runs in a `ChildProcess`, the only home of interactive torch. The last few
bundles stay loaded, so a second prediction costs no loading.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from headswap.bundle.heatmap import heat_map
from headswap.bundle.prediction import Prediction
from headswap.bundle.predictor import Bundle, load_bundle
from headswap.data.decode import ImageLimits
from headswap.imports import import_libraries
from headswap.network import NetworkCard
from headswap.pipeline.inspect import inspect_network
from headswap.training.label_advice import LabelAdvice
from headswap.zoos.catalogue import describe_network, fetched_bytes, list_networks


@dataclass(frozen=True)
class AskModels:
    """Which networks are there?"""

    kind: Literal["models"] = "models"


@dataclass(frozen=True)
class AskInspection:
    """Where is the head of this network?"""

    model: str
    path: str | None
    weights: str | None = None  # the person's own weight file
    kind: Literal["inspect"] = "inspect"


@dataclass(frozen=True)
class AskCards:
    """What is known of these few networks?"""

    names: tuple[str, ...]
    kind: Literal["cards"] = "cards"


@dataclass(frozen=True)
class AskFetched:
    """How much room do fetched weights take?"""

    kind: Literal["fetched"] = "fetched"


@dataclass(frozen=True)
class AskPredictions:
    """What do these pictures show? All of them run through the network at once."""

    bundle: str
    images: tuple[str, ...]  # paths
    kind: Literal["predict"] = "predict"


@dataclass(frozen=True)
class PredictCameraImage:
    """What does this picture of a camera show? It is never written to the disk."""

    bundle: str
    image_base64: str
    kind: Literal["frame"] = "frame"


@dataclass(frozen=True)
class AskHeatMap:
    """What in this picture counted?"""

    bundle: str
    image: str
    label: str | None  # the class to explain; None: the one it chose
    kind: Literal["heat-map"] = "heat-map"


@dataclass(frozen=True)
class EmbedUnlabelled:
    """Let the body see some images that no one has sorted; `count` 0: all were seen, group them."""

    dataset: str
    start: int
    count: int
    model: str
    head_path: str | None = None
    weights: str | None = None  # the person's own weight file
    kind: Literal["look"] = "look"


@dataclass(frozen=True)
class AskAdvice:
    """What should a person be asked about these images?"""

    dataset: str
    labels: tuple[int, ...]  # of each image; -1: no one has said
    skipped: tuple[int, ...] = ()
    kind: Literal["advice"] = "advice"


@dataclass(frozen=True, kw_only=True)
class AskEdit:
    """Give a bundle other classes; what is added was read before and lies in folders of classes."""

    bundle: str
    out: str  # the new bundle; must not exist
    add: str  # a folder; empty: nothing is added
    remove: tuple[str, ...]
    merge: dict[str, tuple[str, ...]]
    rename: dict[str, str]
    workspace: str
    absent: tuple[str, ...] = ()  # new labels that no old picture has
    kind: Literal["edit"] = "edit"


# What comes here is ours, or a reader's clean copy: a large picture without compression.
_READ_BEFORE = ImageLimits(size_bytes=2**40, memory_bytes=0)

Question = (
    AskModels
    | AskCards
    | AskFetched
    | AskInspection
    | AskPredictions
    | PredictCameraImage
    | AskHeatMap
    | EmbedUnlabelled
    | AskAdvice
    | AskEdit
)


@dataclass(frozen=True)
class Cards:
    """Networks, in the order of their zoos."""

    cards: tuple[NetworkCard, ...]


@dataclass(frozen=True)
class Fetched:
    """What lies in the folders that weights are fetched to."""

    size_bytes: int


@dataclass(frozen=True)
class EditSummary:
    """What came of other classes for a bundle."""

    changes: tuple[str, ...]  # in words
    left_out: tuple[str, ...]  # files that were not used, each with its reason
    seconds: float


@dataclass(frozen=True)
class BatchPredictions:
    """Answers, in the order of the pictures."""

    predictions: tuple[Prediction, ...]


def answer(question: Question) -> object:
    """Answer one question; called in the child process."""
    import_libraries()
    match question:
        case AskModels():
            return Cards(list_networks())
        case AskInspection(model, path, weights):
            return inspect_network(model, path=path, weights=weights)
        case AskCards(names):
            return Cards(tuple(describe_network(name) for name in names))
        case AskFetched():
            return Fetched(fetched_bytes())
        case AskPredictions(bundle, images):
            found = _bundle(bundle).predict_many(Path(image) for image in images)
            return BatchPredictions(tuple(found))
        case PredictCameraImage(bundle, image):
            return _bundle(bundle).predict(b64decode(image))
        case AskHeatMap(bundle, image, label):
            return heat_map(_bundle(bundle), Path(image), label=label)
        case EmbedUnlabelled() | AskAdvice():
            return _answer_about_unlabelled(question)
        case AskEdit():
            return _edited(question)


def _edited(question: AskEdit) -> EditSummary:
    from headswap.pipeline.edit import edit  # loads torch

    done = edit(
        question.bundle, question.out, add=question.add or (), remove=question.remove, merge=question.merge,
        rename=question.rename, absent=question.absent, workspace=question.workspace,
    )  # fmt: skip
    left = tuple(f"{one.file}: {one.reason}" for one in done.left_out)
    return EditSummary(changes=done.changes, left_out=left, seconds=done.seconds)


def _answer_about_unlabelled(question: EmbedUnlabelled | AskAdvice) -> LabelAdvice | None:
    from headswap.pipeline.labelling import advise_on, write_clusters, write_features  # loads torch

    dataset = Path(question.dataset)
    if isinstance(question, AskAdvice):
        return advise_on(dataset, question.labels, question.skipped)
    if question.count:
        write_features(
            dataset, question.start, question.count, model=question.model,
            head_path=question.head_path, weights=question.weights,
        )  # fmt: skip
    else:
        write_clusters(dataset)
    return None


@lru_cache(maxsize=3)
def _bundle(path: str) -> Bundle:
    """A sealed bundle never changes, so its path is enough to know it by."""
    return replace(load_bundle(path), limits=_READ_BEFORE)
