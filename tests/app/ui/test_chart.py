from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from headswap.app.ui.widgets.chart import chart
from headswap.app.ui.widgets.html import rendered
from headswap.events import EpochEnd


def epochs(last: int) -> tuple[EpochEnd, ...]:
    return tuple(EpochEnd(i, 30, 2 * i, 76, i // 2, 20) for i in range(1, last + 1))


def test_both_lines_are_drawn_and_named_where_they_end() -> None:
    drawn = rendered(chart(epochs(13), 0.25, "always saying “bird”: 25 %"))

    assert drawn.count('class="practice"') == drawn.count('class="exam"') == 2  # wide and narrow
    assert "practice 26 of 76" in drawn
    assert "exam 6 of 20" in drawn
    assert "After 13 of 30 passes 26 of 76 practice pictures and 6 of 20 exam pictures are right." in drawn


@pytest.mark.parametrize("test", range(0, 21, 2))
@pytest.mark.parametrize("last", [3, 30])
def test_the_names_of_the_lines_and_of_the_baseline_never_cover_each_other(test: int, last: int) -> None:
    ended = (EpochEnd(last, 30, 60, 76, test, 20),)

    for baseline in (0.0, 0.25, 0.5, 0.78, 1.0):
        for drawing in rendered(chart(ended, baseline, "always saying")).split("</svg>")[:2]:
            texts = ElementTree.fromstring(drawing + "</svg>").iter("text")
            named = [one for one in texts if (one.text or "").startswith(("practice", "exam", "always"))]
            heights = sorted(float(one.attrib["y"]) for one in named)
            assert len(heights) == 3
            assert min(b - a for a, b in pairwise(heights)) >= 16.9, (test, baseline, heights)


def test_before_the_first_pass_there_are_axes_and_no_lines() -> None:
    drawn = rendered(chart(()))

    assert "polyline" not in drawn
    assert "No pass is over yet." in drawn


def test_every_moment_of_a_lesson_is_well_formed_and_inside_the_drawing() -> None:
    for last in (1, 15, 30):
        wide = rendered(chart(epochs(last))).split("</svg>")[0] + "</svg>"
        for text in ElementTree.fromstring(wide).iter("text"):
            assert 0 <= float(text.attrib["y"]) <= 318


@pytest.mark.parametrize(
    ("of", "named"), [(1, ["pass 0", "1"]), (2, ["pass 0", "1", "2"]), (30, ["pass 0", "10", "20", "30"])]
)
def test_no_pass_is_named_twice(of: int, named: list[str]) -> None:
    drawn = rendered(chart((EpochEnd(of, of, 5, 10, 5, 10),), 0.5, "always"))

    (first, *_) = drawn.split("</svg>")
    texts = [one.text for one in ElementTree.fromstring(first + "</svg>").iter("text")]
    assert [text for text in texts if text in ("pass 0", *map(str, range(1, 31)))] == named
