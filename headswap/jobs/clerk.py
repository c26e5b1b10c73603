"""The child behind a `Desk`: answers one question after another until its server is gone.

    python -m headswap.jobs.clerk package.module:function

Questions come on stdin and answers leave on the stdout that the process was born
with; whatever a library prints goes to stderr. A closed stdin means that the server
is gone: the process ends at once, even in the middle of an answer.

Knows the wire and one function by name.
"""

from __future__ import annotations

import importlib
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

from headswap.errors import HeadswapError
from headswap.jobs.wire import FAULT, READY, Answer, Question, read_message, write_message

logger = logging.getLogger("headswap.clerk")


def main(target: str) -> None:
    """Serve questions with `package.module:function`, which takes a text and gives one."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes stdin
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    questions: queue.SimpleQueue[Question] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, questions), daemon=True).start()
    module, _, function = target.partition(":")
    answer: Callable[[str], str] = getattr(importlib.import_module(module), function)
    write_message(replies, READY)
    while True:
        write_message(replies, _answer(answer, questions.get()))


def _receive(pipe: BinaryIO, questions: queue.SimpleQueue[Question]) -> None:
    while (question := read_message(pipe, Question)) is not None:
        questions.put(question)
    os._exit(0)


def _answer(function: Callable[[str], str], question: Question) -> Answer:
    try:
        return Answer(text=function(question.text))
    except HeadswapError as error:
        return Answer(error=type(error).__name__, problem=error.problem, remedy=error.remedy)
    except Exception as error:
        logger.exception("fault")
        return Answer(error=FAULT, problem=type(error).__name__)


if __name__ == "__main__":
    main(sys.argv[1])
