"""The drawing of accuracy against speed."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from headswap.plots.scatter import Dot, scatter, svg_file


def dot(name: str, ms: float, accuracy: float) -> Dot:
    return Dot(name=name, ms=ms, accuracy=accuracy, low=accuracy - 0.1, high=min(1.0, accuracy + 0.05))


def test_a_slower_network_stands_to_the_right_and_a_better_one_higher() -> None:
    drawn = scatter([dot("quick", 5, 0.8), dot("slow", 200, 0.95)])

    quick, slow = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)
    assert float(quick[0]) < float(slow[0])
    assert float(quick[1]) > float(slow[1])
    assert "quick 80 % in 5 ms; slow 95 % in 200 ms" in drawn


@pytest.mark.parametrize("narrow", [False, True])
def test_names_cover_neither_one_another_nor_a_dot_and_stay_inside(narrow: bool) -> None:
    drawn = scatter([dot(f"network-{i}", 10 + 3 * i, 0.9) for i in range(5)], narrow=narrow)
    width = 320 if narrow else 728

    names = [
        (float(x), float(y) - 4.5) for x, y in re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*paint', drawn)
    ]
    points = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)]

    half = 7.2 * len("network-0") / 2
    assert len(names) == len(points) == 5
    assert all(half <= x <= width - half for x, _ in names)
    for (x, y), (other_x, other_y) in combinations(names, 2):
        assert abs(x - other_x) >= 2 * half or abs(y - other_y) >= 15
    for x, y in names:
        assert not [one for one in points if abs(one[0] - x) < half and abs(one[1] - y) < 8]


def test_a_name_is_text_and_the_file_is_valid() -> None:
    text = svg_file([dot('<img src=x onerror="alert(1)">', 10, 0.5)], "<title>")

    root = ElementTree.fromstring(text)

    assert "<img" not in text
    assert root.find("{http://www.w3.org/2000/svg}title") is not None


def test_nothing_to_draw_is_nothing() -> None:
    assert scatter([]) == ""
