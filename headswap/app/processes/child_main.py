"""The child behind a `ChildProcess`: answers one question after another until its server is gone.

    python -m headswap.app.processes.child_main MODULE:FUNCTION [--memory BYTES] [--silent] [--confined]

Questions come on stdin and answers leave on the stdout that the process was born
with; whatever a library prints goes to stderr. A closed stdin means that the server
is gone: the process ends at once, even in the middle of an answer. With --memory it can
take no more than so much; with --silent what a library prints goes nowhere, so that no
stranger's picture can fill a log. With --confined the module next to the function also has
`allowed_paths(question)`: before the first question is answered, everything else is taken away.

Knows the messages and one function by name; its parameter says which record it takes.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO, get_type_hints

from headswap.app.processes.logs import log_to
from headswap.app.processes.memory import hold_memory
from headswap.app.processes.messages import (
    FAULT,
    READY,
    ChildReply,
    read_bytes,
    write_encoded,
    write_message,
)
from headswap.app.processes.priority import step_back
from headswap.app.processes.sandbox import AllowedPaths, confine
from headswap.errors import HeadswapError
from headswap.imports import made_to_stay
from headswap.storage.files import from_json, to_json

logger = logging.getLogger("headswap.child")


def main(target: str, *, memory_bytes: int = 0, silent: bool = False, confined: bool = False) -> None:
    """Serve questions with `package.module:function`, which takes a record and gives one."""
    hold_memory(memory_bytes)
    step_back()
    own_stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    log_to(own_stderr)
    faulthandler.enable(own_stderr)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes stdin
    replies = os.fdopen(os.dup(1), "wb")
    if silent:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.dup2(2, 1)
    questions: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    receiving = threading.Thread(target=_receive, args=(sys.stdin.buffer, questions), daemon=True)
    if not confined:  # a server that is gone while this imports is noticed
        receiving.start()
    name, _, function = target.partition(":")
    with made_to_stay():
        module = importlib.import_module(name)
    answer: Callable[[Any], object] = getattr(module, function)
    kind = get_type_hints(answer)["question"]

    def answer_json(question: bytes) -> bytes:
        return to_json(answer(from_json(kind, question))).encode()

    write_message(replies, READY)
    if confined:
        _confine_for_the_first(questions, lambda first: module.allowed_paths(from_json(kind, first)))
        receiving.start()  # inside, like every thread from now on
    while True:
        _reply(replies, answer_json, questions.get())


def _confine_for_the_first(
    questions: queue.SimpleQueue[bytes], allowed_paths: Callable[[bytes], AllowedPaths]
) -> None:
    """Wait for the first question, and leave this process no more than that one needs."""
    first = read_bytes(sys.stdin.buffer)
    if first is None:
        os._exit(0)
    confine(allowed_paths(first))
    questions.put(first)


def _receive(pipe: BinaryIO, questions: queue.SimpleQueue[bytes]) -> None:
    while (question := read_bytes(pipe)) is not None:
        questions.put(question)
    os._exit(0)


def _reply(replies: BinaryIO, answer: Callable[[bytes], bytes], question: bytes) -> None:
    try:
        content = answer(question)
    except HeadswapError as error:
        name, problem, remedy = type(error).__name__, error.problem, error.remedy
        write_message(replies, ChildReply(error=name, problem=problem, remedy=remedy))
    except Exception as error:
        logger.exception("fault")
        write_message(replies, ChildReply(error=FAULT, problem=type(error).__name__))
    else:
        write_message(replies, ChildReply())
        write_encoded(replies, content)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="headswap.app.processes.child_main")
    parser.add_argument("target")
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--confined", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = _parse()
    main(chosen.target, memory_bytes=chosen.memory, silent=chosen.silent, confined=chosen.confined)
