"""For the API pages: the comment behind a field of a record is its documentation."""

from __future__ import annotations

import io
import tokenize
from pathlib import Path
from textwrap import dedent
from typing import Any

import griffe


class FieldComments(griffe.Extension):
    """Gives an attribute without a docstring the comment in its lines, or the one in the line before it."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Called for each attribute that was read from the code."""
        first, last = attr.lineno, attr.endlineno
        if attr.docstring or first is None or last is None or not isinstance(attr.filepath, Path):
            return
        lines = attr.filepath.read_text(encoding="utf-8").splitlines()
        before = lines[first - 2].strip()
        text = _comment_in(lines[first - 1 : last]) or _comment_in([before] if before.startswith("#") else [])
        if text:
            attr.docstring = griffe.Docstring(text, lineno=first, parent=attr)


def _comment_in(lines: list[str]) -> str:
    """The first comment, without its mark; empty where there is none, or it is for a tool."""
    code = io.StringIO(dedent("\n".join(lines)))
    said = [one.string for one in tokenize.generate_tokens(code.readline) if one.type == tokenize.COMMENT]
    text = said[0].lstrip("# ") if said else ""
    is_for_a_tool = text.startswith(("type:", "noqa", "fmt:"))
    return "" if is_for_a_tool or not text else f"{text[0].upper()}{text[1:]}".rstrip(".") + "."
