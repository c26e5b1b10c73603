"""Every architecture of the libraries, built with a number of classes: without headswap, and without weights.

Flow:  zoo --names_of--> names;  BUILDERS[zoo](name, classes) --> a network on torch's meta device
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class NotBuildable(Exception):
    """This architecture cannot be built here, with the reason."""


def names_of(zoo: str) -> list[str]:
    """All architectures of a zoo."""
    if zoo == "torchvision":
        import torchvision

        return list(torchvision.models.list_models(module=torchvision.models))
    if zoo == "quantization":
        import torchvision

        return list(torchvision.models.list_models(module=torchvision.models.quantization))
    if zoo == "timm":
        import timm

        return list(timm.list_models())
    import transformers

    return sorted(name for name in dir(transformers) if "ForImageClassification" in name)


def _torchvision(name: str, classes: int) -> Any:
    import torch
    import torchvision

    builder = torchvision.models.get_model_builder(name)
    arguments = {"weights": None, "num_classes": classes}
    if "init_weights" in inspect.signature(builder).parameters or name in ("googlenet", "inception_v3"):
        arguments["init_weights"] = False
    try:
        with torch.device("meta"):
            return builder(**arguments)
    except NotImplementedError:  # it computes widths with tensors while it is built
        with _parameters_on_meta():
            return builder(**arguments).to("meta")


@contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """New parameters get no memory; other tensors are real."""
    from torch import nn

    register = nn.Module.register_parameter

    def registering(module: Any, name: str, value: Any) -> None:
        register(
            module, name, value if value is None else nn.Parameter(value.to("meta"), value.requires_grad)
        )

    nn.Module.register_parameter = registering  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]


def _quantization(name: str, classes: int) -> Any:
    import torch
    import torchvision

    builder = torchvision.models.get_model_builder(name)
    with torch.device("meta"):
        return builder(weights=None, quantize=False, num_classes=classes)


def _timm(name: str, classes: int) -> Any:
    import timm
    import torch

    with torch.device("meta"):
        try:
            return timm.create_model(name, num_classes=classes)
        except TypeError as error:
            if "num_classes" not in str(error):
                raise
            return timm.create_model(name)  # takes no class count: must be refused


def _transformers(name: str, classes: int) -> Any:
    import torch
    import transformers

    builder = getattr(transformers, name)
    try:
        config = builder.config_class(num_labels=classes)
        with torch.device("meta"):
            network = builder(config)
    except (ImportError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise NotBuildable(
            f"cannot be built from its default configuration: {str(error).strip()[:120]}"
        ) from error
    if "spatial_shapes" in inspect.signature(network.forward).parameters:
        raise NotBuildable("takes a picture cut into patches, not a picture")
    if network.main_input_name not in ("pixel_values", "inputs"):
        raise NotBuildable(f"takes {network.main_input_name}, not a picture")
    return network


BUILDERS: dict[str, Callable[[str, int], Any]] = {
    "torchvision": _torchvision,
    "quantization": _quantization,
    "timm": _timm,
    "transformers": _transformers,
}
