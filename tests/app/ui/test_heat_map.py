from __future__ import annotations

from headswap.app.ui.steps.prediction import heat_figure, heat_row
from headswap.app.ui.widgets.html import rendered
from headswap.bundle.prediction import HeatMap


def test_a_map_says_what_it_explains_and_names_stay_text(hostile: str) -> None:
    heat = HeatMap(label=hostile, width=2, height=2, png_base64="AAAA")

    drawn = rendered(heat_row((heat_figure(heat, ", right"),)))

    assert hostile not in drawn
    assert ", right" in drawn
    assert "data:image/png;base64,AAAA" in drawn
