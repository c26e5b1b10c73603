"""A crew of this process in the place of a cluster, with chunks so small that a few drawings fill several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headswap.cluster.crew import Crew
from headswap.data import ingest
from headswap.features import autotune
from headswap.pipeline import api, resources, scoring, spread, spread_answers


def use_crew(monkeypatch: pytest.MonkeyPatch, crew: Crew) -> None:
    """Whatever is asked for with `on` is done by this crew."""

    @contextmanager
    def crew_on(_on: str, *_paths: object, workspace: Path | None = None) -> Iterator[Crew]:
        yield crew

    for room in (api, resources):
        monkeypatch.setattr(room, "crew_on", crew_on)
    monkeypatch.setattr(api, "_refuse_early", lambda _on, _processes=None: None)
    for room in (spread, spread_answers):
        monkeypatch.setattr(room, "CHUNK", 6)
    for room in (ingest, scoring):
        monkeypatch.setattr(room, "HERE_FIRST", 7)
    monkeypatch.setattr(autotune, "WORTH_S", 1e9)  # which engine is fastest is a question of the moment
