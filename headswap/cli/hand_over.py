"""A verb handed over to the head of a cluster, from a machine that is no part of it; its words come back.

Flow:  choices + https://head:8265 --a job of Ray: headswap.cli.handed--> frames of its log --> this shell

A job has the name of its command and a number, which this machine counts on when it has heard how the job
ended. So the same command goes on with the job that runs, and gets the result of one that has ended.
A connection that is lost is waited for. Ctrl-C stops the job.
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import json
import shlex
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from headswap.cli.frames import Screen, frames_of, other_lines
from headswap.cli.progress import Bars
from headswap.cli.verb import HandedOptions, shelf_named
from headswap.cluster.crew import ClusterLost
from headswap.cluster.dashboard import Dashboard, HandedJob, open_dashboard
from headswap.cluster.nodes import what_lies_at
from headswap.data.remote import refuse_address, url_of
from headswap.errors import BadSetting, BundleDamaged, HeadswapError
from headswap.storage.files import make_folder, remove, write_text
from headswap.storage.locations import path_for_bundle, why_not_writable
from headswap.version import __version__

Answer = TypeVar("Answer")

_ON_DISK = {"bundle": "A bundle", "again": "A bundle", "weights": "A weight file"}  # never at an address
_OURS = ("run", "workspace", "environment", "new_bars", "handed", "on")  # of the choices: not of the command
_PYTHON = (  # Ray gives a job one thread, and a verb takes what the machine has
    "exec env -u OMP_NUM_THREADS $(command -v python || command -v python3) -m headswap.cli.handed"
)
_LONGEST = 100_000  # letters of a command: Linux takes 131,072
_SOON_S, _LATE_S = 0.5, 2.0  # between two questions how far a job is
_TRIES, _PAUSE_S = 90, 10.0  # a connection that is lost is tried again for a quarter of an hour
_STOP_S = 20  # a job has ended so long after it was stopped
_DONE = "the job is done, and its result is kept: run the same command once more to have it."


@dataclass(frozen=True, kw_only=True)
class _Result:
    """Where the result of a verb goes."""

    path: str = ""  # as the person calls it; empty: there is none but words
    target: str = ""  # an address that the head writes to; empty: the path itself
    is_fetched: bool = False  # from that address to the path

    def packed(self) -> dict[str, str]:
        return {"path": self.path, "target": self.target, "is_fetched": str(int(self.is_fetched))}


def hand_over(on: str, choices: argparse.Namespace) -> int:
    """Let a cluster do a verb; returns its exit code.

    Args:
        on: the address of its dashboard.
        choices: of the verb, as they were parsed.

    Raises:
        BadSetting: the cluster cannot be used, or must not, or does not see what is named; before any work.
        ClusterLost: it does not answer any more; the job goes on without this shell.
    """
    options: HandedOptions = choices.handed
    shelf = shelf_named(choices)
    if "shelf" in choices:
        choices.shelf = shelf
    asked = {name: value for name, value in vars(choices).items() if name not in _OURS}
    paths = _made_absolute(options, asked)
    dashboard = open_dashboard(on)
    count = _RunCount(choices.workspace / "handed", options, asked)
    try:
        return _Handover(dashboard, count, url_of(shelf or "")).run(options, asked, paths)
    except KeyboardInterrupt:
        return _stopped(dashboard, count)


class _RunCount:
    """How often the same command was run to its end, on the disk: the next job has a name of its own."""

    def __init__(self, folder: Path, options: HandedOptions, asked: dict[str, Any]) -> None:
        machine = folder / "machine"
        if not machine.is_file():
            write_text(make_folder(folder) / machine.name, uuid.uuid4().hex)
        facts = [machine.read_text(), getpass.getuser(), str(Path.cwd()), options.verb, asked]
        self.name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]
        self._file = folder / self.name

    @property
    def job_id(self) -> str:
        return f"headswap-{self.name}-{self._ended + 1}"

    def ended(self) -> None:
        """This machine knows how the job ended."""
        write_text(self._file, str(self._ended + 1))

    @property
    def _ended(self) -> int:
        return int(self._file.read_text()) if self._file.is_file() else 0


class _Handover:
    """One command, from this shell to the end of its job."""

    def __init__(self, dashboard: Dashboard, count: _RunCount, shelf: str | None) -> None:
        """`shelf` is the address through which a result comes; None: there is none."""
        self._dashboard, self._count, self._job_id = dashboard, count, count.job_id
        self._shelf = shelf

    def run(self, options: HandedOptions, asked: dict[str, Any], paths: list[Path]) -> int:
        known = self._dashboard.job(self._job_id)
        if known is not None:
            sys.stderr.write("headswap: this command was handed over before; going on with it.\n")
            return self._to_the_end(known)
        result = _result_of(options, asked, self._shelf)
        with _probe(result) as probe:
            seen = {str(path): what_lies_at(path) for path in (*paths, *probe)}
            command = _command_of(options, asked, seen, result, self._count.name)
            is_mine = self._dashboard.submit(self._job_id, command, result.packed())
            found = None if is_mine else self._patiently(self._dashboard.job)  # another shell was faster
            return self._to_the_end(found or HandedJob(status="PENDING", metadata=result.packed()))

    def _to_the_end(self, job: HandedJob) -> int:
        """Show what a job says until it is over; fetch its result."""
        code = self._followed()
        if code == 0 and job.metadata.get("is_fetched") == "1":
            return self._fetched(job.metadata["target"], Path(job.metadata["path"]))
        self._count.ended()
        return code

    def _fetched(self, target: str, path: Path) -> int:
        """Bring the result here, take note of that, and only then take it away there; returns the exit code.

        Raises:
            Gone, BundleDamaged: it cannot be had any more; the next command starts another job.
        """
        from headswap.data.remote_target import Gone, fetch_from, take_away

        try:
            fetch_from(target, path)
        except KeyboardInterrupt:  # the job is over, even if the dashboard does not say so in this second
            sys.stderr.write(f"headswap: {_DONE}\n")
            return 130
        except (Gone, BundleDamaged):
            self._count.ended()
            raise
        self._count.ended()
        try:
            take_away(target)
        except HeadswapError as error:
            sys.stderr.write(f"headswap: {path} is here; a copy is left on the shelf: {error.problem}\n")
        return 0

    def _followed(self) -> int:
        told, pause = 0, _SOON_S
        with Bars() as bars:
            screen = Screen(out=sys.stdout, err=sys.stderr, listener=bars)
            while True:
                job = self._patiently(self._dashboard.job)
                if job is None:
                    raise BadSetting(
                        "The cluster does not know the job any more: it was started again meanwhile.",
                        remedy="Run the same command once more: it goes on from what was done.",
                    )
                log = "" if job.status == "PENDING" else self._patiently(self._dashboard.log)
                frames = frames_of(log)
                for frame in frames[told:]:
                    screen.show(frame)
                pause = _SOON_S if len(frames) > told else min(_LATE_S, 1.2 * pause)
                told = max(told, len(frames))
                code = next((int(frame["exit"]) for frame in frames if "exit" in frame), None)
                if code is not None:
                    return code
                if job.is_over:
                    self._count.ended()
                    raise _without_an_answer(job, log)
                time.sleep(pause)

    def _patiently(self, ask: Callable[[str], Answer]) -> Answer:
        """What the dashboard answers, tried again while the connection is lost."""
        tries = 0
        while True:
            try:
                return ask(self._job_id)
            except ClusterLost as error:
                tries += 1
                if tries > _TRIES:
                    raise ClusterLost(
                        error.problem,
                        remedy="The job goes on without this shell: run the same command once more, and it "
                        "goes on with it.",
                    ) from error
            if tries == 1:
                sys.stderr.write("headswap: the connection to the cluster is lost; trying again.\n")
            time.sleep(min(_PAUSE_S, _SOON_S * tries))


def _stopped(dashboard: Dashboard, count: _RunCount) -> int:
    sys.stderr.write("headswap: stopping the job on the cluster.\n")
    try:
        job = _ended_soon(dashboard, count.job_id)
    except HeadswapError as error:
        sys.stderr.write(
            f"headswap: {error.problem} The job may go on: run the same command and press Ctrl-C again.\n"
        )
        return 130
    if job is not None and not job.is_over:
        sys.stderr.write("headswap: the cluster was asked to stop the job, and has not yet.\n")
    elif job is not None and job.status == "SUCCEEDED":
        sys.stderr.write(f"headswap: {_DONE}\n")
    else:
        if job is not None:
            count.ended()
        sys.stderr.write("headswap: stopped.\n")
    return 130


def _ended_soon(dashboard: Dashboard, job_id: str) -> HandedJob | None:
    """A job after it was asked to stop, unless it was over; None: the cluster knows none."""
    job = dashboard.job(job_id)
    if job is None or job.is_over:
        return job
    dashboard.stop(job_id)
    end = time.monotonic() + _STOP_S
    while job is not None and not job.is_over and time.monotonic() < end:
        time.sleep(0.2)
        job = dashboard.job(job_id)
    return job


def _made_absolute(options: HandedOptions, asked: dict[str, Any]) -> list[Path]:
    """The local paths that a verb reads; in its choices they are absolute afterwards.

    Raises:
        BadSetting: there is no such path, or it is an address where none can be.
    """
    found: list[Path] = []

    def absolute(named: str | None) -> str | None:
        if named is None or url_of(named) is not None:
            return named
        path = Path(named).resolve()
        if not path.exists():
            raise BadSetting(f"There is nothing at {named}.", remedy="Check the path.")
        found.append(path)
        return str(path)

    for name in options.reads:
        value = asked.get(name)
        if value and name in _ON_DISK:
            refuse_address(value, _ON_DISK[name])
        asked[name] = [absolute(one) for one in value] if isinstance(value, list) else absolute(value)
    return found


def _result_of(options: HandedOptions, asked: dict[str, Any], shelf: str | None) -> _Result:
    """Where the result goes; nothing is there yet, if nothing may be.

    Raises:
        BadSetting: something is there already, or this machine cannot write there.
    """
    named = asked.get(options.writes)
    if named is not None and (url := url_of(named)) is not None:
        return _Result(path=url, target=url)
    if options.writes == "out":
        path = path_for_bundle(named, Path(asked["data"]))
    elif named is None:
        return _Result()
    else:
        path = Path(named)
        if reason := why_not_writable(path):
            raise BadSetting(f"{path} cannot be written: {reason}.", remedy="Choose another place for it.")
    asked[options.writes] = str(path.resolve())
    if shelf is not None:
        from headswap.data.remote_target import RemoteTarget

        RemoteTarget(shelf, is_there=True).check()
        target = f"{shelf}/handed/{uuid.uuid4().hex}/{path.name}"
        return _Result(path=str(path.resolve()), target=target, is_fetched=True)
    return _Result(path=str(path.resolve()))


@contextmanager
def _probe(result: _Result) -> Iterator[tuple[Path, ...]]:
    """A file next to a result that is written directly: who sees it writes into the same folder."""
    if not result.path or result.target:
        yield ()
        return
    probe = Path(result.path).parent / f".headswap-{uuid.uuid4().hex}"
    write_text(probe, probe.name)
    try:
        yield (probe,)
    finally:
        remove(probe)


def _command_of(
    options: HandedOptions, asked: dict[str, Any], seen: dict[str, str], result: _Result, name: str
) -> str:
    handed = {
        "version": __version__,
        "verb": options.verb,
        "choices": asked,
        "seen": seen,
        "output": options.writes if result.path else None,
        "target": result.target or None,
        "shown": result.path,
        "name": name,
    }
    command = f"{_PYTHON} {shlex.quote(json.dumps(handed))}"
    if len(command) > _LONGEST:
        raise BadSetting(
            "So many paths are too many for one command on a cluster.", remedy="Name their folder instead."
        )
    return command


def _without_an_answer(job: HandedJob, log: str) -> HeadswapError:
    """Said of a job that ended before its verb did."""
    lines = other_lines(log)
    if any("No module named" in line and "headswap" in line for line in lines):
        return BadSetting(
            "headswap does not run on the head of the cluster.",
            remedy="Install the same headswap there, and run `ray start` in the environment that has it.",
        )
    if job.status == "STOPPED":
        return BadSetting("The job was stopped on the cluster.", remedy="Run the same command once more.")
    last = (lines or [job.message.strip() or "it does not say why"])[-1]
    return ClusterLost(
        f"The job ended on the cluster without an answer: {last[:300].rstrip('.')}.",
        remedy="Look at its log in the dashboard, and run the same command once more.",
    )
