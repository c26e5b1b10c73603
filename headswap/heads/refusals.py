"""The sentences that say why a network's head cannot be told, and what to do.

Each function raises `HeadNotFound`, or returns when its reason does not apply.
"""

from __future__ import annotations

from typing import NoReturn

from torch import nn

from headswap.errors import HeadNotFound
from headswap.heads.answers import LogitsOutput, ObservedPass
from headswap.heads.dry_run import DryRun
from headswap.heads.graph import Hit
from headswap.heads.metadata import Declared

_ACTIVATIONS = (  # of backbones; softmax, sigmoid, softplus and a soft cap are what classifiers end in
    *("Relu", "LeakyRelu", "PreluKernel", "RreluWithNoise", "Elu", "Celu", "Selu", "Gelu", "Silu", "Mish"),
    *("Hardswish", "Hardtanh", "Glu"),
)
_NORMS = ("BatchNorm", "LayerNorm", "GroupNorm", "RmsNorm", "InstanceNorm")


def refuse_without_head(declared: Declared) -> None:
    """The network itself says that it was built without classes."""
    if declared.classes == 0:
        raise HeadNotFound(
            "This network was built without a class head (num_classes is 0): it gives features, not classes.",
            remedy="Build it with a class count, such as num_classes=1000; the head added so can be swapped.",
        )


def refuse_residual_stream(module: nn.Module, answer: LogitsOutput) -> NoReturn:
    """Several layers feed one another at the width of the answer."""
    raise HeadNotFound(
        f"This network has no classifier head: its {answer.classes} numbers are features that block "
        "after block adds to, so no single layer makes them.",
        remedy=f"Add a layer from {answer.classes} features to your classes (torch.nn.Linear), "
        f"or load the variant with a head. {point_at_one(module)}",
    )


def refuse_features(run: DryRun, answer: LogitsOutput) -> None:
    """Refuse a last layer that is followed by operations which only follow layers of a backbone."""
    for hit in answer.walk.heads:
        if reason := _backbone_like(hit):
            names = [name for use in hit.uses for name in run.leaves[id(use.leaf)]]
            layer = names[0].rpartition(".")[0] or names[0]
            raise HeadNotFound(
                f"This looks like a network without a classifier head: its last layer `{layer}` {reason}, "
                f"so its {answer.classes} numbers are features.",
                remedy=f"Add a layer from {answer.classes} features to your classes (torch.nn.Linear). If "
                f"`{layer}` is the head after all, name it as the head: {_naming_hints(layer)}.",
            )


def refuse_fixed_numbers(module: nn.Module, seen: ObservedPass) -> NoReturn:
    """No parameter on the way has one row per class."""
    if not seen.rows:
        names = ", ".join(f"`{name}`" for name, _ in seen.run.outputs if name) or "its output"
        raise HeadNotFound(
            f"This network gives features ({names}), not one score per class.",
            remedy="Load the variant with a classifier, or add a layer (torch.nn.Linear) after the features.",
        )
    classes = seen.rows[0][1].shape[-1]
    fixed = [name for name, value in module.named_buffers() if value.dim() >= 2 and classes in value.shape]
    if fixed:
        raise HeadNotFound(
            f"The {classes} answers come from fixed numbers (the buffer `{fixed[0]}`) that cannot be taught.",
            remedy="Make them a torch.nn.Parameter, or add a layer (torch.nn.Linear) after the features.",
        )
    raise HeadNotFound(
        f"No layer turns features into the {classes} answers: they are put together from parts of other "
        "sizes, such as groups of classes.",
        remedy="Replace that part by one layer (torch.nn.Linear) that gives all classes. "
        f"{point_at_one(module)}",
    )


def refuse_path(module: nn.Module, path: str, seen: ObservedPass) -> NoReturn:
    """The layer a person points at does not exist, or does not make the answer."""
    known = {name for name, _ in module.named_modules()} | {name for name, _ in module.named_parameters()}
    if path not in known or not path:
        raise HeadNotFound(f"The network has no layer named {path!r}.", remedy=point_at_one(module))
    counts = " or ".join(str(value.shape[-1]) for _, value in seen.rows) or "class"
    raise HeadNotFound(
        f"The layer {path!r} does not make the network's {counts} answers.", remedy=point_at_one(module)
    )


def point_at_one(module: nn.Module) -> str:
    """A sentence that names the last layers with weights."""
    layers = [
        path
        for path, part in module.named_modules()
        if path and any(value is not None and value.dim() >= 2 for value in part._parameters.values())
    ]
    if not layers:
        return "Give a network whose layers have weights."
    last = ", ".join(f"`{layer}`" for layer in layers[-4:])
    hints = _naming_hints(layers[-1])
    return f"You can name a layer as the head: {hints}. The last layers are {last}."


def _naming_hints(layer: str) -> str:
    return f"`--head {layer}` in a shell, path={layer!r} in Python, “Use another layer” on the page"


def _backbone_like(hit: Hit) -> str:
    """Why a head may be the last layer of a backbone; empty when nothing speaks for that."""
    names = [name.rstrip("0123456789").removesuffix("Backward") for name in hit.after]
    activated = any(name in _ACTIVATIONS for name in names) or names[:1] == ["Tanh"]
    normed = any(norm in name for name in names for norm in _NORMS)
    if not hit.node.name().startswith(("Convolution", "MkldnnConvolution", "CudnnConvolution")):
        return "ends in an activation" if activated else ""
    kernel = next((tuple(use.leaf.shape[2:]) for use in hit.uses if use.leaf.dim() > 2), ())
    is_spatial = any(length > 1 for length in kernel) and any(length > 1 for length in hit.shape[2:])
    if activated and (normed or is_spatial):
        return "is a convolution that ends in an activation"
    if is_spatial and normed:
        return "is a convolution that ends in a norm"
    return ""
