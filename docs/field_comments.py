"""For the API pages: the comment behind a field of a record is its documentation."""

from __future__ import annotations

import io
import tokenize
from pathlib import Path
from typing import Any

import griffe


class FieldComments(griffe.Extension):
    """Gives an attribute without a docstring the comment that ends its last line, or the line before it."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Called for each attribute that was read from the code."""
        if attr.docstring or attr.endlineno is None or not isinstance(attr.filepath, Path):
            return
        lines = attr.filepath.read_text(encoding="utf-8").splitlines()
        before = lines[(attr.lineno or 1) - 2].strip()
        behind = _comment_of(lines[attr.endlineno - 1].strip())
        if comment := behind or _comment_of(before if before.startswith("#") else ""):
            attr.docstring = griffe.Docstring(comment, lineno=attr.endlineno, parent=attr)


def _comment_of(line: str) -> str:
    """The comment of a line of Python, without its mark; empty where there is none, or it is for a tool."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(line).readline))
    except tokenize.TokenError:  # the line closes a bracket of the line before
        tokens = []
    said = [token.string for token in tokens if token.type == tokenize.COMMENT]
    text = said[0].lstrip("# ") if said else ""
    is_for_a_tool = text.startswith(("type:", "noqa", "fmt:"))
    return "" if is_for_a_tool or not text else f"{text[0].upper()}{text[1:]}."
