"""Whether the fields of a settings record hold what their types say: if not, refused where they enter.

Flow:  record --check_fields--> nothing, or BadSetting that names the field, its value and what is allowed

A type checker sees this for code; this is for values that come from a shell, a page, a file or a notebook.
"""

from __future__ import annotations

import types
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from headswap.errors import BadSetting

_LONGEST = 80  # letters of a value that are shown
_NAMES_OF_TYPES = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}


def check_fields(record: Any) -> None:
    """Compare every field of a dataclass with its type.

    Raises:
        BadSetting: a value is of another type, or not one of those that are allowed.
    """
    hints = _hints(type(record))  # type: ignore[arg-type]  # a class has a hash; its instances are asked
    for one in fields(record):
        value, hint = getattr(record, one.name), hints[one.name]
        if not _fits(value, hint):
            shown = repr(value) if len(repr(value)) <= _LONGEST else repr(value)[: _LONGEST - 1] + "…"
            raise BadSetting(f"{one.name} is {shown}.", remedy=f"Choose {_allowed(hint)}.")


def keys_on_disk(**keys: str) -> Any:
    """The `__pydantic_config__` of a record whose files have other keys than its fields have names.

    Files of older versions keep opening that way: names in code may change, what lies on a disk does not.

    Args:
        keys: field name to key.
    """
    return {"alias_generator": lambda name: keys.get(name, name)}


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: object, hint: Any) -> bool:
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inside)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inside)
    if origin is tuple and isinstance(value, tuple):
        kinds = inside[:1] * len(value) if inside[-1:] == (...,) else inside
        return len(value) == len(kinds) and all(map(_fits, value, kinds))
    if hint in (int, float):
        numbers = (int,) if hint is int else (int, float)
        return isinstance(value, numbers) and not isinstance(value, bool)
    return isinstance(value, origin or hint)


def _allowed(hint: Any) -> str:
    """What may stand there: "head, norms or auto", "a whole number, or None"."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Literal:
        *others, last = map(str, inside)
        return f"{', '.join(others)} or {last}" if others else last
    if origin in (Union, types.UnionType):
        told = " or ".join(_allowed(one) for one in inside if one is not type(None))
        return f"{told}, or None" if type(None) in inside else told
    if origin is tuple:
        return (
            f"a tuple, each {_allowed(inside[0])}" if inside[-1:] == (...,) else f"a tuple of {len(inside)}"
        )
    kind: type = origin or hint
    return _NAMES_OF_TYPES.get(kind, f"a {kind.__name__}")
