"""Answers written down one by one, so that a run over many images that was killed goes on where it was.

Flow:  a file --KeptAnswers(file, of)--> what this very bundle said already;  --keep--> one more line

Both `headswap predict --csv` and *Try many* of the page go on with it. A line holds
the image's name, its size and time on the disk, and the answer. A line that a kill cut off, an image that
changed, and answers of another bundle count for nothing.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headswap.bundle.prediction import Prediction
from headswap.errors import UnreadableImage
from headswap.storage.files import append, from_json, remove, to_json, to_plain

if TYPE_CHECKING:
    from headswap.bundle.predictor import Bundle


class KeptAnswers:
    """The answers that a bundle gave before, and those that it gives now."""

    def __init__(self, file: Path, of: str) -> None:
        """Read what is there, if it is of this bundle; else begin again.

        Args:
            file: where the answers are kept.
            of: what tells one bundle from another: its `fingerprint`, or the id of the run that made it.

        Raises:
            DiskFull, DiskFailed.
        """
        self._file = file
        self._known: dict[tuple[str, str], dict[str, Any]] = {}
        data = file.read_bytes() if file.is_file() else b""
        lines = list(filter(None, map(_record, data.split(b"\n"))))
        if lines[:1] == [{"bundle": of}]:
            self._known = {(one["file"], one["stamp"]): one for one in lines[1:] if "stamp" in one}
            if not data.endswith(b"\n"):  # cut off: what comes next is a line of its own
                append(file, b"\n")
            return
        remove(file)
        append(file, json.dumps({"bundle": of}).encode() + b"\n")

    def find(self, name: str, path: Path) -> Prediction | UnreadableImage | None:
        """What was said of an image; None: nothing yet, or it has changed since.

        Args:
            name: as it was found.
            path: the file, or the zip that holds it.
        """
        one = self._known.get((name, _stamp(path)))
        if one is None:
            return None
        if "problem" in one:
            return UnreadableImage(one["problem"], remedy=one["remedy"])
        said: Prediction = from_json(Prediction, json.dumps(one["said"]))
        return said

    def keep(self, name: str, path: Path, said: Prediction | UnreadableImage) -> None:
        """Write one answer down; a kill after this does not lose it.

        Raises:
            DiskFull, DiskFailed.
        """
        record: dict[str, Any] = {"file": name, "stamp": _stamp(path)}
        if isinstance(said, UnreadableImage):
            record |= {"problem": said.problem, "remedy": said.remedy}
        else:
            record |= {"said": to_plain(said)}
        append(self._file, json.dumps(record).encode() + b"\n")


def fingerprint(bundle: Bundle) -> str:
    """A bundle by what its answers come from: its card, its images and all its numbers."""
    found = hashlib.sha256(to_json(bundle.card).encode())
    found.update(to_json(bundle.dataset).encode() if bundle.dataset else b"")
    for name, value in bundle.network.module.state_dict().items():
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().flatten().numpy().tobytes())
    return found.hexdigest()


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:  # cut off
        return None
    return record if isinstance(record, dict) else None


def _stamp(path: Path) -> str:
    try:
        known = path.stat()
    except OSError:
        return ""
    return f"{known.st_size} {known.st_mtime_ns}"
