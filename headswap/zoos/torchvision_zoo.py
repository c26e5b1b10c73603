"""Every classification architecture of torchvision, with the weights that torchvision calls its default.

Flow:  torchvision.models.list_models --> names; weights enum --> NetworkCard; builder --> module

The preprocessing is read from torchvision's own evaluation transform. Weights are
looked for in headswap's folder, then in torch.hub's; published files are read as
plain tensors, never as pickles that may run code.

Imports torchvision when first asked.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headswap.events import Listener
from headswap.imports import without_compiler
from headswap.network import InputSpec, Interpolation, Network, NetworkCard, Weights
from headswap.storage.files import sha256_of
from headswap.zoos import parameters, weights
from headswap.zoos.weight_file import fill, read_tensors
from headswap.zoos.zoo import Device, ZooSettings

if TYPE_CHECKING:
    from torch import nn

WITHOUT_AUX = "without auxiliary heads"  # the only variant
_USUAL_SIZE = 224  # px; what torchvision builds for when it is not told
_NOISY = ("googlenet", "inception_v3")  # they warn unless told how their random numbers are drawn


@dataclass(frozen=True)
class TorchvisionZoo:
    """The `Zoo` over torchvision.models."""

    settings: ZooSettings = field(default_factory=ZooSettings)
    name: str = "torchvision"

    def names(self) -> tuple[str, ...]:
        return _names()

    def knows(self, name: str) -> bool:
        return name in _names()

    def describe(self, name: str) -> NetworkCard:
        published = _published(name)
        categories = published.meta.get("categories") or ()
        return NetworkCard(
            name=name,
            zoo=self.name,
            input=_input_of(published.transforms()),
            weights=self._weights(name, published),
            parameters=parameters.measured(self.name, name),
            num_classes=len(categories) or None,
            licence=published.meta.get("license"),
        )

    def count_parameters(self, name: str) -> int:
        known = parameters.measured(self.name, name)
        return known if known is not None else _count(self, name)

    def build(
        self, name: str, *, num_classes: int | None = None, device: Device = "cpu", variant: str = ""
    ) -> Network:
        module = build_module(name, num_classes=num_classes, device=device)
        if variant == WITHOUT_AUX:
            drop_aux_heads(module)
        card = replace(self.describe(name), parameters=parameters.count(module), variant=variant)
        stated = tuple(_published(name).meta.get("categories") or ()) if num_classes is None else ()
        return Network(card=card, module=module.eval(), class_names=stated)

    def load(self, name: str, listener: Listener) -> Network:
        published = _published(name)
        path = self._find(name, published) or self._fetch(name, published, listener)
        digest = sha256_of(path)
        weights.check_named_hash(path, digest)
        module = build_module(name, num_classes=None, device="cpu")
        fill(module, read_tensors(path), file_name=path.name, network_name=name)
        here = Weights(state="here", size_bytes=path.stat().st_size, source=str(path))
        card = replace(self.describe(name), parameters=parameters.count(module), weights=here)
        class_names = tuple(published.meta.get("categories") or ())
        return Network(card=card, module=module.eval(), class_names=class_names, weights_sha256=digest)

    def _weights(self, name: str, published: Any) -> Weights:
        found = self._find(name, published)
        if found is not None:
            return Weights(state="here", size_bytes=found.stat().st_size, source=str(found))
        stated_mb = published.meta.get("_file_size")  # in units of 1024²
        return Weights(
            state="not available" if self.settings.offline else "to fetch",
            size_bytes=round(stated_mb * 1024**2) if stated_mb else None,
            source=published.url,
        )

    def _find(self, name: str, published: Any) -> Path | None:
        file_name = Path(published.url).name
        mine = weights.by_hand(self.settings.folder, self.name, name, Path(file_name).stem)
        paths = (mine, _hub_folder() / file_name)
        return next((path for path in paths if path is not None and path.is_file()), None)

    def _fetch(self, name: str, published: Any, listener: Listener) -> Path:
        file_name = Path(published.url).name
        by_hand_path = self.settings.folder / self.name / file_name
        if self.settings.offline:
            raise weights.not_here(name, by_hand_path)
        path = by_hand_path if self.settings.cache is not None else _hub_folder() / file_name
        return weights.fetch(published.url, path, name=name, by_hand_path=by_hand_path, listener=listener)


def build_module(name: str, *, num_classes: int | None, device: Device) -> nn.Module:
    """The bare module with random weights, for images of the size that its published weights take."""
    options: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    if name in _NOISY:
        options["init_weights"] = True
    size = _published(name).transforms().crop_size[0]
    if size != _USUAL_SIZE and hasattr(_make(name, "meta", options), "image_size"):
        options["image_size"] = size  # a transformer's positions are made for one size
    module = _make(name, device, options)
    if hasattr(
        module, "transform_input"
    ):  # published numbers want images normalised in another way; so it is
        module.transform_input = True  # type: ignore[assignment]
    return module


def _make(name: str, device: Device, options: dict[str, Any]) -> nn.Module:
    import torch

    models = _models()
    try:
        with torch.device(device):
            module: nn.Module = models.get_model(name, weights=None, **options)
    except (NotImplementedError, RuntimeError):
        if device != "meta":
            raise
        with _layers_on_meta():  # RegNet reckons its widths with small tensors, which must be real
            module = models.get_model(name, weights=None, **options).to("meta")
    return module


def _layers_on_meta() -> AbstractContextManager[Any]:
    """Like torch.device("meta"), but only for the functions that layers make their numbers with."""
    import torch
    from torch.overrides import TorchFunctionMode

    class LayersOnMeta(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if func in (torch.empty, torch.ones, torch.zeros) and kwargs.get("device") is None:
                kwargs["device"] = "meta"
            return func(*args, **kwargs)

    return LayersOnMeta()


def drop_aux_heads(module: nn.Module) -> None:
    """Make it the network that torchvision builds with aux_logits=False."""
    module.aux_logits = False  # type: ignore[assignment]
    for name in [name for name, _ in module.named_children() if name.lower().startswith("aux")]:
        setattr(module, name, None)


def _models() -> Any:
    with without_compiler():
        from torchvision import models
    return models


@cache
def _names() -> tuple[str, ...]:
    models = _models()
    return tuple(models.list_models(module=models))


@cache
def _published(name: str) -> Any:
    return _models().get_model_weights(name).DEFAULT


@cache
def _count(zoo: TorchvisionZoo, name: str) -> int:
    return parameters.count(zoo.build(name, device="meta").module)


def _hub_folder() -> Path:
    from torch.hub import get_dir

    return Path(get_dir()) / "checkpoints"


def _input_of(transform: Any) -> InputSpec:
    interpolation: Interpolation = transform.interpolation.value
    return InputSpec(
        height=transform.crop_size[0],
        width=transform.crop_size[0],
        mean=tuple(transform.mean),
        std=tuple(transform.std),
        interpolation=interpolation,
        resize_px=transform.resize_size[0],
    )
