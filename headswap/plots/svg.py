"""Pieces of a drawing: elements of Python's own library, which escape words and attributes by default.

Flow:  shape("text", {"x": 4}, "a < b") --written--> <text x="4">a &lt; b</text>
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element, tostring


def shape(
    name: str, attributes: Mapping[str, str | int], text: str = "", inside: tuple[Element, ...] = ()
) -> Element:
    """One element, with words or with other elements inside."""
    made = Element(name, {key: str(value) for key, value in attributes.items()})
    made.text = text or None
    made.extend(inside)
    return made


def written(drawing: Element) -> str:
    """A drawing as text."""
    return tostring(drawing, encoding="unicode")
