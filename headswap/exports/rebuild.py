"""How a trained network is built again by its own library alone: `network.json` of the take-home zip.

Flow:  Bundle --spec_of--> RebuildSpec;  library + RebuildSpec + weights
           --templates/predict.py--> the same network

Nothing is guessed: the architecture is built here in the very way predict.py will build it, and
whatever differs from the trained network (counts, layers that were dropped) is written down.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from headswap.bundle.predictor import Bundle
from headswap.errors import HeadswapError
from headswap.exports.templates import predict
from headswap.field_types import keys_on_disk
from headswap.heads.site import Tap
from headswap.network import Network
from headswap.storage.files import to_plain
from headswap.zoos.transformers_zoo import NEW_HEAD_CLASSES

if TYPE_CHECKING:
    from torch import nn

_PLAIN = (bool, int, float, str)
Plain = bool | int | float | str | None


class CannotRebuild(HeadswapError):
    """The library alone does not build the network that was trained."""


@dataclass(frozen=True, kw_only=True)
class RebuildSpec:
    """Everything that predict.py must know in addition to the weights."""

    __pydantic_config__ = keys_on_disk(flip="mirror")

    library: str  # timm, torchvision, transformers, own
    name: str  # as the library calls it; of one's own code: package.module:factory
    options: dict[str, Plain] = field(default_factory=dict)
    config_class: str = ""  # of transformers
    config: dict[str, Any] = field(default_factory=dict)  # of transformers
    wrapped: bool = False  # one's own factory gives a record that holds the module
    without: tuple[str, ...] = ()  # layers that are built and then dropped
    counts: tuple[tuple[str, str, Plain | tuple[Plain, ...]], ...] = ()  # (layer, attribute, value)
    taps: tuple[Tap, ...] = ()  # blocks that a wide head reads
    last: tuple[tuple[str, int], ...] = ()  # where the last features arrive, and how many
    features: int = 0  # that a wide head reads
    num_classes: int
    outputs: tuple[str, ...]  # where the answers lie in what the network gives
    aux_outputs: tuple[str, ...]
    answer_kind: str
    flip: bool  # the mean over image and flipped image
    temperature: float  # logits are divided by it before the softmax
    even_share: float  # of the answer, spread evenly over the classes after it
    thresholds: tuple[float, ...] = ()  # from which each label is said; (): an image has one class
    logit_offset: float = 0.0  # taken off the logits before their sigmoids


def spec_of(bundle: Bundle) -> RebuildSpec:
    """Write down how a bundle's network is built.

    Raises:
        CannotRebuild: the trained network has layers that its library does not build.
    """
    from headswap.heads.wide import unwidened

    card, site = bundle.card, bundle.card.site
    library, _, name = card.model.partition("/")
    spec = RebuildSpec(
        library=library,
        name=name,
        taps=site.taps,
        last=_last(bundle),
        features=sum(site.in_features) if site.taps else 0,
        num_classes=len(card.classes),
        outputs=site.outputs,
        aux_outputs=site.aux_outputs,
        answer_kind=site.answer_kind,
        flip=card.flip,
        temperature=card.temperature,
        even_share=card.even_share,
        thresholds=card.thresholds,
        logit_offset=card.logit_offset,
    )
    spec = _with_choices(spec, replace(bundle.network, module=unwidened(bundle.network.module)))
    plain = to_plain(spec)
    bare = predict.widened(predict.bare_network(plain), plain)
    return _with_differences(spec, bare, bundle.network.module)


def _last(bundle: Bundle) -> tuple[tuple[str, int], ...]:
    """Where the last features arrive: at the network's own heads; (): they are no layers."""
    from headswap.heads.wide import WideNetwork, unwidened

    module = bundle.network.module
    site = module.site if isinstance(module, WideNetwork) else bundle.card.site
    layers = dict(unwidened(module).named_modules(remove_duplicate=False))
    if not all(path in layers for path in site.paths):
        return ()
    return tuple((layer.path, layer.in_features) for layer in site.layers)


def _with_choices(spec: RebuildSpec, network: Network) -> RebuildSpec:
    """What the library must be told to build this very architecture."""
    module: Any = network.module
    if spec.library == "transformers":
        config = json.loads(module.config.to_json_string())
        config.pop("_name_or_path", None)  # where it lay on this machine
        return replace(spec, config_class=type(module.config).__name__, config=config)
    options: dict[str, Plain] = {}
    if spec.library == "timm" and network.head_is_new:
        options["num_classes"] = NEW_HEAD_CLASSES
    if spec.library == "torchvision":
        if isinstance(getattr(module, "image_size", None), int):
            options["image_size"] = module.image_size
        if hasattr(module, "transform_input"):  # these two ask how their random numbers are drawn
            options["init_weights"] = True
    if spec.library == "own":
        made = predict.bare_network({"library": "own", "name": spec.name, "options": {}, "wrapped": False})
        return replace(spec, wrapped=isinstance(made, Network))
    return replace(spec, options=options)


def _with_differences(spec: RebuildSpec, bare: nn.Module, trained: nn.Module) -> RebuildSpec:
    """Compare layer by layer what the library builds with what was trained."""
    built = dict(bare.named_modules(remove_duplicate=False))
    wanted = dict(trained.named_modules(remove_duplicate=False))
    strange = [path for path in wanted if path not in built]
    if strange:
        raise CannotRebuild(
            f"{spec.library} does not build the layer {strange[0]!r} of this network.",
            remedy="Use `headswap predict` with the bundle instead of predict.py.",
        )
    gone = [path for path in built if path not in wanted]
    without = tuple(path for path in gone if path.rpartition(".")[0] in wanted)
    counts = tuple(
        (path, name, value)
        for path, part in wanted.items()
        for name, value in part.__dict__.items()
        if not name.startswith("_") and name != "training" and _is_plain(value)
        if built[path].__dict__.get(name, _Missing) != value
    )
    return replace(spec, without=without, counts=counts)


class _Missing:
    """Equal to no value."""


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(one is None or isinstance(one, _PLAIN) for one in value)
    return value is None or isinstance(value, _PLAIN)
