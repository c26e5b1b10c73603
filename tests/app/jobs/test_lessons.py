"""An experiment in a child process: its result, how far it is, and a stop that is heard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headswap.app.processes.child import ChildProcess
from headswap.app.processes.lessons import AskLesson, AskReady, LessonReply
from headswap.app.processes.run_folder import PROGRESS, STOP
from headswap.errors import NotFound
from headswap.lessons.config import LessonConfig

pytestmark = pytest.mark.slow  # a real child, with torch

TINY = LessonConfig(most_images=16, small_px=32, epochs=1, draws=2)


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildProcess]:
    running = ChildProcess(
        "headswap.app.processes.lessons:answer", log=tmp_path_factory.mktemp("log") / "l.jsonl"
    )
    yield running
    running.close()


def asked(workspace: Path, folder: Path, lesson: str = "which-layer") -> AskLesson:
    return AskLesson(lesson=lesson, setting=TINY, workspace=str(workspace), folder=str(folder))


def test_a_run_gives_its_result_and_says_how_far_it_is(
    child: ChildProcess, workspace: Path, tmp_path: Path
) -> None:
    assert child.ask(AskReady(setting=TINY, workspace=str(workspace)), LessonReply).result is None

    ran = child.ask(asked(workspace, tmp_path), LessonReply)

    assert ran.result is not None
    assert ran.result["answers_right"] == 4
    assert '"step":"head"' in (tmp_path / PROGRESS).read_text()


def test_a_stop_is_heard_between_two_steps(child: ChildProcess, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / STOP).write_text("")

    assert child.ask(asked(workspace, tmp_path), LessonReply).result is None


def test_a_name_that_is_none_is_said_in_words(child: ChildProcess, workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="Did you mean norms"):
        child.ask(asked(workspace, tmp_path, "norm"), LessonReply)
