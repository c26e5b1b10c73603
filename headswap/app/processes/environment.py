"""The surroundings of a process that headswap starts.

A child gets the server's own variables, those given, and a PYTHONPATH by which it
finds headswap and whatever else the server could import: a clone that was never
installed works from any folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

PACKAGE_ROOT = Path(__file__).resolve().parents[3]
# Threads that have done their share sleep until the next one begins. Those that spin meanwhile are quicker by
# little when they are alone, and take the processor from the other processes of the house when they are not.
PATIENT = MappingProxyType({"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"})
# numpy and scipy bring a pool each, with 20 MB for each of its threads; what is large is torch's work.
FRUGAL = MappingProxyType({"OPENBLAS_NUM_THREADS": "1"})


def child_environment(additions: Mapping[str, str]) -> dict[str, str]:
    """The server's environment with `additions`, for a child that must import the same modules."""
    environment = {**PATIENT, **FRUGAL, **os.environ, **additions}
    paths = [str(PACKAGE_ROOT), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path for path in paths if path))
    environment["PYTHONIOENCODING"] = "utf-8:backslashreplace"  # its log is read as UTF-8 on every system
    environment["PYTHONUNBUFFERED"] = "1"  # the log of a killed process holds its last words
    return environment


def apart_from_the_server() -> dict[str, Any]:
    """Arguments of `Popen` for a child that a Ctrl-C at the server's terminal does not reach."""
    if sys.platform == "win32":
        flags = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    else:
        flags = {"start_new_session": True}
    return flags


def python_command(module: str) -> tuple[str, ...]:
    """The command line that runs a module with the server's own Python."""
    return sys.executable, "-m", module


def thread_environment(threads: int) -> dict[str, str]:
    """Hold the numeric libraries of a child to so many threads; 0 leaves the choice to them.

    The pools of `FRUGAL` stay as they are.
    """
    if threads < 1:
        return {}
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {name: str(threads) for name in names}
