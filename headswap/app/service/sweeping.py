"""What a killed server left half-done, removed before the next one opens its doors.

Flow:  projects folder + experiments of each project --sweep_projects--> only what something leads to

Goes: drafts, projects without a record, pictures and weight files that no record, no Undo and
no run names. Stays: everything else, and every project whose record cannot be read.

Knows names in files only; opens no picture. Call it while nobody else writes there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from headswap.errors import HeadswapError
from headswap.storage.files import is_discarded, remove, sweep_drafts

Experiments = Callable[[str], Iterable[str]]  # project id -> the JSON of its runs' experiments

_OWN = re.compile(r"(data-[0-9a-f]{8}|weights-[0-9a-f]{8}\.[a-z]+)")
_PICTURE = re.compile(r"[0-9a-f]{64}\.[a-z]+")
_RECORDS = ("project.json", "project.json.before", "changes.json", "changes.json.before")

logger = logging.getLogger(__name__)


def _no_runs(project: str) -> Iterable[str]:
    return ()


def sweep_projects(root: Path, experiments: Experiments = _no_runs) -> int:
    """Remove what nothing leads to; returns how many things went."""
    if not root.is_dir():
        return 0
    gone = sweep_drafts(root)
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        gone += _sweep_project(folder, experiments(folder.name))
    if gone:
        logger.info("%d things that were left half-done are removed", gone)
    return gone


def _sweep_project(folder: Path, experiments: Iterable[str]) -> int:
    if is_discarded(folder):
        return 0  # `headswap.app.service.leftovers` looks after it
    if not (folder / "project.json").is_file():
        if any(folder.iterdir()):
            return 0  # not ours to judge
        return int(_goes(folder))
    texts = [(folder / name).read_text("utf-8", "replace") for name in _RECORDS if (folder / name).is_file()]
    wanted, pictures = _wanted(folder, [*texts, *experiments])
    stale = [path for path in folder.iterdir() if _OWN.fullmatch(path.name) and path.name not in wanted]
    stale += [path for path in (folder / "images").glob("*") if path.name not in pictures]
    return sum(map(_goes, stale))


def _goes(path: Path) -> bool:
    """Remove it; what another program holds is found again at the next start."""
    try:
        remove(path)
    except HeadswapError:
        logger.warning("%s leads nowhere and could not be removed yet", path, exc_info=True)
        return False
    return True


def _wanted(folder: Path, texts: list[str]) -> tuple[set[str], set[str]]:
    """Names that the texts lead to, and pictures; a data set may itself name others."""
    wanted: set[str] = set()
    pictures: set[str] = set()
    while texts:
        text = texts.pop()
        pictures.update(_PICTURE.findall(text))
        for name in set(_OWN.findall(text)) - wanted:
            wanted.add(name)
            dataset = folder / name / "dataset.json"
            if dataset.is_file():
                texts.append(dataset.read_text("utf-8", "replace"))
    return wanted, pictures
