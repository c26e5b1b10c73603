from __future__ import annotations

from headswap.artefacts.prediction import HeatMap
from headswap.ui.where import heat_figure, heat_row


def test_a_map_says_what_it_explains_and_names_stay_text(hostile: str) -> None:
    drawn = heat_row((heat_figure(HeatMap(label=hostile, width=2, height=2, png_base64="AAAA"), ", right"),))

    assert hostile not in drawn
    assert ", right" in drawn
    assert "data:image/png;base64,AAAA" in drawn
