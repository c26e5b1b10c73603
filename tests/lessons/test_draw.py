"""Figures as SVG: well-formed, named, escaped, and drawn from numbers alone."""

from __future__ import annotations

from xml.etree import ElementTree

from headswap.lessons.lesson import LessonResult, as_html
from headswap.plots.draw import NARROW, draw
from headswap.plots.figure import Bar, Curve, Figure

BARS = Figure(
    text="Two <bars>",
    bars=(
        Bar(text="right", value=0.8, said="8 of 10", tone="right", low=0.5, high=0.95),
        Bar(text="<b>wrong</b>", value=0.2, said="2 of 10", tone="wrong"),
    ),
)
CURVES = Figure(
    text="Two curves",
    across="passes",
    curves=(
        Curve(text="flat", points=((0, 1.0), (2, 1.0)), tone="wrong"),
        Curve(text="same end", points=((0, 0.2), (2, 1.0)), low=(0.1, 0.9), high=(0.3, 1.0)),
    ),
)


def texts(svg: str) -> list[ElementTree.Element]:
    return [one for one in ElementTree.fromstring(svg).iter() if one.tag.endswith("text")]


def test_bars_are_drawn_named_and_escaped() -> None:
    svg = draw(BARS)

    assert {"right", "<b>wrong</b>", "8 of 10", "2 of 10"} <= {one.text for one in texts(svg)}
    assert "<b>" not in svg
    assert ElementTree.fromstring(svg).attrib["aria-label"] == "Two <bars>"


def test_a_longer_bar_is_drawn_for_a_larger_number() -> None:
    bars = [one for one in ElementTree.fromstring(draw(BARS)).iter() if one.tag.endswith("rect")]

    assert float(bars[0].attrib["width"]) == 4 * float(bars[1].attrib["width"])


def test_names_of_curves_that_end_together_do_not_lie_on_one_another() -> None:
    named = {one.text: float(one.attrib["y"]) for one in texts(draw(CURVES))}

    assert abs(named["flat"] - named["same end"]) >= 19


def test_a_result_is_shown_with_its_origin() -> None:
    result = LessonResult(
        lesson="x",
        model="a <net>",
        data="mine",
        images=8,
        seed=0,
        sentences=("It & that happened.",),
        numbers=(),
        figure=BARS,
        texts=("an <error>",),
        seconds=1.25,
    )

    shown = as_html(result)

    assert "<p>It &amp; that happened.</p>" in shown
    assert ">an &lt;error&gt;</pre>" in shown
    assert "8 pictures of mine, a &lt;net&gt;, 1.2 s" in shown
    assert result._repr_html_() == shown


def test_on_a_phone_nothing_lies_beside_the_frame_and_all_is_named() -> None:
    for figure in (BARS, CURVES):
        drawing = ElementTree.fromstring(draw(figure, NARROW))
        wide = ElementTree.fromstring(draw(figure))
        width = float(drawing.attrib["viewBox"].split()[2])

        assert width == 320
        assert {one.text for one in drawing.iter() if one.tag.endswith("text")} == {
            one.text for one in wide.iter() if one.tag.endswith("text")
        }
        starts = [
            one for one in drawing.iter() if one.tag.endswith("text") and one.attrib["text-anchor"] == "start"
        ]
        assert all(float(one.attrib["x"]) + 8 * len(one.text or "") <= width for one in starts)
