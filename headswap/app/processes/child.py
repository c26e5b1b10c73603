"""Ask one long-lived child process: the home of everything interactive that needs torch.

Flow:  question --ChildProcess.ask--> pipe --child_main--> function --> pipe --> answer; both are records

One child per `ChildProcess`, started by the first question or by `warm`, let go when no one
asks for a while. Askers take turns. A child that dies or takes too long costs its
asker one sentence; the next question starts another. A confined child reaches only what its
first question names; where every question names something else, each gets a child of its own.

Knows processes and records; nothing of networks or pictures.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal, cast

from headswap import errors
from headswap.app.processes import memory
from headswap.app.processes.environment import apart_from_the_server, child_environment, python_command
from headswap.app.processes.logs import rotate_log
from headswap.app.processes.messages import (
    FAULT,
    ChildReply,
    Message,
    read_bytes,
    read_message,
    write_encoded,
)
from headswap.errors import HeadswapError
from headswap.storage import files
from headswap.storage.files import from_json, to_json


class ChildEnded(HeadswapError):
    """The process that answers died, or was ended, in the middle of an answer."""


class ChildProcess:
    """Answers questions with a function that runs in a process of its own."""

    def __init__(  # noqa: PLR0913
        self,
        answer: str,
        *,
        idle_s: float = 600.0,
        timeout_s: float = 60.0,
        start_s: float = 120.0,
        wait_s: float = 120.0,
        memory_bytes: int = 0,
        silent: bool = False,
        confined: Literal["", "once", "for all"] = "",
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            answer: "package.module:function", which takes one record, of the type that its parameter says,
                and gives one.
            idle_s: after so long without a question the child is let go.
            timeout_s: for one answer; then the child is ended.
            start_s: for the child to import what it needs; then it is ended.
            wait_s: for one's turn, when others ask; then the asker is sent away.
            memory_bytes: the child can take no more than so much; 0: what there is.
            silent: what libraries print in the child goes nowhere.
            confined: the child reaches what its first question names, as the module's `allowed_paths` says
                (`headswap.app.processes.sandbox`), and answers that one ("once") or any number ("for all").
            log: what the child says apart from its answers; None: nowhere.
            environment: variables on top of the server's own.
        """
        self._target, self._log_path = answer, log
        self._idle_s, self._timeout_s, self._start_s, self._wait_s = idle_s, timeout_s, start_s, wait_s
        flags = {"--silent": silent, "--confined": bool(confined)}
        held = memory_bytes if memory.is_held_by_system() else 0
        self._options = ("--memory", str(held), *(flag for flag, is_set in flags.items() if is_set))
        self._memory_bytes = memory_bytes
        self._once = confined == "once"
        self._environment = dict(environment or {})
        self._ask_lock = threading.Lock()  # one asker at a time
        self._lock = threading.Lock()  # around the child itself, held for moments only
        self._child: subprocess.Popen[bytes] | None = None
        self._is_ready = False  # the child has said so
        self._closed = False
        self._asked_at = time.monotonic()
        self._idle_timer: threading.Timer | None = None

    def ask(self, question: object, kind: type[Message], /) -> Message:
        """Wait for one's turn, then for the answer.

        Args:
            question: the record that the function takes.
            kind: of the record that it gives.

        Raises:
            HeadswapError: what the function raised, with its class and sentences; or the
                child died, took too long, or met a fault.
        """
        encoded = to_json(question).encode()  # what cannot be sent is refused, and costs no child
        with self._asking_alone():
            child = self._running_child()
            try:
                if not self._is_ready:
                    _wait_until_ready(child, self._start_s)
                    self._is_ready = True
                reply, answer = self._answer(child, encoded)
            except BaseException:  # an answer may still be on its way, to no one
                _let_go(child)
                raise
            finally:
                self._asked_at = time.monotonic()
                self._watch_idleness()
            if self._once:
                self._replace(child)
        if reply.error:
            raise _error_of(reply)
        found: Message = from_json(kind, answer)
        return found

    def _answer(self, child: subprocess.Popen[bytes], question: bytes) -> tuple[ChildReply, bytes]:
        greedy = threading.Event()

        def end() -> None:
            greedy.set()
            child.kill()

        try:
            with memory.watching(child.pid, self._memory_bytes, end):
                return _exchange(child, question, self._timeout_s)
        except ChildEnded as error:
            if not greedy.is_set():
                raise
            raise ChildEnded(
                f"The process that answers took more than the {self._memory_bytes / 1e6:,.0f} MB it may.",
                remedy="Choose a smaller network, or smaller pictures.",
            ) from error

    @contextmanager
    def _asking_alone(self) -> Iterator[None]:
        if not self._ask_lock.acquire(timeout=self._wait_s):
            raise HeadswapError("Too many people are asking at once.", remedy="Try again in a minute.")
        try:
            yield
        finally:
            self._ask_lock.release()

    def warm(self) -> None:
        """Start the child now, without waiting, so that the first answer comes sooner."""
        self._running_child()
        self._asked_at = time.monotonic()
        self._watch_idleness()

    def close(self) -> None:
        """End the child, even in the middle of an answer; nothing can be asked any more."""
        with self._lock:
            self._closed = True
            child = self._child
            if self._idle_timer:
                self._idle_timer.cancel()
        if child:
            child.kill()  # anyone who waits for an answer hears at once that none will come
            with self._ask_lock:
                _let_go(child)

    @property
    def is_warm(self) -> bool:
        """Whether there is a living child."""
        with self._lock:
            return self._child is not None and self._child.poll() is None

    def _running_child(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise HeadswapError("The server is stopping.", remedy="Try again when it is back.")
            if self._child is not None and self._child.poll() is None:
                return self._child
            if self._child is not None:
                _let_go(self._child)
            self._is_ready = False
            self._child = self._start()
            return self._child

    def _replace(self, child: subprocess.Popen[bytes]) -> None:
        """Have another child ready for the next question."""
        _let_go(child)
        with suppress(HeadswapError):  # the server is stopping
            self._running_child()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._log_path is not None:
            rotate_log(self._log_path)
        with (self._log_path or Path(os.devnull)).open("ab") as log:
            return subprocess.Popen(
                [*python_command("headswap.app.processes.child_main"), self._target, *self._options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_environment(self._environment),
                **apart_from_the_server(),
            )

    def _watch_idleness(self) -> None:
        with self._lock:
            if self._closed or self._idle_timer is not None:
                return
            self._idle_timer = threading.Timer(self._idle_s, self._release_if_idle)
            self._idle_timer.daemon = True
            self._idle_timer.start()

    def _release_if_idle(self) -> None:
        with self._lock:
            self._idle_timer = None
        if not self._ask_lock.acquire(blocking=False):  # someone is asking, and will watch again
            return
        try:
            if time.monotonic() - self._asked_at >= self._idle_s and self._child is not None:
                _let_go(self._child)
                return
        finally:
            self._ask_lock.release()
        self._watch_idleness()


def _exchange(child: subprocess.Popen[bytes], question: bytes, limit_s: float) -> tuple[ChildReply, bytes]:
    """Send a question, as JSON, and receive what comes back, the answer as JSON."""
    with _limited(child, limit_s):
        write_encoded(cast(BinaryIO, child.stdin), question)
        reply = read_message(cast(BinaryIO, child.stdout), ChildReply)
        answer = read_bytes(cast(BinaryIO, child.stdout)) if reply and not reply.error else b""
        if reply is None or answer is None:
            raise EOFError
    return reply, answer


def _wait_until_ready(child: subprocess.Popen[bytes], limit_s: float) -> None:
    with _limited(child, limit_s):
        if read_message(cast(BinaryIO, child.stdout), ChildReply) is None:
            raise EOFError


@contextmanager
def _limited(child: subprocess.Popen[bytes], limit_s: float) -> Iterator[None]:
    """End a child that takes too long, which ends the waiting; says whether that, or something else, did."""
    late = threading.Event()

    def end() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(limit_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (EOFError, OSError, ValueError) as error:  # no one is there, or the pipe was closed meanwhile
        if late.is_set():
            raise HeadswapError(
                f"No answer came within {limit_s:g} seconds.",
                remedy="Try again, or choose a smaller network.",
            ) from error
        raise ChildEnded(
            "The process that answers has stopped unexpectedly.",
            remedy="Try again; if it stays, choose a smaller network or look into the server's log.",
        ) from error
    finally:
        timer.cancel()


def _error_of(reply: ChildReply) -> HeadswapError:
    if reply.error == FAULT:
        return HeadswapError(
            f"The program has a fault ({reply.problem}).",
            remedy="Try something else; the server's log says more.",
        )
    for module in (errors, files):
        kind = getattr(module, reply.error, None)
        if isinstance(kind, type) and issubclass(kind, HeadswapError):
            return kind(reply.problem, remedy=reply.remedy)
    return HeadswapError(reply.problem, remedy=reply.remedy)


def _let_go(child: subprocess.Popen[bytes]) -> None:
    """End a child and leave nothing of it; it holds nothing that could be lost."""
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        with suppress(BrokenPipeError):  # closing sends what was not sent
            cast(BinaryIO, pipe).close()
