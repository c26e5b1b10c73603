"""Take pictures into a project, in a process of its own: decoders see strangers' files.

Flow:  upload (+ the pictures there already) --answer--> Manifest, kept as dataset.json

Runs in the child process of a `Desk`; loads Pillow and no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from headswap.data.intake import take_in
from headswap.data.manifest import Manifest
from headswap.data.mend import join
from headswap.data.split import split
from headswap.files import from_json, to_json, write_text


@dataclass(frozen=True)
class AskImport:
    """Take this upload in."""

    source: str  # a folder or zip
    store: str  # folder for the pictures, by hash
    dataset: str  # the dataset.json to write
    name: str  # what the data set is called
    before: str = ""  # the dataset.json that this one adds to; empty: none


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an upload became."""

    manifest: Manifest
    came: int  # pictures that could be read
    added: int  # of them, those that were not there already


def answer(question_json: str) -> str:
    """Take one upload in; called in the child process."""
    question: AskImport = from_json(AskImport, question_json)
    before: Manifest | None = None
    if question.before:
        before = from_json(Manifest, Path(question.before).read_bytes())
    came = take_in(Path(question.source), store=Path(question.store), min_classes=1).manifest
    manifest = join(before, came) if before else split(replace(came, name=question.name))
    write_text(Path(question.dataset), to_json(manifest))
    added = len(manifest.pictures) - (len(before.pictures) if before else 0)
    return to_json(Imported(manifest=manifest, came=len(came.pictures), added=added))
