"""Take pictures into a project, in a process of its own: decoders see strangers' files.

Flow:  upload + project folder --answer--> Manifest, kept as dataset.json beside the pictures

Runs in the child process of a `Desk`; loads Pillow and no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headswap.data.intake import take_in
from headswap.data.manifest import Manifest
from headswap.data.split import split
from headswap.files import from_json, to_json, write_text


@dataclass(frozen=True)
class AskImport:
    """Take this upload in."""

    source: str  # a folder or zip
    folder: str  # where pictures and dataset.json go
    name: str  # what the data set is called
    test_share: float
    seed: int


def answer(question_json: str) -> str:
    """Take one upload in; called in the child process."""
    question: AskImport = from_json(AskImport, question_json)
    folder = Path(question.folder)
    manifest = take_in(Path(question.source), store=folder / "images").manifest
    manifest = split(manifest, test_share=question.test_share, seed=question.seed)
    named = Manifest(
        name=question.name,
        root=manifest.root,
        classes=manifest.classes,
        pictures=manifest.pictures,
        left_out=manifest.left_out,
        findings=manifest.findings,
    )
    text = to_json(named)
    write_text(folder / "dataset.json", text)
    return text
