"""Work in parts, and who does them: this process, or the processes of a cluster.

Flow:  name of a task + parcels --Crew.each--> (number, answer), every parcel exactly once, in any order

A task is a named function, found by its name where it runs. What goes in and what comes out is JSON and
arrays: no code travels, so each machine that runs a part needs the same headswap and nothing of the caller's.
`tests/contracts/test_crews.py` is what every crew promises.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from headswap.errors import BadSetting, HeadswapError

if TYPE_CHECKING:  # every worker and the server load this module before they need any array
    from numpy.typing import NDArray

Answer = TypeVar("Answer")


class WorkLost(HeadswapError):
    """A part of the work ended every process that tried it."""


class ClusterLost(BadSetting):
    """The cluster does not answer for now: what was done is kept, and the same may be asked for again."""


class ClusterRefused(ClusterLost):
    """The cluster answers, and cannot be used as it is: ask for the same again when that is put right."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Parcel:
    """What a task is given, and what it answers."""

    facts: Mapping[str, Any] = field(default_factory=dict)  # anything that JSON holds
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    about: str = ""  # which part of the work it is, for people

    def packed(self) -> tuple[str, dict[str, NDArray[Any]]]:
        """As it travels."""
        return json.dumps(self.facts), dict(self.arrays)


Task = Callable[[Parcel], Parcel]
_MARK = "headswap_task"  # an attribute of what may be run by its name


def task(function: Task) -> Task:
    """Let a crew find a function of a module by its name, "package.module:function"; nothing else is run."""
    setattr(function, _MARK, True)
    return function


def name_of(function: Task) -> str:
    """What a crew calls a task."""
    return f"{function.__module__}:{function.__qualname__}"


def task_named(name: str) -> Task:
    """The function that a crew calls so.

    Raises:
        LookupError: it has no mark of a task, or there is none.
    """
    module, _, function = name.partition(":")
    found: Task | None = getattr(import_module(module), function, None)
    if found is None or getattr(found, _MARK, False) is not True:
        raise LookupError(f"{name} is not a task.")
    return found


def run_task(name: str, parcel: Parcel) -> Parcel:
    """Do a task in this process."""
    return task_named(name)(parcel)


class Crew(Protocol):
    """Does the same task for many parcels."""

    @property
    def size(self) -> int:
        """Parcels that are worked on at the same time, about."""
        ...

    def each(
        self,
        task: Task,
        parcels: Iterable[Parcel],
        *,
        threads: int = 1,
        gpu_share: float = 0.0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Generator[tuple[int, Parcel], None, None]:
        """The number of each parcel with its answer, as they come: every one exactly once, in any order.

        A parcel whose process or machine died is done elsewhere. What a task raises is raised here, and
        ends the work; so does closing the iterator. What is not begun by then never begins.

        Args:
            task: a function that `headswap.cluster.crew.task` marks.
            parcels: taken one by one, a little ahead of the work.
            threads: that a parcel keeps busy; where no machine has so many processors, all of one. 0: it
                waits for others.
            gpu_share: of one GPU that a parcel takes; 0: none. A crew that is one machine, or that has its
                own GPUs, does not count them.
            meanwhile: may be called about once a second while nothing comes; what it raises ends the work.

        Raises:
            WorkLost: one of them ended every process that tried it.
            ClusterRefused: no machine of the crew has what a parcel takes.
        """
        ...


def in_order(answers: Iterable[tuple[int, Answer]]) -> Iterator[Answer]:
    """Answers by their numbers, 0 first, however they come; early ones wait."""
    early: dict[int, Answer] = {}
    due = 0
    for number, answer in answers:
        early[number] = answer
        while due in early:
            yield early.pop(due)
            due += 1
