"""Between people and the inference process: every picture of a stranger is read by a reader first.

Flow:  question with a picture --SafeInference.ask--> the same question with a clean copy
           --ChildProcess--> answer

The process that holds networks and torch never decodes what came from outside; a picture that takes its
reader down costs its owner one sentence and no one else anything. Copies are gone when the answer is there.
Pictures that are ours already, read once before, go straight through.

Knows questions and folders; decodes nothing itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from headswap.app.processes.child import ChildProcess
from headswap.app.processes.inference import AskHeatMap, AskPredictions, PredictCameraImage, Question
from headswap.app.processes.messages import Message
from headswap.app.processes.reader import Reader
from headswap.bundle.format import read_card
from headswap.data.decode import LEAST_PX
from headswap.data.transforms import wanted_px


class SafeInference:
    """Stands in for a `ChildProcess` of inference."""

    def __init__(self, child: ChildProcess, reader: Reader, *, folder: Path, ours: Sequence[Path]) -> None:
        """Take what it works with.

        Args:
            child: answers questions.
            reader: reads strangers' pictures.
            folder: folder for the copies.
            ours: folders whose pictures were read before, or came with headswap.
        """
        self._child, self._reader, self._folder = child, reader, folder
        self._ours = tuple(folder.resolve() for folder in ours)

    def ask(self, question: Question, kind: type[Message], /) -> Message:
        """Answer a question with a record of some kind.

        Raises:
            UnreadableImage: it is about a picture that cannot be read.
            HeadswapError: whatever the child raises.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True) as copies:
            return self._child.ask(self._clean(question, Path(copies)), kind)

    @contextmanager
    def clean(self, image: Path) -> Iterator[Path]:
        """A copy of a picture that any process may open, for as long as it is looked at.

        Raises:
            UnreadableImage: it cannot be read.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as copies:
            yield Path(self._copy(str(image), Path(copies), LEAST_PX))

    def _clean(self, question: Question, copies: Path) -> Question:
        match question:
            case AskPredictions():
                wanted = _wanted_px(question.bundle)
                images = tuple(self._copy(image, copies, wanted) for image in question.images)
                return replace(question, images=images)
            case AskHeatMap():
                wanted = _wanted_px(question.bundle)
                return replace(question, image=self._copy(question.image, copies, wanted))
            case PredictCameraImage():
                wanted = _wanted_px(question.bundle)
                frame = self._reader.read_frame(question.image_base64, wanted_px=wanted)
                return replace(question, image_base64=frame)
            case _:
                return question

    def _copy(self, image: str, copies: Path, wanted: int) -> str:
        path = Path(image).resolve()
        if any(path.is_relative_to(folder) for folder in self._ours):
            return image
        return str(self._reader.read_one(path, copies, wanted_px=wanted))


def _wanted_px(bundle: str) -> int:
    """The size to which the bundle itself would reduce the picture, so that the answer is the same."""
    return wanted_px(read_card(Path(bundle)).input)
