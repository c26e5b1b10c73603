"""All zoos as one: resolve a name, then describe, build or load it.

Flow:  "resnet50" or "timm/resnet50" --resolve--> (zoo, name) --> NetworkCard | Network

A bare name belongs to the first zoo of the tuple that has it. Names are compared with
the zoos' own lists and never interpreted: a name that is on no list opens no file and
no connection.
"""

from __future__ import annotations

import difflib
import fnmatch
from pathlib import Path

from headswap.errors import ModelNotFound
from headswap.events import Listener, silent
from headswap.network import Network, NetworkCard
from headswap.storage.locations import install_command
from headswap.zoos.own import OwnZoo, load_own_weights, names_code
from headswap.zoos.timm_zoo import TimmZoo
from headswap.zoos.torchvision_zoo import TorchvisionZoo
from headswap.zoos.transformers_classes import is_installed
from headswap.zoos.transformers_zoo import TransformersZoo
from headswap.zoos.zoo import Device, Zoo, ZooSettings

DEFAULT_MODEL = "tf_efficientnet_lite0"  # its weights come with the requirements: it works offline
DEFAULT_SETTINGS = ZooSettings()
_LONGEST_NAME = 100  # letters; the longest real one has fewer than 80


def zoos(settings: ZooSettings = DEFAULT_SETTINGS) -> tuple[Zoo, ...]:
    """Every zoo; the order decides whose a bare name is."""
    return TorchvisionZoo(settings), TimmZoo(settings), TransformersZoo(settings), OwnZoo(settings)


def load_network(
    model: str,
    *,
    weights: str | Path | None = None,
    listener: Listener = silent,
    settings: ZooSettings = DEFAULT_SETTINGS,
) -> Network:
    """A network with its pretrained weights, or with the person's own weight file.

    Args:
        model: an architecture, with or without its zoo ("timm/resnet50").
        weights: a .safetensors, .pt or .pth file for this architecture; its class count is read from it.
        listener: hears `Progress` of step "fetch" in bytes.
        settings: where weights are kept, and whether a connection may be opened.

    Raises:
        ModelNotFound: no zoo has this name.
        WeightsNotHere: the weights are not on this machine and could not be fetched.
        WeightsDamaged: the file is altered, unsafe, or made for another network.
    """
    zoo, own_name = resolve(model, settings)
    if weights is not None:
        return load_own_weights(zoo, own_name, Path(weights))
    return zoo.load(own_name, listener)


def build_network(
    name: str,
    *,
    device: Device = "cpu",
    variant: str = "",
    settings: ZooSettings = DEFAULT_SETTINGS,
) -> Network:
    """A network with random weights; on the "meta" device it has shapes only and costs no memory.

    To build again what was loaded, give the `variant` of its card.

    Raises:
        ModelNotFound: no zoo has this name.
    """
    zoo, own_name = resolve(name, settings)
    return zoo.build(own_name, device=device, variant=variant)


def describe_network(name: str, *, settings: ZooSettings = DEFAULT_SETTINGS) -> NetworkCard:
    """What is known of a network without building it.

    Raises:
        ModelNotFound: no zoo has this name.
    """
    zoo, own_name = resolve(name, settings)
    return zoo.describe(own_name)


def list_networks(
    pattern: str | None = None, *, settings: ZooSettings = DEFAULT_SETTINGS
) -> tuple[NetworkCard, ...]:
    """The cards of every network whose full name contains `pattern`, or matches it where it has * or ?."""
    return tuple(
        zoo.describe(name)
        for zoo in zoos(settings)
        for name in zoo.names()
        if pattern is None or _matches(f"{zoo.name}/{name}", pattern)
    )


def fetched_bytes(settings: ZooSettings = DEFAULT_SETTINGS) -> int:
    """What lies in the folders that weights are fetched to; other programs may share two of them."""
    from huggingface_hub.constants import HF_HUB_CACHE
    from torch.hub import get_dir

    folders = (settings.folder, Path(get_dir()) / "checkpoints", Path(HF_HUB_CACHE))
    files = (path for folder in folders if folder.is_dir() for path in folder.rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file() and not path.is_symlink())


def resolve(name: str, settings: ZooSettings = DEFAULT_SETTINGS) -> tuple[Zoo, str]:
    """The zoo that has this name, and the name without the zoo.

    Raises:
        ModelNotFound: no zoo has it, letter by letter; near names are suggested.
    """
    prefix, slash, rest = name.partition("/")
    is_own = names_code(rest if slash else name)  # as no library's name: none is loaded only to be asked
    for zoo in zoos(settings):
        if isinstance(zoo, OwnZoo) != is_own:
            continue
        if slash and prefix == zoo.name and zoo.knows(rest):
            return zoo, rest
        if not slash and zoo.knows(name):
            return zoo, name
    raise _not_found(name, settings)


def _matches(full_name: str, pattern: str) -> bool:
    pattern = pattern.lower()
    if any(mark in pattern for mark in "*?["):
        bare = full_name.partition("/")[2]
        return fnmatch.fnmatchcase(bare, pattern) or fnmatch.fnmatchcase(full_name, pattern)
    return pattern in full_name.lower()


def _not_found(name: str, settings: ZooSettings) -> ModelNotFound:
    shown = ascii(name[:_LONGEST_NAME]) + ("…" if len(name) > _LONGEST_NAME else "")
    bare = name.rpartition("/")[2][:_LONGEST_NAME]
    known = list(dict.fromkeys(known for zoo in zoos(settings) for known in zoo.names()))
    if names_code(bare):
        return ModelNotFound(
            f"{shown} names Python code, which is not run from here.",
            remedy="Use it in the shell or in Python.",
        )
    if bare.endswith("ForImageClassification") and not is_installed():
        return ModelNotFound(
            f"{shown} is in the transformers zoo, which is an extra.",
            remedy=f"Install it with `{install_command('transformers')}`.",
        )
    near = difflib.get_close_matches(bare, known, n=3, cutoff=0.6)
    remedy = f"Did you mean {' or '.join(near)}?" if near else "`headswap models` lists every name."
    return ModelNotFound(f"No zoo has a network called {shown}.", remedy=remedy)
