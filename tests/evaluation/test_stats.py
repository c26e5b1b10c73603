"""What a run cost is kept next to its bundle."""

from __future__ import annotations

from pathlib import Path

from headswap.pipeline.stats import FILE, RunStats, keep_figures, read_figures


def test_figures_are_read_as_they_were_kept_and_damaged_ones_are_none(tmp_path: Path) -> None:
    figures = RunStats(seconds=6.2, parameters=7, size_bytes=28, ms_per_image=0.5)
    assert read_figures(tmp_path) is None

    keep_figures(tmp_path, figures)
    assert read_figures(tmp_path) == figures

    (tmp_path / FILE).write_text('{"seconds": "soon"}')
    assert read_figures(tmp_path) is None
