"""Every architecture of timm; a name may carry a tag that picks its weights: resnet50.a1_in1k.

Flow:  timm.list_models --> names; pretrained config --> NetworkCard; timm.create_model --> module

The preprocessing is what timm resolves for evaluation. Weights are looked for in the
embedded packages, headswap's folder, the hub's cache and torch.hub's folder, in this order.

Imports timm when first asked.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headswap.errors import HeadNotFound, WeightsDamaged, WeightsNotHere
from headswap.events import Listener
from headswap.imports import without_compiler
from headswap.network import CropMode, InputSpec, Network, NetworkCard, Weights
from headswap.storage.files import sha256_of
from headswap.zoos import hub, parameters, weights
from headswap.zoos.embedded import embedded_file, fill_in_order
from headswap.zoos.weight_file import first_line
from headswap.zoos.zoo import Device, ZooSettings

if TYPE_CHECKING:
    from torch import nn

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_FITS: dict[str, CropMode] = {"center": "crop", "squash": "squash", "border": "border"}
NEW_HEAD_CLASSES = 1000  # of a network that was pretrained without a head


@dataclass(frozen=True)
class TimmZoo:
    """The `Zoo` over timm."""

    settings: ZooSettings = field(default_factory=ZooSettings)
    name: str = "timm"

    def names(self) -> tuple[str, ...]:
        return _names()

    def knows(self, name: str) -> bool:
        return name in _names_and_tags()

    def describe(self, name: str) -> NetworkCard:
        config = _config(name)
        return NetworkCard(
            name=name,
            zoo=self.name,
            input=_input_of(config),
            weights=self._weights(name, config),
            parameters=_measured(name, config),
            num_classes=config.num_classes,
            licence=None if config.license in (None, "unknown") else config.license,
        )

    def count_parameters(self, name: str) -> int:
        known = _measured(name, _config(name))
        return known if known is not None else _count(self, name)

    def build(
        self, name: str, *, num_classes: int | None = None, device: Device = "cpu", variant: str = ""
    ) -> Network:
        headless = not _config(name).num_classes
        classes = NEW_HEAD_CLASSES if num_classes is None and headless else num_classes
        module = build_module(name, num_classes=classes, device=device)
        has_head = bool(getattr(module, "num_classes", classes))  # pure encoders ignore the number
        if num_classes is not None and not has_head:
            raise HeadNotFound(
                f"{name} is an encoder: it gives features and cannot be given classes.",
                remedy="Choose a network that classifies pictures.",
            )
        card = replace(self.describe(name), parameters=parameters.count(module))
        stated = () if headless or num_classes is not None else _class_names(_config(name))
        return Network(card=card, module=module.eval(), class_names=stated, head_is_new=headless and has_head)

    def load(self, name: str, listener: Listener) -> Network:
        config = _config(name)
        embedded = embedded_file(name)
        path = embedded or self._find(name, config) or self._fetch(name, config, listener)
        digest = sha256_of(path)
        weights.check_named_hash(path, digest)
        if embedded is not None:
            module = build_module(name, num_classes=None, device="cpu")
            fill_in_order(module, embedded, network_name=name)
        else:
            module = _load_module(name, config, path)
        head_is_new = not config.num_classes
        if head_is_new:
            module = _with_new_head(name, module)
            head_is_new = bool(getattr(module, "num_classes", True))
        here = Weights(state="here", size_bytes=path.stat().st_size, source=str(path))
        return Network(
            card=replace(self.describe(name), parameters=parameters.count(module), weights=here),
            module=module.eval(),
            class_names=_class_names(config),
            weights_sha256=digest,
            head_is_new=head_is_new,
        )

    def _weights(self, name: str, config: Any) -> Weights:
        found = embedded_file(name) or self._find(name, config)
        if found is not None:
            return Weights(state="here", size_bytes=found.stat().st_size, source=str(found))
        number = _measured(name, config)
        published = bool(config.hf_hub_id or config.url)
        return Weights(
            state="to fetch" if published and not self.settings.offline else "not available",
            size_bytes=4 * number if published and number else None,
            size_is_exact=False,
            source=f"huggingface.co/{config.hf_hub_id}" if config.hf_hub_id else config.url or "",
        )

    def _find(self, name: str, config: Any) -> Path | None:
        tagged = f"{config.architecture}.{config.tag}" if config.tag else name
        mine = weights.by_hand(self.settings.folder, self.name, name, tagged)
        if mine is not None:
            return mine
        if config.hf_hub_id and config.hf_hub_id in hub.cached_repositories():
            found = hub.find_in_hub_cache(config.hf_hub_id, _hub_files(config))
            if found is not None:
                return found
        if not config.url:
            return None
        file_name = Path(config.url).name
        paths = (self.settings.folder / self.name / file_name, _hub_folder() / file_name)
        return next((path for path in paths if path.is_file()), None)

    def _fetch(self, name: str, config: Any, listener: Listener) -> Path:
        folder = self.settings.folder / self.name
        path = folder / f"{name}.safetensors"
        if not (config.hf_hub_id or config.url):
            raise WeightsNotHere(
                f"timm publishes no weights for {name}.",
                remedy=f"Pick another network, or put your own file in {folder} as {path.name}.",
            )
        if self.settings.offline:
            raise weights.not_here(name, path)
        if config.hf_hub_id:
            return hub.fetch_from_hub(
                config.hf_hub_id, _hub_files(config), name=name, by_hand_path=path, listener=listener
            )
        file_name = Path(config.url).name
        kept = folder if self.settings.cache is not None else _hub_folder()
        return weights.fetch(config.url, kept / file_name, name=name, by_hand_path=path, listener=listener)


def _timm() -> Any:
    with without_compiler():
        import timm
    return timm


def build_module(name: str, *, num_classes: int | None, device: Device) -> nn.Module:
    """The bare module with random weights."""
    import torch

    timm = _timm()
    options: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    there = torch.get_default_device() == torch.device(device)
    with nullcontext() if there else torch.device(device):  # inside it every call is watched and slower
        module: nn.Module = timm.create_model(name, pretrained=False, **options)
    return module


def _load_module(name: str, config: Any, path: Path) -> nn.Module:
    """Let timm convert and load its own published file, strictly."""
    from safetensors import SafetensorError

    own_format = path.suffix == ".npz" or (config.custom_load == "hf" and config.hf_hub_filename is not None)
    try:
        module: nn.Module = _timm().create_model(
            name, pretrained=True, pretrained_cfg_overlay={"file": str(path), "custom_load": own_format}
        )
    except (SafetensorError, RuntimeError, KeyError, ValueError, EOFError, OSError) as error:
        raise WeightsDamaged(
            f"{path.name} cannot be read as the weights of {name}: {first_line(error)}",
            remedy=f"Delete {path} and download it again.",
        ) from error
    return module


def _with_new_head(name: str, backbone: nn.Module) -> nn.Module:
    """The same network with a head of its own; every other number is the backbone's."""
    module = build_module(name, num_classes=NEW_HEAD_CLASSES, device="cpu")
    result = module.load_state_dict(backbone.state_dict(), strict=False)
    if result.unexpected_keys:
        raise HeadNotFound(
            f"{name} changes shape when it is given classes ({', '.join(result.unexpected_keys[:3])}).",
            remedy="Choose a network that classifies pictures.",
        )
    return module


@cache
def _names() -> tuple[str, ...]:
    return tuple(_timm().list_models())


@cache
def _names_and_tags() -> frozenset[str]:
    return frozenset(_timm().list_models(include_tags=True)) | frozenset(_names())


def _config(name: str) -> Any:
    return _timm().models.get_pretrained_cfg(name)


def _measured(name: str, config: Any) -> int | None:
    """Measured without a tag; a tag with other classes or another image size has its own number."""
    architecture = name.split(".", 1)[0]
    if architecture != name:
        usual = _config(architecture)
        if (usual.num_classes, usual.input_size) != (config.num_classes, config.input_size):
            return None
    return parameters.measured("timm", architecture)


@cache
def _count(zoo: TimmZoo, name: str) -> int:
    return parameters.count(zoo.build(name, device="meta").module)


def _hub_files(config: Any) -> tuple[str, ...]:
    if config.hf_hub_filename is None:
        return _HUB_FILES
    safe = str(Path(config.hf_hub_filename).with_suffix(".safetensors"))
    return tuple(dict.fromkeys((safe, config.hf_hub_filename)))


def _hub_folder() -> Path:
    from torch.hub import get_dir

    return Path(get_dir()) / "checkpoints"


def _class_names(config: Any) -> tuple[str, ...]:
    """As the config states them, else as timm's own table of ImageNet subsets does."""
    if config.label_names:
        return tuple((config.label_descriptions or {}).get(label, label) for label in config.label_names)
    subset = _timm().data.infer_imagenet_subset({"num_classes": config.num_classes})
    return _subset_names(subset) if subset else ()


@cache
def _subset_names(subset: str) -> tuple[str, ...]:
    return tuple(_timm().data.ImageNetInfo(subset).label_descriptions())


def _input_of(config: Any) -> InputSpec:
    resolved = _timm().data.resolve_data_config(pretrained_cfg=config.to_dict())
    channels, height, width = resolved["input_size"]
    resized = tuple(math.floor(side / resolved["crop_pct"]) for side in (height, width))
    crop_mode = _FITS[resolved["crop_mode"]]
    return InputSpec(
        channels=channels,
        height=height,
        width=width,
        mean=tuple(resolved["mean"]),
        std=tuple(resolved["std"]),
        interpolation=resolved["interpolation"],
        crop_mode=crop_mode,
        resize_px=min(resized),
        squash_px=(resized[0], resized[1]) if crop_mode == "squash" and resized != (height, width) else None,
    )
