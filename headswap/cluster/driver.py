"""A crew whose cluster is held by a child process: what ends a driver of Ray does not end who asks.

Flow:  DrivenCrew.each --frames--> `python -m headswap.cluster.driver` --RayCrew--> the cluster, and back

When the head of a cluster dies, Ray ends every process that has joined it, after a minute, and asks no one;
one that is about to join waits for longer. Here that is a child: it ends when the head has been silent for
half a minute, and its end reads as `ClusterLost`. It also ends when its pipe is closed: however the process
ended that asks, everything stops that it had asked for.

A frame is JSON with lengths before it, and arrays as safetensors. Nothing is pickled.
"""

from __future__ import annotations

import builtins
import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from safetensors.numpy import load, save

from headswap.cluster.crew import ClusterLost, ClusterRefused, Parcel, Task, name_of, task_named
from headswap.cluster.joining import ANSWER_S, find_cluster, joined
from headswap.errors import HeadswapError

_LENGTH_BYTES = 8
_JOIN_S = ANSWER_S + 60.0  # at most: Ray is imported and joined, then silent machines are waited for
_PROBE_S = 5.0  # between two questions whether the head still answers
SILENT_S = 30.0  # a head that has not answered for so long is lost; Ray itself waits for 60
_COMMAND = (sys.executable, "-m", "headswap.cluster.driver")

Frame = tuple[dict[str, Any], Parcel]

logger = logging.getLogger(__name__)


class DrivenCrew:
    """The processors of a cluster, joined by a child process when work comes. One `each` at a time."""

    def __init__(
        self,
        on: str,
        *,
        paths: Sequence[Path],
        folder: Path | None = None,
        written: Sequence[Path] | None = None,
    ) -> None:
        """Arguments as for `headswap.cluster.joining.joined`; nothing is joined yet."""
        self._joining = {
            "on": on,
            "paths": [str(path) for path in paths],
            "folder": str(folder) if folder else None,
            "written": None if written is None else [str(path) for path in written],
        }
        self._child: subprocess.Popen[bytes] | None = None
        self._size = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Processors of the cluster when it was joined.

        Raises:
            ClusterLost: it cannot be joined; a `ClusterRefused` says why it must not be.
        """
        self._running()
        return self._size

    def each(
        self,
        task: Task,
        parcels: Iterable[Parcel],
        *,
        threads: int = 1,
        gpu_share: float = 0.0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Generator[tuple[int, Parcel], None, None]:
        """As `headswap.cluster.crew.Crew` says.

        Raises:
            ClusterLost: the cluster cannot be joined, or was lost on the way.
        """
        child, coming, is_done = self._running(), iter(parcels), False
        try:
            asked = {"task": name_of(task), "threads": threads, "gpu_share": gpu_share}
            _send(child.stdin, {"kind": "each", **asked})
            while True:
                facts, parcel = _received(child)
                match facts["kind"]:
                    case "answer":
                        yield facts["number"], parcel
                    case "more":
                        following = next(coming, None)
                        _send(child.stdin, {"kind": "parcel" if following else "end"}, following)
                    case "meanwhile":
                        if meanwhile is not None:
                            meanwhile()
                    case "done":
                        is_done = True
                        return
                    case _:
                        is_done = True
                        raise _error_of(facts)
        except BrokenPipeError as error:
            raise lost_cluster() from error
        finally:
            if not is_done:  # what is not begun never begins, and what runs is ended by Ray
                self.close()

    def close(self) -> None:
        """Leave the cluster; work that comes later joins it again."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                with suppress(OSError):  # closing sends what was not sent
                    pipe.close()  # type: ignore[union-attr]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.close()
        seen = os.pathsep.join(dict.fromkeys(path for path in sys.path if path))  # it imports the same
        self._child = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": seen},
        )
        late = threading.Timer(_JOIN_S, self._child.kill)  # half a cluster may keep it waiting
        late.daemon = True
        late.start()
        try:
            _send(self._child.stdin, self._joining)
            said, _ = _received(self._child)
        except BrokenPipeError as error:
            self.close()
            raise lost_cluster() from error
        except ClusterLost:
            self.close()
            raise
        finally:
            late.cancel()
        if said["kind"] != "joined":
            self.close()
            kind = ClusterLost if said["name"] == ClusterLost.__name__ else ClusterRefused
            raise kind(said["problem"], remedy=said["remedy"])
        self._size = int(said["size"])
        return self._child


def main() -> None:
    """Join, then do what is asked for, one thing after another, until the pipe is closed."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no frame
    asked: queue.SimpleQueue[Frame] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, asked), daemon=True).start()
    joining, _ = asked.get()
    threading.Thread(target=end_with_head, args=(joining["on"], lambda: os._exit(1)), daemon=True).start()
    try:
        with joined(joining["on"], **_folders_of(joining)) as crew:
            _send(answers, {"kind": "joined", "size": crew.size})
            while True:
                wanted, _ = asked.get()
                try:
                    work = crew.each(
                        task_named(wanted["task"]),
                        _coming(answers, asked),
                        threads=wanted["threads"],
                        gpu_share=wanted["gpu_share"],
                        meanwhile=lambda: _send(answers, {"kind": "meanwhile"}),
                    )
                    for number, answer in work:
                        _send(answers, {"kind": "answer", "number": number}, answer)
                    _send(answers, {"kind": "done"})
                except HeadswapError as error:
                    _send(answers, _refusal(error))
                except Exception as error:  # a fault of a task ends that work, and no other
                    logger.exception("fault")
                    _send(answers, {"kind": "fault", "name": type(error).__name__, "problem": str(error)})
    except HeadswapError as error:
        _send(answers, _refusal(error))


def _folders_of(joining: dict[str, Any]) -> dict[str, Any]:
    """The files and folders that `joined` checks."""
    folder, written = joining["folder"], joining["written"]
    return {
        "paths": [Path(path) for path in joining["paths"]],
        "folder": Path(folder) if folder else None,
        "written": None if written is None else [Path(path) for path in written],
    }


def end_with_head(
    on: str,
    end: Callable[[], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Ask the head of a cluster again and again whether it is there; `end` when it has long been silent."""
    answered_at = clock()
    while clock() - answered_at < SILENT_S:
        sleep(_PROBE_S)
        try:
            find_cluster(on)
        except ClusterLost:
            continue
        except HeadswapError:  # it answers, whatever it says
            logger.warning("the head of the cluster answers otherwise than before", exc_info=True)
        answered_at = clock()
    logger.error("the head of the cluster has been silent for %.0f seconds", SILENT_S)
    end()


def _coming(answers: BinaryIO, asked: queue.SimpleQueue[Frame]) -> Iterator[Parcel]:
    """The parcels of one piece of work, each asked for when the crew wants it."""
    while True:
        _send(answers, {"kind": "more"})
        facts, parcel = asked.get()
        if facts["kind"] == "end":
            return
        yield parcel


def _receive(pipe: BinaryIO, asked: queue.SimpleQueue[Frame]) -> None:
    while (frame := _read(pipe)) is not None:
        asked.put(frame)
    os._exit(0)  # no one asks any more: Ray ends what this driver had asked for


def _received(child: subprocess.Popen[bytes]) -> Frame:
    frame = _read(child.stdout)
    if frame is None:
        raise lost_cluster()
    return frame


def _send(pipe: Any, facts: dict[str, Any], parcel: Parcel | None = None) -> None:
    """One frame: two lengths, then JSON and arrays."""
    arrays = b""
    if parcel is not None:
        packed, named = parcel.packed()
        facts = {**facts, "facts": packed, "about": parcel.about}
        arrays = save({name: np.ascontiguousarray(rows) for name, rows in named.items()}) if named else b""
    content = json.dumps(facts).encode()
    lengths = (len(content).to_bytes(_LENGTH_BYTES, "big"), len(arrays).to_bytes(_LENGTH_BYTES, "big"))
    pipe.write(b"".join((*lengths, content, arrays)))
    pipe.flush()


def _read(pipe: Any) -> Frame | None:
    """One frame; None when the other side is gone, even in the middle of it."""
    lengths = pipe.read(2 * _LENGTH_BYTES)
    sizes = [int.from_bytes(lengths[at : at + _LENGTH_BYTES], "big") for at in (0, _LENGTH_BYTES)]
    content = pipe.read(sum(sizes))
    if len(lengths) < 2 * _LENGTH_BYTES or len(content) < sum(sizes):
        return None
    facts = json.loads(content[: sizes[0]])
    arrays = load(content[sizes[0] :]) if sizes[1] else {}
    return facts, Parcel(
        facts=json.loads(facts.pop("facts", "{}")), arrays=arrays, about=facts.pop("about", "")
    )


def _refusal(error: HeadswapError) -> dict[str, str]:
    name = type(error).__name__
    return {"kind": "refused", "name": name, "problem": error.problem, "remedy": error.remedy}


def _error_of(record: dict[str, Any]) -> Exception:
    """What was raised there; of a class that only that process knows, the nearest that is known here."""
    if record["kind"] == "refused":
        named = {kind.__name__: kind for kind in _family(HeadswapError)}
        return named.get(record["name"], HeadswapError)(record["problem"], remedy=record["remedy"])
    kind = getattr(builtins, record["name"], None)
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, UnicodeError):
        return kind(record["problem"])
    return RuntimeError(f"{record['name']}: {record['problem']}")


def _family(kind: type[HeadswapError]) -> Iterator[type[HeadswapError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _family(one)


def lost_cluster() -> ClusterLost:
    """What is said when it was there, and is not any more."""
    return ClusterLost(
        "The cluster does not answer any more.", remedy="What was done is kept: ask again when it is back."
    )


if __name__ == "__main__":
    main()
