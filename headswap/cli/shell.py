"""The shell, made from the signatures of the verbs: options, choices, defaults, help and refusals.

Flow:  typed --call_of--> Call (a verb and its arguments) --> its function --headswap.cli.answers--> lines

A parameter of a function is an option of its verb, and its documentation there is the option's help. What
differs from that stands in the tables below: names that options had before, and what a shell does not show.
"""

from __future__ import annotations

import builtins
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from headswap.errors import BadSetting
from headswap.version import __version__

if TYPE_CHECKING:
    from cyclopts import App, Token

VERBS = {  # as `headswap --help` lists them: a verb and its function
    "models": "headswap.pipeline.api:models",
    "inspect": "headswap.pipeline.api:inspect",
    "check": "headswap.pipeline.api:check",
    "film": "headswap.data.film_link:film",
    "teach": "headswap.pipeline.api:train",
    "compare": "headswap.pipeline.compare:compare",
    "label": "headswap.pipeline.label:label",
    "predict": "headswap.pipeline.api:predict",
    "sort": "headswap.pipeline.many:sort",
    "evaluate": "headswap.pipeline.api:evaluate",
    "edit": "headswap.pipeline.edit:edit",
    "export": "headswap.exports.export:export",
    "engines": "headswap.cli.local:engines",
    "lesson": "headswap.cli.local:lesson",
    "serve": "headswap.cli.local:serve",
    "users": "headswap.cli.local:users",
    "doctor": "headswap.cli.local:doctor",
}
_NAMES = {  # of an option, where it is not that of its parameter or field
    "from_bundle": ("--from",),
    "data": ("--data", "--pictures"),
    "profile": ("--for",),
    "app_workspace": ("--workspace",),  # the shell's own is its cache
    "budget_s": ("--budget",),
    "flip": ("--flip", "--mirror"),
    "crop_mode": ("--crop-mode", "--fit"),
}
_OFF = {  # on, unless this is said
    "onnx": ("--no-onnx", "leave model.onnx out"),
    "keep_features": (
        "--no-features",
        "keep no features of the images in the bundle: later its classes cannot be changed without them",
    ),
}
_FINER = "Further than the head, with --depth"
_ENVIRONMENT = {"on": "HEADSWAP_CLUSTER"}  # stands in for what was not said
_HIDDEN = {"listener", "on_row", "workspace", "kept"}  # the shell gives them itself, or has no use for them
_TWICE = {"TrainConfig": ("head", "l2_grid")}  # fields for which there is another way


@dataclass(frozen=True)
class Call:
    """What was asked of a shell."""

    verb: str
    function: Callable[..., Any]
    arguments: dict[str, Any]
    as_json: bool


class WrongCommand(BadSetting):
    """What was typed is no command; one sentence says why and what was probably meant."""


def call_of(typed: Sequence[str]) -> Call | None:
    """Read a command; None where help or the version was asked for, which is printed then.

    Raises:
        WrongCommand: it is none.
    """
    from cyclopts import CycloptsError

    if not typed:
        verbs = ", ".join(VERBS)
        raise WrongCommand(f"headswap: no verb was given; choose {verbs}.", remedy="See `headswap --help`.")
    verb = typed[0] if typed[0] in VERBS else None
    try:
        call: Call | None = _app(verb)(list(typed), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        begin = f"headswap {verb}" if verb else "headswap"
        said = " ".join(str(error).split()).replace("?.", "?")
        raise WrongCommand(f"{begin}: {said}", remedy=f"See `{begin} --help`.") from error
    return call


def _app(verb: str | None) -> App:
    """The parser; of one verb alone, so that no other is imported."""
    from cyclopts import App, Parameter

    app = App(
        name="headswap",
        version=f"headswap {__version__}",
        help="Teach any pretrained image classifier your own classes.",
        help_format="plaintext",
        default_parameter=Parameter(negative=(), negative_iterable=(), consume_multiple=True),
        result_action="return_value",
        end_of_options_delimiter="--",
    )
    if verb:
        app.command(_command(verb), name=verb)
        return app
    for number, name in enumerate(VERBS):
        app.command(lambda: None, name=name, help=_first_line(name), sort_key=number)
    return app


def _first_line(verb: str) -> str:
    """What a verb does, read from the source of its function: to list all verbs, none is imported."""
    module, _, name = VERBS[verb].partition(":")
    found = find_spec(module)
    source = Path(found.origin).read_text(encoding="utf-8") if found and found.origin else ""
    said = re.search(rf'^def {name}\(.*?"""(.*?)(?:\n\n|""")', source, re.DOTALL | re.MULTILINE)
    return " ".join(said[1].split()) if said else ""


def _command(verb: str) -> Callable[..., Call]:
    """A function that cyclopts reads, with the signature that a shell shows."""
    module, _, name = VERBS[verb].partition(":")
    function = getattr(import_module(module), name)
    options = list(_options(function))

    def command(*positional: Any, as_json: bool = False, **given: Any) -> Call:
        return Call(verb, function, _arguments(options, positional, given), as_json)

    shown = [one.parameter() for one in options]
    shown += [
        _Option(
            "as_json", bool, False, names=("--json",), text="one JSON object on the last line"
        ).parameter()
    ]
    command.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in shown}
    command.__doc__ = _summary(function)
    return command


@dataclass(frozen=True)
class _Record:
    """Where the options of a settings record go."""

    name: str  # of the parameter, or of the field
    kind: type


@dataclass(frozen=True)
class _Option:
    """One thing that may be said."""

    name: str  # of the parameter, or of the field of a record
    type: Any
    default: Any = inspect.Parameter.empty
    names: tuple[str, ...] = ()
    text: str = ""
    is_positional: bool = False
    path: tuple[_Record, ...] = ()  # of a field: the records that it is in, from the parameter

    def parameter(self) -> inspect.Parameter:
        """As cyclopts reads it."""
        from cyclopts import Parameter

        kind = inspect.Parameter.POSITIONAL_ONLY if self.is_positional else inspect.Parameter.KEYWORD_ONLY
        names, text = (
            self.names or (f"--{self.name.replace('_', '-')}",),
            self.text.replace("None: ", "default: "),
        )
        default, converter, more = self.default, _converter(self.type), dict[str, Any]()
        if self.name in _OFF:
            (name, text), default = _OFF[self.name], False
            names = (name,)
        if converter:
            more = {"converter": converter, "n_tokens": -1, "accepts_keys": False}
        if self.name in _ENVIRONMENT:
            more["env_var"] = _ENVIRONMENT[self.name]
        if self.path[1:]:
            more["group"] = _FINER
        if default in (None, True) and self.type is bool:
            more["negative"] = f"--no-{self.name.replace('_', '-')}"
        is_plain = default in (None, False, (), "", inspect.Parameter.empty)
        about = Parameter(
            name=None if self.is_positional else names, help=text, show_default=not is_plain, **more
        )
        shown = self.type | None if default is None else self.type
        return inspect.Parameter(self.name, kind, default=default, annotation=Annotated[shown, about])


def _options(function: Callable[..., Any]) -> Iterator[_Option]:
    """What a verb takes, in the order of its signature."""
    texts, names = _texts(function), _Names(vars(sys.modules[function.__module__]))
    for one in inspect.signature(function).parameters.values():
        if one.name in _HIDDEN:
            continue
        hint = eval(one.annotation, {}, names)  # noqa: S307 - our own signatures
        known = (hint, *get_args(hint), *getattr(hint, "__metadata__", ()))
        records = [kind for kind in known if isinstance(kind, type) and is_dataclass(kind)]
        if records:
            is_named = hasattr(hint, "__metadata__")  # what was said goes on by its names
            path = (_Record(one.name, dict if is_named else records[0]),)
            yield from _fields_of(path, records[0])
            continue
        yield _Option(
            one.name, _shown_type(hint), one.default, _NAMES.get(one.name, ()), texts.get(one.name, ""),
            is_positional=one.kind is not inspect.Parameter.KEYWORD_ONLY,
        )  # fmt: skip


def _fields_of(path: tuple[_Record, ...], record: type) -> Iterator[_Option]:
    """The fields of a settings record as options; those of a record in it have its name before theirs."""
    hints, left_out = typing.get_type_hints(record), _TWICE.get(record.__name__, ())
    comments = dict(re.findall(r"^ +(\w+): .*?  # (.*)$", inspect.getsource(record), re.MULTILINE))
    for one in fields(record):
        hint = hints[one.name]
        if isinstance(hint, type) and is_dataclass(hint):
            yield from _fields_of((*path, _Record(one.name, hint)), hint)
            continue
        default = None if path[0].kind is dict or one.default is MISSING else one.default
        text = comments.get(one.name) or one.metadata.get("description", "")
        text += "; 0: no limit" * one.metadata.get("may_be_none", False)
        name = "_".join((*(inner.name for inner in path[1:]), one.name))
        if one.name not in left_out:
            yield _Option(name, _shown_type(hint), default, _NAMES.get(name, ()), text, path=path)


def _arguments(
    options: Sequence[_Option], positional: Sequence[Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """What the function is called with; a record is made where one of its options was said."""
    positions = (one.name for one in options if one.is_positional)
    said = dict(zip(positions, positional, strict=False)) | dict(given)
    said = {one.name: said[one.name] for one in options if one.name in said}
    arguments: dict[str, Any] = {}
    inside: dict[tuple[_Record, ...], dict[str, Any]] = {}
    for one in options:
        if one.name in said and not one.path:
            arguments[one.name] = _value(one, said)
        elif one.name in said:
            field = one.name.removeprefix("_".join((*(inner.name for inner in one.path[1:]), "")))
            inside.setdefault(one.path, {})[field] = _value(one, said)
    while inside:  # the innermost first
        path = max(inside, key=len)
        made, outer = path[-1].kind(**inside.pop(path)), path[:-1]
        (inside.setdefault(outer, {}) if outer else arguments)[path[-1].name] = made
    return arguments


def _value(option: _Option, said: Mapping[str, Any]) -> Any:
    return not said[option.name] if option.name in _OFF else said[option.name]


def _shown_type(hint: Any) -> Any:
    """What a word of the shell becomes: text where a path may be one, a list where several may be given."""
    known = get_args(hint) if _is_union(hint) else (hint,)
    inside = [one for one in known if one not in (type(None), _Unknown)]
    if any(map(_is_sequence, inside)):
        return list[str]
    if str in inside:
        return str
    mappings = [one for one in inside if _is_mapping(one)]
    return mappings[0] if mappings else inside[0] if len(inside) == 1 else hint


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _is_sequence(hint: Any) -> bool:
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Sequence)


def _is_mapping(hint: Any) -> bool:
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _converter(kind: Any) -> Callable[[Any, Sequence[Token]], Any] | None:
    """How a mapping is said: its option once for each entry."""
    if not _is_mapping(kind):
        return None
    return _merges if _is_sequence(get_args(kind)[1]) else _pairs


def _groups(tokens: Sequence[Token]) -> list[list[str]]:
    """The typed behind each time that an option was said."""
    groups: list[list[str]] = []
    for token in tokens:
        if token.index == 0:
            groups.append([])
        groups[-1].append(token.value)
    return groups


def _merges(_kind: Any, tokens: Sequence[Token]) -> dict[str, list[str]]:
    merges: dict[str, list[str]] = {}
    for *names, into in _groups(tokens):
        if not names or into in merges:
            raise BadSetting(
                f"--merge {' '.join([*names, into])} does not say what becomes what.",
                remedy="Name two or more classes and then the name that they get: --merge owl heron bird.",
            )
        merges[into] = names
    return merges


def _pairs(_kind: Any, tokens: Sequence[Token]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for typed in _groups(tokens):
        if len(typed) != 2:
            raise BadSetting(
                f"--rename {' '.join(typed)} does not name two.", remedy="Give --rename OLD NEW."
            )
        if typed[0] in pairs:
            raise BadSetting(f"{typed[0]} is renamed twice.", remedy="Say once what becomes of a class.")
        pairs[typed[0]] = typed[1]
    return pairs


class _Names(dict[str, Any]):
    """The names of a module; what it imports for type checkers alone is no word of a shell."""

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)
        return _Unknown


class _Unknown:
    """Stands for a type that no word becomes."""


def _summary(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n\n")[0]


def _texts(function: Callable[..., Any]) -> dict[str, str]:
    """What the docstring says of each parameter."""
    from docstring_parser.google import parse  # comes with cyclopts

    return {
        one.arg_name: " ".join((one.description or "").split())
        for one in parse(inspect.getdoc(function) or "").params
    }
