"""Where the classifier head of a network is, and how that is known.

Records only; importing this file loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

AnswerKind = Literal["logits", "probabilities", "log-probabilities", "independent probabilities"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A layer that could be taken for the head and is not, with the reason."""

    path: str
    kind: str
    shape: tuple[int, ...]  # of its weight
    reason: str


Layout = Literal["NCHW", "NHWC", "NTC"]  # of what a block gives: maps, maps with channels last, tokens


@dataclass(frozen=True, kw_only=True)
class Tap:
    """A block whose output a wide head reads: mean and spread of each channel over all positions."""

    path: str  # of the block, in the network that was widened
    layout: Layout
    channels: int
    mean: bool = True  # False: the last features are this mean already

    @property
    def width(self) -> int:
        """How many features it gives."""
        return self.channels * (2 if self.mean else 1)


@dataclass(frozen=True, kw_only=True)
class HeadLayer:
    """One layer that gives class scores."""

    path: str  # in the network; ends in a parameter's name when the head is a bare `nn.Parameter`
    kind: str = ""  # class name of the module ("Linear", "Conv2d", "Parameter", ...); "": not recorded
    in_features: int = 0  # numbers that it reads of an image; 0: not recorded
    out_features: int = 0  # answers that it gives; differs where a network answers several questions


@dataclass(frozen=True, kw_only=True)
class HeadSite:
    """Every layer to be replaced, and the evidence.

    Files keep the layers in columns, as version 0.1 wrote them: paths, kinds, in_features, out_features.
    """

    layers: tuple[HeadLayer, ...]  # the heads that the network uses when it predicts
    num_classes: int  # that the head answers
    input_size: tuple[int, int, int]  # (channels, height, width) it was found with
    aux_layers: tuple[
        HeadLayer, ...
    ] = ()  # heads that only speak while it is trained, or not at all any more
    tail_paths: tuple[str, ...] = ()  # norm, scale or bias after the head that is resized with it
    outputs: tuple[str, ...] = ("",)  # where the answers lie in what the network gives; "": the answer itself
    aux_outputs: tuple[str, ...] = ()  # where auxiliary answers lie in what it gives in training mode
    answer_kind: AnswerKind = "logits"  # what the numbers are: some networks end in a softmax of their own
    evidence: tuple[str, ...] = ()  # sentences for people, in the order of the search
    candidates: tuple[Candidate, ...] = ()  # layers that were looked at and are no head, with the reason
    metadata: str = ""  # what the library says of its head
    metadata_agrees: bool | None = None  # None: the library says nothing
    new_head: bool = False  # the network had no head of its own when it was pretrained
    # blocks that a wide head reads in addition to the last features; (): a plain head
    taps: tuple[Tap, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """Of every head."""
        return tuple(layer.path for layer in self.layers)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The type of every head, such as "Linear", in the order of `paths`."""
        return tuple(layer.kind for layer in self.layers)

    @property
    def in_features(self) -> tuple[int, ...]:
        """The width of every head, in the order of `paths`."""
        return tuple(layer.in_features for layer in self.layers)

    @property
    def aux_paths(self) -> tuple[str, ...]:
        """Of every auxiliary head."""
        return tuple(layer.path for layer in self.aux_layers)

    @property
    def all_paths(self) -> tuple[str, ...]:
        """Heads and auxiliary heads."""
        return self.paths + self.aux_paths

    @property
    def last_features(self) -> slice:
        """Which of the features side by side are the last ones, that a plain head reads."""
        return slice(sum(tap.width for tap in self.taps), sum(self.in_features))

    @property
    def feature_key(self) -> str:
        """Names what the head reads: a key for features on disk and for what was measured with them."""
        return ",".join((*self.paths, *(f"{tap.path}:{tap.width}" for tap in self.taps)))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """How `headswap.storage.files` reads and writes it: with the keys of version 0.1."""
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(
            _from_columns,
            handler(source),
            serialization=core_schema.wrap_serializer_function_ser_schema(_to_columns),
        )


def _from_columns(kept: Any) -> Any:
    if not isinstance(kept, dict) or "paths" not in kept:
        return kept
    rest, classes = dict(kept), kept.get("num_classes", 0)
    heads = (
        rest.pop("paths"),
        rest.pop("kinds", ()),
        rest.pop("in_features", ()),
        rest.pop("out_features", ()),
    )
    aux = (rest.pop("aux_paths", ()), rest.pop("aux_kinds", ()), rest.pop("aux_in_features", ()), ())
    return rest | {"layers": _rows(heads, classes), "aux_layers": _rows(aux, classes)}


def _rows(columns: tuple[Any, ...], classes: int) -> list[dict[str, Any]]:
    paths, kinds, widths, answers = columns
    return [
        {"path": path, "kind": kind, "in_features": width, "out_features": given}
        for path, kind, width, given in zip(
            paths,
            kinds or [""] * len(paths),
            widths or [0] * len(paths),
            answers or [classes] * len(paths),
            strict=True,
        )
    ]


def _to_columns(site: HeadSite, write: Any) -> dict[str, Any]:
    plain: dict[str, Any] = write(site)
    heads, aux = plain.pop("layers"), plain.pop("aux_layers")
    told = [layer for layer in aux if layer["kind"]]
    first = {
        "paths": [layer["path"] for layer in heads],
        "kinds": [layer["kind"] for layer in heads],
        "in_features": [layer["in_features"] for layer in heads],
        "num_classes": plain.pop("num_classes"),
        "input_size": plain.pop("input_size"),
        "aux_paths": [layer["path"] for layer in aux],
        "aux_kinds": [layer["kind"] for layer in told],
        "aux_in_features": [layer["in_features"] for layer in told],
        "out_features": [layer["out_features"] for layer in heads],
    }
    return first | plain
