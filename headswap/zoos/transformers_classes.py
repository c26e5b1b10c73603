"""What transformers states of each class that is offered, asked once for each version of the library.

Flow:  transformers --asked--> OfferedClass of each name --a file--> the same, without importing transformers

To ask imports half of the library and makes an image processor and a configuration of each class: three
seconds, whenever all networks are listed.

Imports transformers only to ask.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from headswap.errors import HeadswapError
from headswap.network import InputSpec
from headswap.storage.files import from_json, make_folder, to_json, write_text
from headswap.zoos import image_processor
from headswap.zoos.image_processor import fitted, input_of

PACKAGE = "transformers"
_NO_IMAGE = {  # why a class of the library is not offered
    "DinatForImageClassification": "needs the package natten",
    "ImageGPTForImageClassification": "takes colour clusters",
    "PerceiverForImageClassificationConvProcessing": "its default configuration cannot be built",
    "PerceiverForImageClassificationFourier": "its default configuration cannot be built",
    "ShieldGemma2ForImageClassification": "takes text and a picture",
    "Siglip2ForImageClassification": "takes patches and masks",
    "TimmWrapperForImageClassification": "its networks are in the timm zoo",
}


@dataclass(frozen=True, kw_only=True)
class OfferedClass:
    """What is known of a class by its name."""

    model_type: str  # as configurations state it
    input: InputSpec  # usual for the class; a checkpoint may have another
    repository: str | None  # of the checkpoint that the documentation links to


@dataclass(frozen=True, kw_only=True)
class _Kept:
    classes: dict[str, OfferedClass]


def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec(PACKAGE) is not None


def offered_classes(folder: Path) -> Mapping[str, OfferedClass]:
    """Class name -> what is known of it, in the order of the library; empty where the extra is not there.

    Args:
        folder: where the answers are kept; safe to delete, and need not be writable.
    """
    return _kept_in(folder) if is_installed() else {}


def config_class(name: str) -> Any:
    """The class of the configurations of a class."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return CONFIG_MAPPING[_model_types()[name]]


def default_config(name: str, *, num_labels: int = 2) -> Any:
    """A configuration with the usual values."""
    with quiet():  # some defaults of the library make it warn of itself
        return config_class(name)(num_labels=num_labels)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's remarks and bars off the screen; what matters is raised."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


@cache
def _kept_in(folder: Path) -> dict[str, OfferedClass]:
    try:
        path = folder / f"classes-{_key()}.json"
    except (
        PackageNotFoundError,
        OSError,
    ):  # a library without a version, code without its source: ask each time
        return _asked()
    with suppress(OSError, HeadswapError):  # not kept yet, or damaged
        kept: _Kept = from_json(_Kept, path.read_bytes())
        return kept.classes
    found = _asked()
    with suppress(OSError, HeadswapError):  # a folder that cannot be written costs seconds, and nothing else
        make_folder(folder)
        write_text(path, to_json(_Kept(classes=found)))
    return found


def _key() -> str:
    """Of the library's version and of the code that asks it."""
    digest = hashlib.sha256(version(PACKAGE).encode())
    for source in (__file__, image_processor.__file__):
        digest.update(Path(source).read_bytes())
    return digest.hexdigest()[:16]


@cache
def _asked() -> dict[str, OfferedClass]:
    return {
        name: OfferedClass(model_type=model_type, input=_usual_input(name), repository=_repository(name))
        for name, model_type in _model_types().items()
    }


@cache
def _model_types() -> dict[str, str]:
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as MAPPING

    pairs = ((model_type, classes) for model_type, classes in MAPPING.items())
    return {
        name: model_type
        for model_type, classes in pairs
        for name in ((classes,) if isinstance(classes, str) else classes)
        if name not in _NO_IMAGE
    }


def _usual_input(name: str) -> InputSpec:
    import transformers
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    backends = IMAGE_PROCESSOR_MAPPING_NAMES.get(_model_types()[name]) or {}
    class_name = backends.get("pil") or backends.get("torchvision")
    usual = input_of(getattr(transformers, class_name)()) if class_name else InputSpec()
    return fitted(usual, default_config(name))


def _repository(name: str) -> str | None:
    link = re.search(r"\[([\w.-]+/[\w.-]+)\]\(https://huggingface\.co/\1\)", config_class(name).__doc__ or "")
    return link[1] if link else None
