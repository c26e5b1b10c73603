"""The pictures and the network that an experiment works with; everything costly is kept.

Flow:  LessonConfig --Material--> labels, inputs (N, H, W, C), features (N, D), draws, fresh networks

Features go through the same bank as in teaching, so that a second run reads them from disk.
An experiment that breaks a network breaks a copy.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from headswap.counted import counted
from headswap.data.ingest import ingest
from headswap.data.manifest import ImageRecord, Manifest
from headswap.data.split import split
from headswap.data.store import reread
from headswap.data.transforms import prepare, to_float, wanted_px
from headswap.data.upload import store_for
from headswap.errors import BadSetting, BadUpload, TooFewImages
from headswap.events import Listener, Progress, silent
from headswap.features.bank import fill_bank
from headswap.features.engines import choose_engine
from headswap.features.extractor import Extractor
from headswap.heads.detect import find_head
from headswap.heads.site import HeadSite
from headswap.heads.wide import find_taps, widen
from headswap.lessons.config import LessonConfig
from headswap.lessons.loop import LessonImages
from headswap.lessons.time_budget import (
    TIMED,
    ImageArray,
    LessonTraining,
    how_to_train,
    images_to_see,
    seconds_to_see,
    seconds_to_train,
)
from headswap.network import InputSpec, Network
from headswap.storage.locations import sample_folder
from headswap.storage.records import read_record
from headswap.training.config import TrainConfig
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.solver import SolvedHead, fit_head
from headswap.zoos.catalogue import load_network

SAMPLE = sample_folder() / "train"
TEST_SHARE = 0.25
_DATASET = "dataset.json"  # what a page keeps of a project's pictures
_LEAST = 24  # pictures, however slow a network is
_FEWEST = 4  # pictures of a class, so that practice and exam each get some
_NUMBER_S = 5e-8  # of each number of a network, in an experiment that teaches it whole; measured on two cores
_PENALTY = 0.1  # of the solved heads: the same in every arm of a comparison

Draw = tuple[Tensor, Tensor]  # rows of practice, rows of the exam


class Material:
    """What the experiments of one setting share."""

    def __init__(self, setting: LessonConfig, workspace: Path, listener: Listener = silent) -> None:
        self.setting, self.workspace, self.listener = setting, workspace, listener
        self.begin()
        self._pixels: dict[InputSpec, ImageArray] = {}
        self._features: dict[InputSpec, Tensor] = {}  # of unchanged pictures

    def with_setting(self, setting: LessonConfig) -> Material:
        """For another setting, with no listener yet; the same network and the sample are not read again."""
        other, last = Material(setting, self.workspace), self.setting
        if (last.model, last.weights) == (setting.model, setting.weights) and "network" in vars(self):
            other.network = self.network
        if not last.data and not setting.data and "_whole" in vars(self):  # a folder may have changed
            other._whole = self._whole
        return other

    def begin(self) -> None:
        """An experiment begins: its seconds are counted from now, and how it practises is not settled yet."""
        self._began = time.perf_counter()
        self._train: LessonTraining | None = None

    @cached_property
    def network(self) -> Network:
        """The pretrained network, never changed; break a `fresh` one."""
        weights = Path(self.setting.weights) if self.setting.weights else None
        network = load_network(self.setting.model, weights=weights, listener=self.listener)
        network.module.eval()
        return network

    @cached_property
    def site(self) -> HeadSite:
        """Its head: one linear layer, or these experiments would not show what they say."""
        site = find_head(self.network, head=self.setting.head or None)
        if [layer.kind for layer in site.layers] != ["Linear"] or site.tail_paths:
            heads = ", ".join(f"{layer.path} ({layer.kind})" for layer in site.layers)
            raise BadSetting(
                f"The head of {self.network.name} is not one linear layer: {heads}.",
                remedy="Choose a network such as tf_efficientnet_lite0 or resnet18 for the experiments.",
            )
        return site

    @property
    def spec(self) -> InputSpec:
        return self.network.input

    @cached_property
    def small(self) -> InputSpec:
        """The same glasses for smaller pictures, where the network takes them."""
        px = self.setting.small_px
        if px >= min(self.spec.height, self.spec.width):
            return self.spec
        small = self.spec.sized(px)
        try:
            with torch.inference_mode():
                self.network.module(torch.zeros(2, *small.size))
        except (RuntimeError, ValueError, AssertionError):  # transformers insist on one size
            return self.spec
        return small

    def fresh(self) -> Network:
        """A copy of the pretrained network, to be changed at will."""
        return replace(self.network, module=copy.deepcopy(self.network.module))

    @property
    def _seconds(self) -> float:
        """What is left for pictures when a network is made, copied and fingerprinted as well."""
        numbers = sum(value.numel() for value in self.network.module.parameters())
        return max(1.0, self.setting.seconds - _NUMBER_S * numbers)

    @cached_property
    def _train_s(self) -> float:
        return seconds_to_train(self.fresh(), self.site, self.small)

    @property
    def train(self) -> LessonTraining:
        """Passes and pictures where the whole network is taught: the same for every arm of an experiment."""
        if self._train is None:
            image_s, rows = self._train_s, len(self.draws[0][0])
            left_s = max(1.0, self._seconds - (time.perf_counter() - self._began))
            self._train = how_to_train(left_s, image_s, images=rows, most=self.setting.epochs)
        return self._train

    def data(self, inputs: Tensor | None = None) -> LessonImages:
        """The pictures of experiments that teach a whole network: the small ones unless others are given."""
        train, test = self.draws[0]
        return LessonImages(
            inputs=self.inputs(self.small) if inputs is None else inputs,
            labels=self.labels,
            train=train[:: self.train.every],
            test=test,
        )

    @cached_property
    def _whole(self) -> Manifest:
        """All pictures there are."""
        source = Path(self.setting.data) if self.setting.data else SAMPLE
        if not source.exists():
            raise BadUpload(f"There is nothing at {source}.", remedy="Name a folder of class folders.")
        if source.name == _DATASET and source.is_file():
            kept: Manifest = read_record(Manifest, source)
            return kept
        store = store_for(source, self.workspace)
        return ingest(source, store=store, listener=self.listener).manifest

    @cached_property
    def _most(self) -> int:
        """How many of the pictures there is time for: a few are looked at."""
        images = self._whole.images
        few = images[:: max(1, len(images) // TIMED)][:TIMED]
        inputs = np.stack([prepare(reread(self._whole, one, wanted_px(self.spec)), self.spec) for one in few])
        image_s = seconds_to_see(Extractor(self.network, self.site, choose_engine()), inputs)
        most = self.setting.most_images
        return images_to_see(self._seconds, image_s, least=min(_LEAST, most), most=most)

    @cached_property
    def manifest(self) -> Manifest:
        """The pictures, at most `most_images` of them, evenly from every class; fewer of a slow network."""
        whole = self._whole
        name = "the sample set" if not self.setting.data else whole.name
        each = max(_FEWEST, self._most // len(whole.classes))
        met: Counter[str] = Counter()
        kept: list[ImageRecord] = []
        for image in whole.images:
            met[image.class_name] += 1
            if met[image.class_name] <= each:
                kept.append(replace(image, given_part=None))  # practice and exam are drawn here
        few = [name for name, count in met.items() if count < _FEWEST]
        if few:
            raise TooFewImages(
                f"{', '.join(few[:3])}: fewer than {_FEWEST} pictures.",
                remedy=f"Give each class at least {_FEWEST}, or leave it out.",
            )
        return replace(whole, name=name, images=tuple(kept))

    @property
    def slowness(self) -> str:
        """One sentence when the network left no time for more; empty when nothing was left out."""
        count, train = len(self.manifest.images), self._train
        omissions = []
        if self._most < self.setting.most_images and count < len(self._whole.images):
            omissions.append(f"only {count} pictures were used")
        if train is not None and (train.epochs < self.setting.epochs or train.every > 1):
            omissions.append(f"it practised for only {counted(train.epochs, 'pass', 'passes')}")
        return f"{self.network.name} is slow on this machine: {' and '.join(omissions)}." if omissions else ""

    @property
    def classes(self) -> tuple[str, ...]:
        return self.manifest.classes

    @cached_property
    def labels(self) -> Tensor:
        """(N,) int64."""
        return torch.tensor([self.manifest.label(image) for image in self.manifest.images])

    @cached_property
    def images(self) -> tuple[Image, ...]:
        """Every picture as it is, before any network looks at it."""
        most = max(wanted_px(self.spec), 256)
        return tuple(reread(self.manifest, image, most) for image in self.manifest.images)

    def pixels(self, spec: InputSpec | None = None) -> ImageArray:
        """(N, H, W, C) uint8 of every picture, as a network with these glasses gets them."""
        seen = spec or self.spec
        if seen.crop_mode != "border":  # which fills with the mean; otherwise it plays no part yet
            seen = replace(seen, mean=(), std=())
        if seen not in self._pixels:
            self._pixels[seen] = np.stack([prepare(image, seen) for image in self.images])
        return self._pixels[seen]

    def inputs(self, spec: InputSpec) -> Tensor:
        """(N, C, H, W) float32 of every picture."""
        floats = torch.from_numpy(to_float(self.pixels(spec), spec))
        return floats.contiguous(memory_format=torch.channels_last)

    def features(
        self, spec: InputSpec | None = None, change: Callable[[ImageArray], ImageArray] | None = None
    ) -> Tensor:
        """(N, D) of every picture, from disk where they are known.

        Args:
            spec: other glasses than the network's own.
            change: alters the prepared pictures first.
        """
        seen = spec or self.spec
        if change is None and seen in self._features:
            return self._features[seen]
        pixels = self.pixels(seen) if change is None else change(self.pixels(seen))
        network = replace(self.network, card=replace(self.network.card, input=seen))
        features = self._features_of(network, self.site, pixels)
        if change is None:
            self._features[seen] = features
        return features

    def _features_of(self, network: Network, site: HeadSite, pixels: ImageArray) -> Tensor:
        bank = fill_bank(
            Extractor(network, site, choose_engine()),
            [hashlib.sha256(one.tobytes()).hexdigest() for one in pixels],
            lambda row: pixels[row],
            folder=self.workspace / "features",
            listener=self.listener,
        )
        return bank.features

    def block_features(self) -> tuple[Tensor, list[int]]:
        """(N, W) of every picture, as a wide head reads them, and how many each block gives.

        What reaches the plain head counts with the last block.

        Raises:
            NoBlocks: the blocks of this network cannot be told apart.
        """
        taps = find_taps(self.network, self.site)
        wide, site = widen(self.network, self.site, taps)
        features = self._features_of(wide, site, self.pixels())
        widths = [tap.width for tap in taps]
        return features, [*widths[:-1], features.shape[1] - sum(widths[:-1])]

    @cached_property
    def draws(self) -> tuple[Draw, ...]:
        """Practice and exam, drawn again as often as the setting says; near duplicates stay together."""
        first = self.setting.seed * self.setting.draws
        return tuple(self._draw(first + number) for number in range(self.setting.draws))

    def _draw(self, seed: int) -> Draw:
        parts = [p.part for p in split(self.manifest, test_share=TEST_SHARE, seed=seed).images]
        is_test = torch.tensor([part == "test" for part in parts])
        if not bool(is_test.any()) or bool(is_test.all()):
            raise TooFewImages(
                "There are too few different pictures to lock any away for the exam.",
                remedy="Give each class at least four different pictures.",
            )
        return torch.where(~is_test)[0], torch.where(is_test)[0]

    def tick(self, done: int, total: int) -> None:
        """Say how far it is; anyone who listens may stop it here."""
        self.listener(Progress("head", done, total, unit="steps"))


def solve(features: Tensor, labels: Tensor, num_classes: int) -> SolvedHead:
    """The head of every frozen arm: headswap's own solver, with one penalty for all."""
    config = TrainConfig(l2_grid=(_PENALTY,), folds=2)  # nothing is chosen: fold as little as can be
    return fit_head(LabeledFeatures(features, labels, num_classes), config=config)


def share_right(head: SolvedHead, features: Tensor, labels: Tensor) -> float:
    """Accuracy of a solved head, in [0, 1]."""
    return float(((features @ head.weight.T + head.bias).argmax(dim=1) == labels).float().mean())
