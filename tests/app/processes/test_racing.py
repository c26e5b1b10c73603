"""What a race says on its way, as the page shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headswap.app.processes import run_folder
from headswap.app.processes.racing import RaceProgress, _Telling
from headswap.events import Note, Progress
from headswap.storage.files import from_json


def test_the_round_stays_before_what_is_done_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "_TELL_S", 0.0)
    telling = _Telling(tmp_path)

    for event in (
        Note("Three networks, few pictures.", code="round"),
        Note("Round, the network's name."),
        Progress("race", 1, 4),
    ):
        telling(event)

    told = from_json(RaceProgress, (tmp_path / run_folder.PROGRESS).read_bytes())
    assert told == RaceProgress(
        sentence="Three networks, few pictures. Round, the network's name.", share=0.25
    )
