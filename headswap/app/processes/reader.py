"""The server's side of reading strangers' pictures: two children, under limits, watched over.

Flow:  upload --Reader.ask--> Imported          one file --Reader.read_one--> a clean copy of it

A picture that takes its reader down costs no one else anything: the next reader takes the upload one
picture at a time, and leaves out by name what ended the one before. Uploads and single pictures have a
child each, so that a tried picture does not wait for a class to hand in its folders. Both are confined
(`headswap.app.processes.sandbox`): each upload has a child of its own, which reaches that upload and its
data set; single pictures share one, which reaches their scratch folder. It cannot list that folder, and
what lies in it has a name that cannot be guessed and is gone with the answer.

Knows children and questions; decodes nothing itself.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from headswap.app.processes.child import ChildEnded, ChildProcess
from headswap.app.processes.importing import (
    NOTES,
    Imported,
    ReadCameraImage,
    ReaderLimits,
    ReadImage,
    ReadUpload,
    being_read,
)
from headswap.data.decode import shown_name
from headswap.errors import BadUpload, UnreadableImage
from headswap.storage import files

logger = logging.getLogger(__name__)

MOST_DEATHS = 5  # readers that one upload may end
_ANSWER = "headswap.app.processes.importing:answer"


class Reader:
    """Reads pictures in children; starts them when asked, lets them go when idle."""

    def __init__(
        self,
        logs: Path,
        limits: ReaderLimits,
        *,
        scratch: Path,
        upload_timeout_s: float,
        wait_s: float = 600.0,
    ) -> None:
        """Start nothing yet.

        Args:
            logs: folder for what the children say.
            scratch: folder for single pictures while they are read; made when it is needed.
            limits: of each child and each picture.
            upload_timeout_s: for one upload as a whole.
            wait_s: for one's turn, when others hand in their pictures.
        """
        self._limits = replace(limits, scratch=str(scratch))
        self._scratch = scratch
        self._uploads = ChildProcess(
            _ANSWER,
            timeout_s=upload_timeout_s,
            wait_s=wait_s,
            idle_s=120.0,
            memory_bytes=limits.memory_bytes,
            silent=True,
            confined="once",
            log=logs / "importing.jsonl",
        )
        self._tries = ChildProcess(
            _ANSWER,
            timeout_s=limits.patience_s + 20.0,
            idle_s=120.0,
            memory_bytes=limits.memory_bytes,
            silent=True,
            confined="for all",
            log=logs / "reading.jsonl",
        )

    def warm(self) -> None:
        """Someone will soon give pictures: have both children ready."""
        self._uploads.warm()
        self._tries.warm()

    def close(self) -> None:
        """Let both children go."""
        self._uploads.close()
        self._tries.close()

    def ask(self, question: ReadUpload) -> Imported:
        """Take an upload in, whatever its pictures do to their readers.

        Raises:
            HeadswapError: what the upload as a whole is refused for.
        """
        question = replace(question, limits=self._limits)
        notes = Path(question.dataset).parent / NOTES
        for _ in range(MOST_DEATHS + 1):
            try:
                return self._uploads.ask(question, Imported)
            except ChildEnded:
                suspects = being_read(notes)
                if not suspects:
                    raise
                guilty = suspects if len(suspects) == 1 else ()
                logger.warning("a reader of pictures died over %s", ascii(suspects)[:300])
                question = replace(question, one_by_one=True, skip=(*question.skip, *guilty))
        names = ", ".join(shown_name(name, most=40) for name in question.skip)
        raise BadUpload(
            f"Too many of these pictures stop the program that reads them: {names}.",
            remedy="Leave them out, and give the rest again.",
        )

    def read_one(self, file: Path, folder: Path, *, wanted_px: int | None = None) -> Path:
        """A clean copy of one picture, in a folder that must exist: the pixels that `read_image` gives.

        Raises:
            UnreadableImage: it is none, it is too large, or it took its reader down.
        """
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as here:
            given = Path(here) / "given"
            files.copy(file, given)
            question = ReadImage(str(given), file.name, here, wanted_px, self._limits)
            copy = Path(here) / self._try(question, file.name)
            return Path(shutil.move(copy, folder / copy.name))

    def read_frame(self, image_base64: str, *, wanted_px: int | None = None) -> str:
        """A clean copy of a camera's picture, as base64.

        Raises:
            UnreadableImage: it is none, it is too large, or it took its reader down.
        """
        self._scratch.mkdir(parents=True, exist_ok=True)
        return self._try(ReadCameraImage(image_base64, wanted_px, self._limits), "The camera's picture")

    def _try(self, question: ReadImage | ReadCameraImage, name: str) -> str:
        try:
            return self._tries.ask(question, str)
        except ChildEnded as error:
            raise UnreadableImage(
                f"{shown_name(name)} stopped the program that reads pictures.",
                remedy="Save it again as JPEG or PNG, or choose another.",
            ) from error
