"""A verb on the head of a cluster, handed over by a shell elsewhere: `python -m headswap.cli.handed JSON`.

Flow:  HandedVerb --paths are what they were there--> the verb, with --on auto --> frames in its log
       its result --> where it was asked for, or an address from which the other machine fetches it

A result for an address is made in a folder that the same command has every time: checkpoints lie next to it,
so the next job goes on where a stopped one ended.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from headswap.cli.frames import FramedEvents, FramedText, write_frame
from headswap.cli.main import VERBS, said_by, workspace_of
from headswap.cluster.nodes import what_lies_at
from headswap.data.remote_target import RemoteTarget, put_at
from headswap.errors import BadSetting, HeadswapError
from headswap.storage.files import discard, from_json, make_folder, remove
from headswap.version import __version__


@dataclass(frozen=True, kw_only=True)
class HandedVerb:
    """What a shell asks of the head."""

    version: str  # of headswap
    verb: str  # a module of headswap.cli.verbs
    choices: dict[str, Any]  # its options by their names in the code
    seen: dict[str, str] = field(default_factory=dict)  # local paths, and what lies there
    output: str | None = None  # the option that names the result
    target: str | None = None  # an address for the result; None: it is written where the option says
    shown: str = ""  # the result, as the person who asked calls it
    name: str = "one"  # of the command: the same whenever the same person gives it in the same folder


def main(argument: str, log: TextIO) -> int:
    """Do what was handed over; returns the exit code."""
    asked: HandedVerb = from_json(HandedVerb, argument)
    signal.signal(signal.SIGTERM, _stop)  # as a cluster ends a job
    folder = workspace_of(os.environ).absolute() / "unfinished" / f"handed-{asked.name}"
    mine = folder / _name_of(asked)
    shown = partial(_renamed, str(mine), asked.shown) if asked.target else str
    with (
        FramedText(log, "out", shown) as out,
        FramedText(log, "err", shown) as err,
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = _done(asked, mine, log)
    if asked.target:
        discard(mine)
        if code == 0 or not any(folder.glob("*")):  # of a job that did not come to its end, checkpoints stay
            discard(folder)
    write_frame(log, {"exit": code})
    return code


def _done(asked: HandedVerb, mine: Path, log: TextIO) -> int:
    try:
        _check(asked)
        if asked.target:
            make_folder(mine.parent)
            remove(mine)  # of a job that was killed before it had sent it
    except HeadswapError as error:
        sys.stderr.write(f"headswap: {error}\n")
        return 2
    choices = argparse.Namespace(**asked.choices, on="auto")
    choices.workspace, choices.environment = workspace_of(os.environ), os.environ
    choices.run = {verb.__name__: verb.run for verb in VERBS}[asked.verb]
    choices.new_bars = lambda: FramedEvents(log)
    if asked.output and asked.target:
        setattr(choices, asked.output, str(mine))
    return said_by(choices, after=_sent(asked, mine))


def _sent(asked: HandedVerb, mine: Path) -> Callable[[], None]:
    def send() -> None:
        if asked.target and mine.exists():
            put_at(mine, asked.target)

    return send


def _check(asked: HandedVerb) -> None:
    """Whether this machine has the same headswap and sees the same files.

    Raises:
        BadSetting: it does not.
    """
    if asked.version != __version__:
        raise BadSetting(
            f"The head of the cluster has headswap {__version__}, and this machine has {asked.version}.",
            remedy="Install the same version on both.",
        )
    for path, fingerprint in asked.seen.items():
        if what_lies_at(Path(path)) != fingerprint:
            raise _unseen(path)
    if asked.target is None:
        return
    if asked.target == asked.shown and asked.output == "out" and RemoteTarget(asked.target).sizes():
        raise BadSetting(f"{asked.target} exists already.", remedy="Choose another name for the bundle.")
    RemoteTarget(asked.target.rpartition("/")[0]).check()


def _unseen(path: str) -> BadSetting:
    """Said of what only the machine that asks has."""
    return BadSetting(
        f"The head of the cluster does not see {path} as this machine does.",
        remedy="Put it into a folder that both have under the same path, or give an address such as "
        "s3://bucket/folder.",
    )


def _name_of(asked: HandedVerb) -> str:
    return asked.shown.replace("\\", "/").rstrip("/").rpartition("/")[2] or "result"


def _renamed(mine: str, shown: str, line: str) -> str:
    """A line of text, or of JSON, with the result called as it will be called."""
    name = json.dumps(shown)[1:-1] if line.startswith("{") else shown
    return line.replace(mine, name)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.stdout))
