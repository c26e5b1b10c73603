"""Run a race among networks in a process of its own.

Flow:  AskRace  --answer--> Comparison ;  meanwhile  folder/progress.json <-- how far it is
                                                          folder/stop          --> it ends between two steps

Runs in a `ChildProcess`. Importing this file loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headswap.app.processes.run_folder import RunFolder
from headswap.events import Event, Note, Progress
from headswap.imports import import_libraries
from headswap.pipeline.race import RaceSetting, race
from headswap.zoos.candidates import NetworkLimits


@dataclass(frozen=True, kw_only=True)
class AskRace:
    """Find the right network."""

    dataset: str  # dataset.json of a project
    limits: NetworkLimits
    may_fetch: tuple[str, ...]  # of the short list
    workspace: str  # features are kept here
    folder: str  # of this race: progress comes out, a stop goes in
    kind: Literal["race"] = "race"


@dataclass(frozen=True, kw_only=True)
class RaceProgress:
    """How far a race is."""

    sentence: str
    share: float  # of all turns, in [0, 1]


class _Telling:
    """Listens to a race: notes how far it is, and ends it when someone says so."""

    def __init__(self, folder: Path) -> None:
        self._folder = RunFolder(folder)
        self._round, self._step, self._share = "", "", 0.0

    def __call__(self, event: Event) -> None:
        if self._folder.is_stopped:
            raise KeyboardInterrupt  # what is known by now is given back
        match event:
            case Note(sentence, code="round"):
                self._round = sentence
            case Note(sentence):
                self._step = sentence
            case Progress("race", done, total):
                self._share = done / total if total else 0.0
            case Progress("fetch", done, total):
                self._step = f"Downloading weights: {done / 1e6:.0f} of {total / 1e6:.0f} MB."
            case _:
                pass
        text = f"{self._round} {self._step}".strip()
        self._folder.note_progress(RaceProgress(sentence=text, share=self._share))


def answer(question: AskRace) -> object:
    """Run one race; called in the child process."""
    import_libraries()
    setting = RaceSetting(limits=question.limits, may_fetch=question.may_fetch)
    return race(
        Path(question.dataset),
        setting,
        workspace=Path(question.workspace),
        listener=_Telling(Path(question.folder)),
    )
