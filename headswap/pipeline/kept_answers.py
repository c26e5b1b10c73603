"""Answers written down one by one, so that a run over many images that was killed goes on where it was.

Flow:  a file --KeptAnswers(file, of)--> what this very bundle said already;  --keep--> one more line

Both `headswap predict --csv` and *Try many* of the page go on with it. A line holds
the image's name, its size and time on the disk, and the answer. A line that a kill cut off, an image that
changed, and answers of another bundle count for nothing.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headswap.bundle.prediction import Prediction
from headswap.errors import BundleDamaged, UnreadableImage
from headswap.storage.files import append, from_plain, remove, to_json, to_plain

if TYPE_CHECKING:
    from headswap.bundle.predictor import Bundle


@dataclass(frozen=True)
class KeptAnswer:
    """What was said of one picture."""

    file: str  # its name, as it was found; may hold half of a letter, which `to_json` refuses
    stamp: str  # size and time of the file, or of the zip that holds it
    said: Prediction | UnreadableImage

    def to_line(self) -> bytes:
        """As it is written down."""
        if isinstance(self.said, UnreadableImage):
            answer = {"problem": self.said.problem, "remedy": self.said.remedy}
        else:
            answer = {"said": to_plain(self.said)}
        return json.dumps({"file": self.file, "stamp": self.stamp, **answer}).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> KeptAnswer | None:
        """None: the line is no whole answer."""
        match _plain(line):
            case {"file": str(file), "stamp": str(stamp), "problem": str(problem), "remedy": str(remedy)}:
                return cls(file, stamp, UnreadableImage(problem, remedy=remedy))
            case {"file": str(file), "stamp": str(stamp), "said": said}:
                with suppress(BundleDamaged):  # answered again
                    return cls(file, stamp, from_plain(Prediction, said))
        return None


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
        self._known: dict[tuple[str, str], KeptAnswer] = {}
        data = file.read_bytes() if file.is_file() else b""
        first, *others = data.split(b"\n")
        if _plain(first) == {"bundle": of}:
            answers = filter(None, map(KeptAnswer.from_line, others))
            self._known = {(one.file, one.stamp): one for one in answers}
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
        known = self._known.get((name, _stamp(path)))
        return known.said if known else None

    def keep(self, name: str, path: Path, said: Prediction | UnreadableImage) -> None:
        """Write one answer down; a kill after this does not lose it.

        Raises:
            DiskFull, DiskFailed.
        """
        append(self._file, KeptAnswer(name, _stamp(path), said).to_line())


def fingerprint(bundle: Bundle) -> str:
    """A bundle by what its answers come from: its card, its images and all its numbers."""
    found = hashlib.sha256(to_json(bundle.card).encode())
    found.update(to_json(bundle.dataset).encode() if bundle.dataset else b"")
    for name, value in bundle.network.module.state_dict().items():
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().flatten().numpy().tobytes())
    return found.hexdigest()


def _plain(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:  # cut off
        return None


def _stamp(path: Path) -> str:
    try:
        known = path.stat()
    except OSError:
        return ""
    return f"{known.st_size} {known.st_mtime_ns}"
