from __future__ import annotations

from xml.etree import ElementTree

from headswap.app.ui.widgets.html import rendered
from headswap.app.ui.widgets.svg import barcode, landscape, names_down


def test_names_are_spread_between_two_heights_and_cut_when_long() -> None:
    heights, drawn = names_down(("a", "b" * 40), 10, 100, 200)

    assert heights == [135.0, 165.0]
    assert "b" * 17 + "…" in rendered(drawn)


def test_the_same_features_are_drawn_every_time_and_inside_the_image() -> None:
    first, second = (rendered(barcode(366, 76, lines=46, pitch=4.9, upright=False)) for _ in range(2))

    assert first == second
    ElementTree.fromstring(first)


def test_an_image_of_the_person_takes_the_place_of_the_placeholder() -> None:
    assert "data:,x" in rendered(landscape(0, 0, 78, "data:,x"))
    assert "<image" not in rendered(landscape(0, 0, 78, ""))
