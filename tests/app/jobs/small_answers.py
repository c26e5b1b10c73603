"""Functions for a desk's child to answer with."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from headswap.errors import HeadNotFound, HeadswapError
from headswap.storage.files import DiskFull


class NewError(HeadswapError):
    """One that the server does not know."""


def answer(question: str) -> str:
    word, _, rest = question.partition(" ")
    match word:
        case "echo":
            return rest
        case "pid":
            return str(os.getpid())
        case "shout":
            sys.stdout.write("a library prints\n")
            sys.stdout.flush()
            os.write(1, b"raw noise\n")
            sys.stderr.write("and warns\n")
            return "still clean"
        case "sleep":
            Path(rest).write_text(str(os.getpid()))
            time.sleep(600)
        case "swallow":
            taken = bytearray(b"x") * 500_000_000
            time.sleep(600)
            return str(len(taken))
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "user":
            raise HeadNotFound("There is no head.", remedy="Choose a layer.")
        case "disk":
            raise DiskFull("The disk is full.", remedy="Free some space.")
        case "new":
            raise NewError("Something new.", remedy="Do that.")
        case "fault":
            raise ZeroDivisionError("on purpose")
    return ""
