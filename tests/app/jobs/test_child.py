from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from headswap.app.processes.child import ChildProcess
from headswap.errors import BadSetting, HeadNotFound, HeadswapError
from headswap.storage.files import DiskFull

Open = Callable[..., ChildProcess]


def new_child(log: Path, **settings: Any) -> ChildProcess:
    environment = {"PYTHONPATH": str(Path(__file__).parent)}
    return ChildProcess("small_answers:answer", log=log, environment=environment, **settings)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `lasting` says apart from its answers."""
    return tmp_path_factory.mktemp("lasting") / "desk.log"


@pytest.fixture(scope="module")
def lasting(log: Path) -> Iterator[ChildProcess]:
    """One for all tests that neither end it nor change what it is given."""
    child = new_child(log)
    yield child
    child.close()


@pytest.fixture
def open_child(tmp_path: Path) -> Iterator[Open]:
    desks: list[ChildProcess] = []

    def open_one(**settings: Any) -> ChildProcess:
        desks.append(new_child(tmp_path / "desk.log", **settings))
        return desks[-1]

    yield open_one
    for child in desks:
        child.close()


@pytest.fixture
def child(open_child: Open) -> ChildProcess:
    return open_child()


def descriptors() -> int:
    return psutil.Process().num_fds() if hasattr(psutil.Process, "num_fds") else 0


def test_every_question_gets_its_own_answer_from_one_process(lasting: ChildProcess) -> None:
    answers = [lasting.ask(f"echo {number}", str) for number in range(20)]

    assert answers == [str(number) for number in range(20)]
    before = lasting.ask("pid", str)
    with pytest.raises(BadSetting):
        lasting.ask("echo \ud800", str)  # half of a letter cannot be sent
    assert before == lasting.ask("pid", str) != str(os.getpid())


def test_many_may_ask_at_once_and_nobody_gets_another_ones_answer(lasting: ChildProcess) -> None:
    wrong: list[str] = []

    def ask(who: int) -> None:
        for number in range(20):
            text = json.dumps({"who": who, "number": number, "padding": "x" * 20_000})
            if lasting.ask(f"echo {text}", str) != text:
                wrong.append(text)

    threads = [threading.Thread(target=ask, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_what_libraries_print_does_not_disturb_the_answers(lasting: ChildProcess, log: Path) -> None:
    assert lasting.ask("shout", str) == "still clean"
    assert lasting.ask("echo next", str) == "next"
    said = log.read_text()
    assert all(words in said for words in ("a library prints", "raw noise", "and warns"))


@pytest.mark.parametrize(
    ("question", "kind", "words"),
    [
        ("user", HeadNotFound, r"There is no head\. Choose a layer\."),
        ("disk", DiskFull, r"The disk is full\. Free some space\."),
        ("new", HeadswapError, r"Something new\. Do that\."),
    ],
)
def test_a_problem_of_the_user_crosses_with_its_class_and_sentences(
    lasting: ChildProcess, question: str, kind: type[HeadswapError], words: str
) -> None:
    pid = lasting.ask("pid", str)

    with pytest.raises(HeadswapError, match=words) as caught:
        lasting.ask(question, str)

    assert type(caught.value) is kind
    assert lasting.ask("pid", str) == pid


def test_a_fault_is_told_by_its_kind_and_its_traceback_is_in_the_log(
    lasting: ChildProcess, log: Path
) -> None:
    with pytest.raises(HeadswapError, match=r"The program has a fault \(ZeroDivisionError\)\."):
        lasting.ask("fault", str)

    assert "ZeroDivisionError: on purpose" in log.read_text()
    assert lasting.ask("echo on", str) == "on"


def test_a_child_that_dies_costs_its_asker_a_sentence_and_the_next_one_nothing(child: ChildProcess) -> None:
    pid = child.ask("pid", str)

    with pytest.raises(HeadswapError, match=r"has stopped unexpectedly\. Try again"):
        child.ask("die", str)

    assert child.ask("pid", str) != pid


def test_a_child_killed_between_two_questions_is_not_noticed_by_anybody(
    child: ChildProcess, wait_for: Callable[..., None]
) -> None:
    pid = int(child.ask("pid", str))
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not child.is_warm)

    assert int(child.ask("pid", str)) != pid


def test_an_answer_that_takes_too_long_ends_the_child(open_child: Open, tmp_path: Path) -> None:
    child = open_child(timeout_s=5.0)
    pid = int(child.ask("pid", str))

    with pytest.raises(HeadswapError, match=r"No answer came within 5 seconds\. Try again"):
        child.ask(f"sleep {tmp_path / 'asleep'}", str)

    assert not psutil.pid_exists(pid)
    assert child.ask("echo back", str) == "back"


@pytest.mark.skipif(os.name == "nt", reason="a process is frozen by a signal")
def test_a_frozen_child_and_a_question_larger_than_the_pipe_do_not_hang(open_child: Open) -> None:
    child = open_child(timeout_s=5.0)
    os.kill(int(child.ask("pid", str)), signal.SIGSTOP)

    with pytest.raises(HeadswapError, match="No answer came"):
        child.ask("echo " + "x" * 5_000_000, str)

    assert child.ask("echo back", str) == "back"


def test_a_child_that_cannot_start_is_told_in_a_sentence(tmp_path: Path) -> None:
    child = ChildProcess("no_such_module:answer", log=tmp_path / "desk.log")

    with pytest.raises(HeadswapError, match="has stopped unexpectedly"):
        child.ask("echo", str)

    assert "No module named 'no_such_module'" in (tmp_path / "desk.log").read_text()
    child.close()


def test_nothing_starts_before_it_is_needed_and_warming_starts_it(child: ChildProcess) -> None:
    before = child.is_warm

    child.warm()
    child.warm()

    assert (before, child.is_warm) == (False, True)
    assert child.ask("echo hello", str) == "hello"


def test_an_idle_child_is_let_go_and_comes_back_when_asked(
    open_child: Open, wait_for: Callable[..., None]
) -> None:
    child = open_child(idle_s=0.2)
    pid = child.ask("pid", str)

    wait_for(lambda: not child.is_warm)

    assert not psutil.pid_exists(int(pid))
    assert child.ask("pid", str) != pid


def test_a_closed_desk_leaves_no_process_and_answers_with_a_sentence(child: ChildProcess) -> None:
    pid = int(child.ask("pid", str))

    child.close()
    child.close()

    assert not psutil.pid_exists(pid)
    with pytest.raises(HeadswapError, match=r"The server is stopping\. Try again when it is back\."):
        child.ask("echo", str)


def test_closing_does_not_wait_for_an_answer(
    child: ChildProcess, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    problems: list[HeadswapError] = []

    def ask() -> None:
        try:
            child.ask(f"sleep {tmp_path / 'asleep'}", str)
        except HeadswapError as problem:
            problems.append(problem)

    asker = threading.Thread(target=ask)
    asker.start()
    wait_for(lambda: (tmp_path / "asleep").exists())

    child.close()
    asker.join()

    assert len(problems) == 1  # an answer would be none


def test_nobody_waits_for_ever_behind_a_slow_question(
    open_child: Open, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    child = open_child(wait_s=0.2)

    def ask() -> None:
        with suppress(HeadswapError):
            child.ask(f"sleep {tmp_path / 'asleep'}", str)

    slow = threading.Thread(target=ask)
    slow.start()
    wait_for(lambda: (tmp_path / "asleep").exists())

    with pytest.raises(HeadswapError, match=r"Too many people are asking at once\. Try again in a minute\."):
        child.ask("echo", str)

    child.close()
    slow.join()


def test_opening_and_closing_many_times_leaks_no_descriptor(
    open_child: Open, wait_for: Callable[..., None]
) -> None:
    child = open_child()
    child.ask("echo", str)
    before = descriptors()

    for _ in range(5):
        with pytest.raises(HeadswapError, match="stopped unexpectedly"):
            child.ask("die", str)
        child.ask("echo", str)

    wait_for(lambda: descriptors() <= before)  # a thread of another test's service may have one for a moment


@pytest.mark.skipif(os.name == "nt", reason="sessions are of POSIX")
def test_a_ctrl_c_at_the_terminal_reaches_the_server_alone(lasting: ChildProcess) -> None:
    pid = int(lasting.ask("pid", str))

    assert os.getsid(pid) != os.getsid(0)
