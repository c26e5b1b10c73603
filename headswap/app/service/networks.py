"""Networks as the page knows them: their cards, and what opening one up showed.

Flow:  name --Networks.inspect--> Inspection, from the disk when it was opened here before

An architecture does not change, so it is opened up once per machine and version of the
libraries; a page that is loaded again shows the head without loading torch. The weights are
not part of that: a card says each time whether they are here.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import get_args
from urllib.parse import urlsplit

from headswap.app.processes.child import ChildProcess
from headswap.app.processes.inference import AskCards, AskFetched, AskInspection, AskModels, Cards, Fetched
from headswap.errors import BundleDamaged, HeadswapError
from headswap.network import NetworkCard
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.pipeline.inspect import Inspection
from headswap.storage.files import from_json, to_json, write_text
from headswap.threads import machine_text
from headswap.training.config import Depth, TrainConfig
from headswap.training.finetune.plan import ABOVE_THE_CUT, FORWARD, NORMS, Costs, likely_seconds
from headswap.zoos.hub import is_reachable

# How long a training will take, before it begins: from the pace of this network on this machine, and what a
# search probably does (headswap/training/finetune/plan.py).

_START_S = 2.0  # loading the network, reading pictures, exam, saving


def training_s(
    config: TrainConfig, *, images: int, test_share: float, image_ms: float, train_ms: float
) -> float:
    """Seconds that a whole run will probably take, no longer than its time budget.

    Args:
        config: what may move, and how long.
        images: practice and exam together.
        test_share: of them, locked away.
        image_ms: one picture through the network, milliseconds.
        train_ms: the same and back, milliseconds a picture.
    """
    forward_passes = 3 if config.chooses_preprocessing else 2 if config.flip else 1
    seconds = _START_S + images * image_ms / 1000.0 * forward_passes
    if config.depth != "head":
        train, finetune, train_s = images * (1 - test_share), config.finetune, train_ms / 1000.0
        costs = Costs(
            image={"everything": train_s, "norms": train_s * NORMS, "last": train_s * ABOVE_THE_CUT},
            setup={"last": (images + finetune.crops * train) * train_s * FORWARD},
            rest=round(train * (1 - finetune.validation_share)), every=round(train),
        )  # fmt: skip
        seconds += likely_seconds(config.depth, finetune, costs)
    return seconds if config.budget_s is None else min(seconds, config.budget_s)


TO_START_WITH = (
    ("Small", "tf_efficientnet_lite0"),
    ("Light", "timm/mobilenetv4_conv_medium"),
    ("Balanced", "timm/tiny_vit_11m_224"),
    ("Strong", "timm/tiny_vit_21m_224"),
)
_LIBRARIES = ("headswap", "torch", "torchvision", "timm", "transformers")
REACH_S = 4.0  # a server that has not answered by then would not send many megabytes either
_FORM = 4  # of what is kept; another number forgets it all
LISTED_S = 60.0  # for so long a list of all networks is given again: a class that searches asks thirty times


@dataclass(frozen=True, kw_only=True)
class TakenRun:
    """A run on this machine that went to its end, and how long that took."""

    experiment: Experiment
    images: int  # practised on and examined
    seconds: float


class Networks:
    """What is asked about networks that are not taught yet."""

    def __init__(
        self, child: ChildProcess, folder: Path, is_busy: Callable[[], bool] = lambda: False
    ) -> None:
        """Keep in `folder` what opening a network up showed; safe to delete."""
        self._child, self._folder, self._is_busy = child, folder, is_busy
        self._meanwhile: dict[Path, Inspection] = {}
        self._opening: threading.Thread | None = None  # of the network that most people begin with
        self._listing, self._listed_at, self._listed = threading.Lock(), 0.0, tuple[NetworkCard, ...]()

    def models(self) -> tuple[NetworkCard, ...]:
        """Every network; weights that came or went in the last minute may not be known yet."""
        with self._listing:  # who asks meanwhile gets the same list
            if not self._listed or time.monotonic() - self._listed_at > LISTED_S:
                self._listed, self._listed_at = self._cards(AskModels()), time.monotonic()
            return self._listed

    def cards(self, names: tuple[str, ...]) -> tuple[NetworkCard, ...]:
        """The cards of a few networks, in their order; cheaper than listing all."""
        return self._cards(AskCards(names))

    def fetched_bytes(self) -> int:
        """What all fetched weights take on the disk of this machine."""
        return self._child.ask(AskFetched(), Fetched).size_bytes

    def inspect(self, model: str, path: str | None = None, weights: Path | None = None) -> Inspection:
        """Open a network up; with `path`, take that layer as its head."""
        cache_path = self._cache_path(model, path, weights)
        busy = self._is_busy()
        kept = _read(cache_path) or (self._meanwhile.get(cache_path) if busy else None)
        if kept is not None:
            return kept
        question = AskInspection(model, path or None, str(weights) if weights else None)
        found = self._child.ask(question, Inspection)
        if busy or self._is_busy():
            self._meanwhile[cache_path] = found
            return found
        self._folder.mkdir(parents=True, exist_ok=True)
        write_text(cache_path, to_json(found))
        return found

    def out_of_reach(self, model: str) -> str:
        """Why the weights of a network could not be fetched now, a sentence; empty when nothing is amiss."""
        card = self.cards((model,))[0]
        weights = card.weights
        if weights.state != "to fetch" or is_reachable(weights.source, timeout_s=REACH_S):
            return ""
        host = urlsplit(weights.source).netloc or weights.source.partition("/")[0]
        return f"The weights of {card.name} are not on this machine, and {host} does not answer."

    def image_ms(self, model: str) -> float | None:
        """How long one picture takes here; None when this network was not opened up here yet."""
        kept = _read(self._cache_path(model, None, None))
        return kept.image_ms if kept else None

    def training_seconds(self, model: str, images: int, taken: Sequence[TakenRun] = ()) -> dict[Depth, float]:
        """How long each way of teaching would take, as runs before it took; empty while it cannot be told."""
        seconds: dict[Depth, float] = {}
        for depth in get_args(Depth):
            rough = self._rough_s(model, TrainConfig(depth=depth), images)
            if rough is not None:
                same = [run for run in taken if run.experiment.train.depth == depth]
                told = [(run.seconds, self._rough_of(run)) for run in same]
                factors = [took / rough_then for took, rough_then in told if rough_then]
                seconds[depth] = rough * (median(factors) if factors else 1.0)
        return seconds

    def _rough_of(self, run: TakenRun) -> float | None:
        return self._rough_s(run.experiment.model, run.experiment.train, run.images)

    def _rough_s(self, model: str, config: TrainConfig, images: int) -> float | None:
        path = self._cache_path(model, None, None)
        found = _read(path) or self._meanwhile.get(path)
        if not found or not found.image_ms or not found.train_ms or not images:
            return None
        return training_s(
            config, images=images, test_share=DataConfig.test_share, image_ms=found.image_ms,
            train_ms=found.train_ms,
        )  # fmt: skip

    def warm(self, model: str) -> None:
        """Start the process that answers, and open one network up that most people begin with."""
        self._child.warm()
        if _read(self._cache_path(model, None, None)) is None:
            self._opening = threading.Thread(target=self._open_quietly, args=(model,), daemon=True)
            self._opening.start()

    def after_the_first(self, call: Callable[[], None]) -> None:
        """Do something when the first network has been opened: before, it would only be in the way."""
        opening = self._opening
        if opening is None or not opening.is_alive():
            call()
            return

        def wait() -> None:
            opening.join()
            call()

        threading.Thread(target=wait, daemon=True).start()

    def _open_quietly(self, model: str) -> None:
        with suppress(HeadswapError):  # anyone who asks for it later hears why
            self.inspect(model)

    def _cards(self, question: AskModels | AskCards) -> tuple[NetworkCard, ...]:
        return self._child.ask(question, Cards).cards

    def _cache_path(self, model: str, path: str | None, weights: Path | None) -> Path:
        parts = [str(_FORM), machine_text(), *_versions(), model, path or ""]
        if weights is not None:
            parts += [str(weights), str(weights.stat().st_mtime_ns)]
        text = chr(0).join(parts).encode("utf-8", "backslashreplace")
        return self._folder / f"{hashlib.sha256(text).hexdigest()[:32]}.json"


def _read(path: Path) -> Inspection | None:
    if not path.is_file():
        return None
    try:
        kept: Inspection = from_json(Inspection, path.read_bytes())
    except BundleDamaged:  # cut short, or of another version: open it up again
        return None
    return kept


@cache
def _versions() -> tuple[str, ...]:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return tuple(found)
