from __future__ import annotations

from dataclasses import replace

from headswap.app.ui.steps.headdrawing import numbers_to_learn, old_names, wide_drawing
from headswap.app.ui.widgets.html import rendered
from headswap.heads.site import HeadLayer
from headswap.pipeline.inspect import Inspection


def test_every_head_that_the_network_uses_is_counted(inspection: Inspection) -> None:
    layers = (HeadLayer(path="a", in_features=10), HeadLayer(path="b", in_features=20))
    two = replace(inspection, site=replace(inspection.site, layers=layers))

    assert numbers_to_learn(two, 3) == 11 * 3 + 21 * 3


def test_old_names_are_the_first_words_of_what_the_library_states(
    inspection: Inspection, hostile: str
) -> None:
    assert old_names(inspection) == ("tench", "goldfish", hostile)


def test_the_drawing_says_in_words_what_it_shows(inspection: Inspection) -> None:
    drawn = rendered(wide_drawing(inspection, ("bird", "bug"), ""))

    assert "becomes 2048 features" in drawn
    assert "a new head with bird and bug takes its place." in drawn
