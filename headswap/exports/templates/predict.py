"""Classify images with the network in this folder.

    python predict.py picture.jpg [more.png a-folder] [--json]

Needs `pip install -r requirements.txt`: torch, the library that knows the network, pillow and numpy.
The architecture is built by its own library, as network.json says; then the numbers of
weights.safetensors are put into it, every tensor in its saved shape.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

NUMBERS = {  # safetensors' names -> torch's
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def open_network(folder: Path) -> Callable[[Any], Any]:
    """A function from (N, C, H, W) float32 to (N, classes) probabilities and (N,) OOD scores; or None."""
    import pictures  # type: ignore[import-not-found,unused-ignore]  # next to this file, in the zip

    spec = pictures.load(folder, "network.json")
    try:
        import torch

        module = widened(bare_network(spec), spec)
    except ImportError as error:
        needed = error.name or spec["library"]
        raise pictures.Problem(
            f"Python cannot find {needed}. "
            + (
                f"Put the file that defines {spec['name']} next to predict.py."
                if spec["library"] == "own"
                else "Run `pip install -r requirements.txt` in this folder."
            )
        ) from error
    try:
        fill(module, spec, *read_tensors(folder / "weights.safetensors"))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise pictures.Problem(
            f"weights.safetensors does not fit {spec['name']} as {spec['library']} builds it here. "
            f"Unpack the zip again, or install the versions of requirements.txt."
        ) from error
    module.eval()

    known, threshold = remembered(folder / "memory.safetensors") if spec["last"] else (None, None)

    def answer(numbers: Any) -> tuple[Any, Any]:
        with torch.inference_mode():
            images = torch.from_numpy(numbers)
            views = [images, images.flip(-1)] if spec["mirror"] else [images]
            runs = [run(module, view, spec) for view in views]
            logits = torch.stack([logits for logits, _ in runs]).mean(dim=0)
            strange = None
            if threshold is not None:
                last = torch.stack([last for _, last in runs]).mean(dim=0)
                strange = (distances(last, known) / threshold).numpy()
        if spec["thresholds"]:  # several labels: each a question of its own
            scaled = (logits.double() - spec["logit_offset"]) / spec["temperature"]
            return (1.0 - spec["even_share"]) * scaled.sigmoid().numpy() + spec["even_share"] / 2.0, strange
        shares = (logits.double() / spec["temperature"]).softmax(dim=1).numpy()
        return (1.0 - spec["even_share"]) * shares + spec["even_share"] / shares.shape[1], strange

    return answer


def run(module: Any, images: Any, spec: dict[str, Any]) -> tuple[Any, Any]:
    """(N, classes) logits and, from the same run, the (N, D) last features, where they can be caught."""
    import torch

    backbone = module.body if spec["taps"] else module
    read: dict[str, Any] = {}
    hooks = [listen_before(backbone, path, width, read) for path, width in spec["last"]]
    try:
        logits = logits_of(module(images), spec)
    finally:
        for hook in hooks:
            hook.remove()
    return logits, torch.cat([read[path] for path, _ in spec["last"]], dim=1) if read else None


def remembered(path: Path) -> tuple[Any, float | None]:
    """Embeddings of the training images, (M, D), and the distance that is the threshold of the score."""
    if not path.is_file():
        return None, None
    tensors, metadata = read_tensors(path)
    return tensors["looks"].float(), json.loads(metadata["facts"])["alarm"]


def distances(last: Any, known: Any) -> Any:
    """(N, D) features to how far each is from the three nearest that are known, on average."""
    embeddings = last.sign() * last.abs().sqrt()
    embeddings = embeddings / embeddings.norm(dim=1, keepdim=True).clamp_min(1e-12)
    squared = (2.0 - 2.0 * embeddings @ known.T).clamp_min(0.0)
    return squared.topk(min(3, len(known)), dim=1, largest=False).values.sqrt().mean(dim=1)


def bare_network(spec: dict[str, Any]) -> Any:
    """The architecture with random numbers and the head it came with."""
    library, name, options = spec["library"], spec["name"], spec["options"]
    if library == "timm":
        return import_module("timm").create_model(name, pretrained=False, **options)
    if library == "torchvision":
        return import_module("torchvision.models").get_model(name, weights=None, **options)
    if library == "transformers":
        transformers = import_module("transformers")
        config = getattr(transformers, spec["config_class"]).from_dict(spec["config"])
        return getattr(transformers, name)(config)
    module_name, _, factory = name.partition(":")
    made = getattr(import_module(module_name), factory)(**options)
    return getattr(made, "module", made) if spec["wrapped"] else made


def widened(backbone: Any, spec: dict[str, Any]) -> Any:
    """The network with a head that reads every block, if it was trained so; else the network itself."""
    if not spec["taps"]:
        return backbone
    import torch
    from torch import nn

    class _Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = backbone
            self.head = nn.Linear(spec["features"], spec["num_classes"])

        def forward(self, images: Any) -> Any:
            read: dict[str, Any] = {}
            hooks = [listen(tap, read) for tap in spec["taps"]]
            hooks += [listen_before(backbone, path, width, read) for path, width in spec["last"]]
            try:
                self.body(images)
            finally:
                for hook in hooks:
                    hook.remove()
            order = [f"after {tap['path']}" for tap in spec["taps"]] + [path for path, _ in spec["last"]]
            return self.head(torch.cat([read[name] for name in order], dim=1))

    def listen(tap: dict[str, Any], read: dict[str, Any]) -> Any:
        def hook(part: Any, arguments: Any, given: Any) -> None:
            while isinstance(given, tuple | list):
                given = given[0]
            value, axes = given.float(), {"NCHW": (2, 3), "NHWC": (1, 2), "NTC": (1,)}[tap["layout"]]
            mean = value.mean(dim=axes)
            spread = ((value.square().mean(dim=axes) - mean.square()).clamp_min(0) + 1e-6).sqrt()
            read[f"after {tap['path']}"] = torch.cat([mean, spread], dim=1) if tap["mean"] else spread

        return backbone.get_submodule(tap["path"]).register_forward_hook(hook)

    return _Wide()


def listen_before(backbone: Any, path: str, width: int, read: dict[str, Any]) -> Any:
    """Keep what reaches a layer, averaged over its places."""

    def hook(part: Any, arguments: Any) -> None:
        value = arguments[0]
        if value.ndim > 2:
            value = value.movedim(1 if value.shape[1] == width else -1, 1).flatten(2).mean(dim=2)
        read[path] = value.float()

    return backbone.get_submodule(path).register_forward_pre_hook(hook)


def fill(module: Any, spec: dict[str, Any], tensors: dict[str, Any], same: dict[str, str]) -> None:
    """Give the module the shapes, counts and numbers that were saved."""
    state = tensors | {name: tensors[kept] for name, kept in same.items() if kept in tensors}
    for path in spec["without"]:
        parent, _, leaf = path.rpartition(".")
        setattr(module.get_submodule(parent), leaf, None)
    reshape(module, state)
    for path, name, value in spec["counts"]:
        part = module.get_submodule(path)
        is_tuple = isinstance(getattr(part, name, None), tuple)
        setattr(part, name, tuple(value) if is_tuple else value)
    module.load_state_dict(state, strict=True)


def reshape(module: Any, state: dict[str, Any]) -> None:
    """Exchange every parameter and buffer whose saved shape is another; tied ones stay tied."""
    from torch import nn

    made: dict[int, Any] = {}
    for name, old in [*module.named_parameters(remove_duplicate=False), *module.named_buffers()]:
        if name not in state or state[name].shape == old.shape:
            continue
        parent, _, leaf = name.rpartition(".")
        holder = module.get_submodule(parent)
        if leaf in holder._parameters:
            new = made.setdefault(id(old), nn.Parameter(old.new_empty(state[name].shape)))
            holder._parameters[leaf] = new
        else:
            holder._buffers[leaf] = old.new_empty(state[name].shape)


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The tensors of a safetensors file, and the names that stand for another one's numbers."""
    import torch

    data = bytearray(path.read_bytes())
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    same = header.pop("__metadata__", {})
    tensors = {}
    for name, one in header.items():
        kind, (start, end) = getattr(torch, NUMBERS[one["dtype"]]), one["data_offsets"]
        empty = torch.empty(one["shape"], dtype=kind)
        if end > start:
            empty = torch.frombuffer(data, dtype=kind, count=empty.numel(), offset=begin + start)
        tensors[name] = empty.view(one["shape"])
    return tensors, same


def logits_of(answer: Any, spec: dict[str, Any]) -> Any:
    """(N, classes) logits: several heads are averaged, those that speak in training only left out."""
    import torch

    named = [(name, value) for name, value in named_tensors(answer) if value.dim() == 2]
    rows = [(name, one) for name, one in named if name not in spec["aux_outputs"] or len(named) == 1]
    stated = [one for name, one in rows if name in spec["outputs"]]
    heads = stated or [one for _, one in rows if one.shape[1] == spec["num_classes"]]
    return torch.stack([as_logits(one, spec["answer_kind"]) for one in heads]).mean(dim=0)


def as_logits(row: Any, kind: str) -> Any:
    """Some networks end in a softmax of their own."""
    import torch

    if kind in ("logits", "log-probabilities"):
        return row
    if kind == "probabilities" and row.shape[1] > 1:
        return row.clamp_min(torch.finfo(row.dtype).tiny).log()
    return torch.logit(row, eps=torch.finfo(row.dtype).eps)


def named_tensors(answer: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every tensor in what a network gives, with the place it lies at."""
    if hasattr(answer, "dim"):
        yield name, answer
        return
    if isinstance(answer, Mapping):
        parts = [(str(key), value) for key, value in answer.items()]
    elif isinstance(answer, tuple) and hasattr(answer, "_fields"):
        parts = list(zip(answer._fields, answer, strict=True))
    elif isinstance(answer, list | tuple):
        parts = [(str(index), value) for index, value in enumerate(answer)]
    elif is_dataclass(answer):
        parts = [(field.name, getattr(answer, field.name)) for field in fields(answer)]
    else:
        parts = []
    for key, value in parts:
        yield from named_tensors(value, f"{name}.{key}" if name else key)


if __name__ == "__main__":
    try:
        from pictures import main  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        missing = "pillow" if error.name == "PIL" else error.name
        sys.exit(f"Python cannot find {missing}. Run `pip install -r requirements.txt` in this folder.")
    sys.exit(main("Name pictures with the network in this folder.", open_network))
