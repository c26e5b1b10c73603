"""What a network answers, whatever it wraps the answer in.

Flow:  tensor | tuple | dict | dataclass | model output --named_tensors--> ((name, tensor), ...)

A name says where a tensor lies: "" for a bare tensor, "logits" in a dict or named
tuple, "1" for the second of a tuple, "heads.0" when nested.

Knows Python containers and tensors only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import Tensor


def named_tensors(answer: Any, name: str = "") -> tuple[tuple[str, Tensor], ...]:
    """Every tensor in an answer, in order, with the place it lies at."""
    if isinstance(answer, Tensor):
        return ((name, answer),)
    found: list[tuple[str, Tensor]] = []
    for key, value in _parts(answer):
        found += named_tensors(value, f"{name}.{key}" if name else key)
    return tuple(found)


def _parts(answer: Any) -> list[tuple[str, Any]]:
    """The (key, value) pairs of one container; empty for anything else."""
    if isinstance(answer, Mapping):
        return [(str(key), value) for key, value in answer.items()]
    if isinstance(answer, tuple) and hasattr(answer, "_fields"):
        return list(zip(answer._fields, answer, strict=True))
    if isinstance(answer, list | tuple):
        return [(str(index), value) for index, value in enumerate(answer)]
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        return [(field.name, getattr(answer, field.name)) for field in dataclasses.fields(answer)]
    return []
