"""Read a weight file safely, and put its tensors into a network, all of them or none.

Flow:  file --read_tensors--> {name: tensor} --fill--> module

A file is known by its first bytes, not by its ending. Only tensors and plain values
are read: a pickle that wants to run code is refused before it does. Every tensor the
network wants must be there in its shape; nothing is left random in silence.

Knows files and modules; nothing of zoos or of where files come from.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headswap.errors import WeightsDamaged

if TYPE_CHECKING:
    from torch import Tensor, nn

WRAPPERS = (
    "state_dict_ema",
    "model_ema",
    "ema",
    "ema_state_dict",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
)
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")  # left by parallel, compiled and wrapped training
SAFE_TORCH = "2.10"  # before it, CVE-2026-24747: a .pt file that harms anyone who reads weights alone
_SAVE_AGAIN = (
    "Save it again with `torch.save(model.state_dict(), file)` or as .safetensors, and use that file."
)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors, .pt, .pth or .bin file, by name, on the CPU.

    Raises:
        WeightsDamaged: the file is missing, cut off, holds code, or holds no tensors.
    """
    if not path.is_file():
        raise WeightsDamaged(f"There is no weight file {path}.", remedy="Check the path.")
    with path.open("rb") as file:
        first = file.read(9)
    if len(first) < 9:
        raise WeightsDamaged(f"{path.name} is empty or cut off.", remedy="Copy or download it again.")
    if first[8:] == b"{":
        return _read_safetensors(path)
    if first.startswith(b"PK"):
        _check_archive(path)
    tensors = _tensors_in(_read_pickle(path))
    if not tensors:
        raise WeightsDamaged(f"{path.name} holds no weights.", remedy=_SAVE_AGAIN)
    return tensors


def fill(module: nn.Module, tensors: Mapping[str, Tensor], *, file_name: str, network_name: str) -> None:
    """Copy every tensor into the module; names and shapes must agree one to one.

    Raises:
        WeightsDamaged: something is missing, left over or of another shape; the module is unchanged.
    """
    given = match_names(tensors, set(module.state_dict()))
    wanted = {
        name: value for name, value in module.state_dict().items() if not name.endswith("num_batches_tracked")
    }
    missing = [name for name in wanted if name not in given]
    left_over = [name for name in given if name not in module.state_dict()]
    misfit = [name for name in wanted if name in given and given[name].shape != wanted[name].shape]
    if missing or left_over or misfit:
        parts = [
            f"it lacks {_some(missing)}" if missing else "",
            f"it has {_some(left_over)}, which the network has not" if left_over else "",
            f"{_shapes(misfit, given, wanted)}" if misfit else "",
        ]
        raise WeightsDamaged(
            f"{file_name} does not fit {network_name}: {'; '.join(part for part in parts if part)}.",
            remedy="Choose the architecture that this file was trained with.",
        )
    try:
        module.load_state_dict(dict(given), strict=False)  # strict but for the batch counters of old files
    except RuntimeError as error:  # quantized or sparse tensors cannot be copied
        raise WeightsDamaged(
            f"{file_name} does not fit {network_name}: {first_line(error)}", remedy=_SAVE_AGAIN
        ) from error


def first_line(error: Exception) -> str:
    """What a library said, short enough for a sentence."""
    said = (str(error).splitlines() or [type(error).__name__])[0]
    return f"{said[:200].rstrip('.')}."


def match_names(tensors: Mapping[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """Drop the prefixes that training wrappers leave, where that makes more names fit."""
    best = dict(tensors)
    fits = len(wanted & best.keys())
    shorter = best
    while shorter and fits < len(wanted):
        prefix = next((p for p in PREFIXES if all(name.startswith(p) for name in shorter)), None)
        if prefix is None:
            break
        shorter = {name.removeprefix(prefix): value for name, value in shorter.items()}
        if len(wanted & shorter.keys()) > fits:
            best, fits = shorter, len(wanted & shorter.keys())
    if not wanted >= best.keys():  # files of 2017 write "norm.1" where the module is now called "norm1"
        joined = {re.sub(r"\.([a-z]+)\.(\d)\.", r".\1\2.", name): value for name, value in best.items()}
        if len(wanted & joined.keys()) > fits:
            best = joined
    return best


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise WeightsDamaged(
            f"{path.name} is cut off or altered: {first_line(error)}", remedy="Copy or download it again."
        ) from error


def _check_archive(path: Path) -> None:
    """torch never compresses: a compressed entry could grow to any size in memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise WeightsDamaged(
            f"{path.name} is cut off or altered.", remedy="Copy or download it again."
        ) from error
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise WeightsDamaged(f"{path.name} was not written by torch.save.", remedy=_SAVE_AGAIN)


def _read_pickle(path: Path) -> Any:
    import argparse

    import torch

    if (
        torch.torch_version.TorchVersion(torch.__version__) < SAFE_TORCH
    ):  # its "weights only" could be made to write memory
        raise WeightsDamaged(
            f"{path.name} is not read with torch {torch.__version__}, which such a file can attack.",
            remedy="Use torch 2.10 or newer, or a .safetensors file.",
        )
    try:
        with (
            path.open("rb") as file,  # a name that ends in .safetensors would send torch another way
            torch.serialization.safe_globals(
                [argparse.Namespace]
            ),  # training scripts save their settings along
            warnings.catch_warnings(action="ignore"),  # of unusual pickle versions: they are read or refused
        ):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the unpickler fail in any way there is
        if type(error).__name__ == "UnpicklingError":
            raise WeightsDamaged(
                f"{path.name} was not read: it is damaged, or holds more than weights and could run code.",
                remedy=_SAVE_AGAIN,
            ) from error
        raise WeightsDamaged(
            f"{path.name} cannot be read as a weight file.",
            remedy=f"Copy or download it again. {_SAVE_AGAIN}",
        ) from error


def _tensors_in(content: Any) -> dict[str, Tensor]:
    """Open the wrappers of training scripts until the values are tensors."""
    from torch import Tensor

    for _ in range(4):  # {"ema": {"state_dict": {...}}} is deep already
        if not isinstance(content, Mapping):
            return {}
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None or not inner:
            break
        content = inner
    return {
        str(name): value
        for name, value in content.items()
        if isinstance(value, Tensor) and name != "n_averaged"  # the counter of torch's AveragedModel
    }


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 4} more" if len(listed) > 4 else ""
    return ", ".join(listed[:4]) + more


def _shapes(names: list[str], given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    first = names[0]
    more = f" (and {len(names) - 1} more like it)" if len(names) > 1 else ""
    in_file, in_network = tuple(given[first].shape), tuple(wanted[first].shape)
    return f"{first} is {in_file} in the file and {in_network} in the network{more}"
