"""The `*ForImageClassification` classes of transformers that take an image; an extra.

Flow:  class name --default configuration--> module with random weights
       class name --checkpoint folder--> pretrained module, class names, InputSpec

A class is built from its default configuration. Pretrained numbers come from a folder
written by `save_pretrained` and put into the weights folder, or from the checkpoint that
the library's documentation names for the class, if its configuration is of that class.

Imports transformers when a network is built; without the package the zoo is empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headswap.errors import WeightsDamaged, WeightsNotHere
from headswap.events import Listener, silent
from headswap.network import InputSpec, Network, NetworkCard, Weights
from headswap.storage.files import sha256_of
from headswap.zoos import hub, parameters, weights
from headswap.zoos.image_processor import fitted, input_of
from headswap.zoos.transformers_classes import (
    OfferedClass,
    config_class,
    default_config,
    offered_classes,
    quiet,
)
from headswap.zoos.weight_file import first_line
from headswap.zoos.zoo import Device, ZooSettings

if TYPE_CHECKING:
    from torch import nn

NEW_HEAD_CLASSES = 1000  # a class built from its default configuration has no pretrained head
_WEIGHTS, _CONFIG, _PROCESSOR = "model.safetensors", "config.json", "preprocessor_config.json"
_LABELS = ("id2label", "label2id", "num_labels", "problem_type")  # of every classifier's configuration


@dataclass(frozen=True)
class TransformersZoo:
    """The `Zoo` over transformers."""

    settings: ZooSettings = field(default_factory=ZooSettings)
    name: str = "transformers"

    def names(self) -> tuple[str, ...]:
        return tuple(self._offered)

    def knows(self, name: str) -> bool:
        return name in self._offered

    def describe(self, name: str) -> NetworkCard:
        return NetworkCard(
            name=name,
            zoo=self.name,
            input=self._offered[name].input,
            weights=self._weights(name),
            parameters=parameters.measured(self.name, name),
        )

    def count_parameters(self, name: str) -> int:
        known = parameters.measured(self.name, name)
        return known if known is not None else _count(self, name)

    def build(
        self, name: str, *, num_classes: int | None = None, device: Device = "cpu", variant: str = ""
    ) -> Network:
        import torch

        config = _config(name, num_classes, variant)
        with torch.device(device):
            module: nn.Module = _model_class(name)(config)
        card = replace(self.describe(name), parameters=parameters.count(module), variant=variant)
        return Network(card=card, module=module.eval(), head_is_new=True)

    def load(self, name: str, listener: Listener) -> Network:
        folder = self._find(name) or self._fetch(name, listener)
        self._check_class(name, folder)
        path = folder / _WEIGHTS
        digest = sha256_of(path)
        weights.check_named_hash(path, digest)
        module, head_is_new = _load_module(name, folder)
        config: Any = module.config
        here = Weights(state="here", size_bytes=path.stat().st_size, source=str(path))
        card = replace(
            self.describe(name),
            input=_input_in(folder, config, self.describe(name).input),
            weights=here,
            parameters=parameters.count(module),
            num_classes=0 if head_is_new else config.num_labels,
            variant=config.to_json_string(),
        )
        class_names = () if head_is_new else _class_names(config)
        return Network(
            card=card,
            module=module.eval(),
            class_names=class_names,
            weights_sha256=digest,
            head_is_new=head_is_new,
        )

    @property
    def _offered(self) -> Mapping[str, OfferedClass]:
        return offered_classes(self.settings.folder / self.name)

    def _folder_of(self, name: str) -> Path:
        return self.settings.folder / self.name / name

    def _check_class(self, name: str, folder: Path) -> None:
        stated = json.loads((folder / _CONFIG).read_text(encoding="utf-8")).get("model_type")
        if stated != self._offered[name].model_type:
            raise WeightsNotHere(
                f"The weights that transformers names for {name} are of another network ({stated}).",
                remedy=f"Put a folder written by save_pretrained at {self._folder_of(name)}.",
            )

    def _weights(self, name: str) -> Weights:
        found = self._find(name)
        if found is not None:
            path = found / _WEIGHTS
            return Weights(state="here", size_bytes=path.stat().st_size, source=str(path))
        repository = self._offered[name].repository
        if repository is None or self.settings.offline:
            return Weights(state="not available", source=repository or "")
        return Weights(state="to fetch", source=f"huggingface.co/{repository}")

    def _find(self, name: str) -> Path | None:
        mine = self._folder_of(name)
        if (mine / _WEIGHTS).is_file() and (mine / _CONFIG).is_file():
            return mine
        repository = self._offered[name].repository
        if repository is None or repository not in hub.cached_repositories():
            return None
        found = hub.find_in_hub_cache(repository, [_WEIGHTS])
        return found.parent if found is not None and (found.parent / _CONFIG).is_file() else None

    def _fetch(self, name: str, listener: Listener) -> Path:
        repository, by_hand = self._offered[name].repository, self._folder_of(name) / _WEIGHTS
        if repository is None:
            raise WeightsNotHere(
                f"transformers names no weights for {name}.",
                remedy=f"Put a folder written by save_pretrained at {by_hand.parent}.",
            )
        if self.settings.offline:
            raise weights.not_here(name, by_hand)
        small = hub.fetch_from_hub(repository, [_CONFIG], name=name, by_hand_path=by_hand, listener=silent)
        self._check_class(name, small.parent)  # a kilobyte, before gigabytes of another network
        hub.fetch_from_hub(repository, [_PROCESSOR], name=name, by_hand_path=by_hand, listener=silent)
        path = hub.fetch_from_hub(repository, [_WEIGHTS], name=name, by_hand_path=by_hand, listener=listener)
        return path.parent


def _load_module(name: str, folder: Path) -> tuple[nn.Module, bool]:
    """The pretrained module, and whether its head had to be added."""
    from safetensors import SafetensorError

    model_class = _model_class(name)
    try:
        with quiet():
            module, report = model_class.from_pretrained(
                str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise WeightsDamaged(
            f"{folder / _WEIGHTS} cannot be read as the weights of {name}: {first_line(error)}",
            remedy="Delete the folder and download it again.",
        ) from error
    prefix = f"{model_class.base_model_prefix}."
    missing = sorted(report["missing_keys"])
    if any(key.startswith(prefix) for key in missing) or report.get("mismatched_keys"):
        raise WeightsDamaged(
            f"{folder / _WEIGHTS} does not fit {name}: it lacks {', '.join(missing[:4])}.",
            remedy="Choose the class that this folder was saved from.",
        )
    return module, bool(missing)


def _input_in(folder: Path, config: Any, usual: InputSpec) -> InputSpec:
    """What the checkpoint's own processor does; without one, what is usual for the class."""
    from transformers import AutoImageProcessor

    if (folder / _PROCESSOR).is_file():
        return input_of(AutoImageProcessor.from_pretrained(str(folder), local_files_only=True))
    return fitted(usual, config)


def _config(name: str, num_classes: int | None, variant: str) -> Any:
    """A checkpoint's own configuration, or the default one with a new head."""
    if not variant:
        return default_config(name, num_labels=NEW_HEAD_CLASSES if num_classes is None else num_classes)
    from huggingface_hub.errors import StrictDataclassError

    said = json.loads(variant)
    if not isinstance(said, dict):
        raise ValueError(f"{name} cannot be configured by {said!r}")
    with quiet():
        try:
            config = config_class(name).from_dict(_of_the_class(said, _own_settings(name)))
        except StrictDataclassError as error:
            raise ValueError(f"{name} cannot be configured so: {error}") from error
    if num_classes is not None:
        config.num_labels = num_classes
    return config


@cache
def _own_settings(name: str) -> dict[str, Any]:
    """What the class of a network lets one choose: its settings and their usual values."""
    from transformers import PretrainedConfig

    return _without_common(default_config(name).to_dict(), frozenset(PretrainedConfig().to_dict()))


def _without_common(settings: dict[str, Any], common: frozenset[str]) -> dict[str, Any]:
    """Without what every configuration has: by some of that the library fetches or runs code."""
    return {
        key: _without_common(value, common) if isinstance(value, dict) else value
        for key, value in settings.items()
        if key not in common and not key.startswith("_")
    }


def _of_the_class(said: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Of a configuration from outside, the settings of the class and the labels; nothing else is read."""
    kept: dict[str, Any] = {key: said[key] for key in _LABELS if key in said}
    for key in own.keys() & said.keys():
        value, usual = said[key], own[key]
        if isinstance(value, dict) and isinstance(usual, dict):
            kept[key] = _of_the_class(value, usual)
        elif not _holds_settings(value):
            kept[key] = value
    return kept


def _holds_settings(value: Any) -> bool:
    """Whether another configuration is hidden in a value."""
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_holds_settings, value)))


def _model_class(name: str) -> Any:
    import transformers

    return getattr(transformers, name)


@cache
def _count(zoo: TransformersZoo, name: str) -> int:
    return parameters.count(zoo.build(name, device="meta").module)


def _class_names(config: Any) -> tuple[str, ...]:
    names = tuple(str(config.id2label[index]) for index in range(config.num_labels))
    return () if all(re.fullmatch(r"LABEL_\d+", name) for name in names) else names
