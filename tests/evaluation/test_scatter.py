"""The drawing of accuracy against speed."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

from headswap.evaluation.scatter import Dot, picture_file, scatter


def dot(name: str, ms: float, accuracy: float) -> Dot:
    return Dot(name=name, ms=ms, accuracy=accuracy, low=accuracy - 0.1, high=min(1.0, accuracy + 0.05))


def test_a_slower_network_stands_to_the_right_and_a_better_one_higher() -> None:
    drawn = scatter([dot("quick", 5, 0.8), dot("slow", 200, 0.95)])

    quick, slow = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)
    assert float(quick[0]) < float(slow[0])
    assert float(quick[1]) > float(slow[1])
    assert "quick 80 % in 5 ms; slow 95 % in 200 ms" in drawn


def test_names_never_cover_one_another_and_never_leave_the_drawing() -> None:
    for narrow in (False, True):
        drawn = scatter([dot(f"network-number-{i}", 10 + i / 10, 0.9) for i in range(6)], narrow=narrow)
        width = 320 if narrow else 728
        heights = sorted(float(y) for y in re.findall(r'y="([\d.]+)"[^>]*style="fill', drawn))

        assert min(after - before for before, after in pairwise(heights)) >= 8
        for x, anchor in re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="(start|end)" style', drawn):
            assert float(x) < width if anchor == "end" else float(x) + 100 < width


def test_a_name_is_text_and_the_file_is_valid() -> None:
    text = picture_file([dot('<img src=x onerror="alert(1)">', 10, 0.5)], "<title>")

    root = ElementTree.fromstring(text)

    assert "<img" not in text
    assert root.find("{http://www.w3.org/2000/svg}title") is not None


def test_nothing_to_draw_is_nothing() -> None:
    assert scatter([]) == ""
