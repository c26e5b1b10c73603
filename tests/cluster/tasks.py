"""Tasks that the contract of crews is tested with; the processes of a cluster import them by this name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from headswap.cluster.crew import Parcel, task
from headswap.errors import UnreadableImage


@task
def double(parcel: Parcel) -> Parcel:
    """Twice the number and twice the array."""
    return Parcel(
        facts={"number": 2 * parcel.facts["number"]}, arrays={"rows": 2 * np.asarray(parcel.arrays["rows"])}
    )


@task
def refuse(parcel: Parcel) -> Parcel:
    """What a person can put right."""
    raise UnreadableImage(f"{parcel.facts['file']} is no picture.", remedy="Leave it out.")


@task
def crash(parcel: Parcel) -> Parcel:
    """A fault."""
    raise ZeroDivisionError("a fault of the task")


@task
def wait_at_the_gate(parcel: Parcel) -> Parcel:
    """From number 4 on, no one passes before the file is there."""
    while parcel.facts["number"] >= 4 and not Path(parcel.facts["gate"]).exists():
        time.sleep(0.02)
    return parcel


@task
def sign(parcel: Parcel) -> Parcel:
    """Leave a file, so that someone else can see what was begun."""
    Path(parcel.facts["folder"], str(parcel.facts["number"])).touch()
    return parcel


@task
def wait(parcel: Parcel) -> Parcel:
    """Wait until there is a file, which the process that asked makes."""
    while not Path(parcel.facts["folder"], "go").exists():
        time.sleep(0.02)
    return parcel


@task
def die_once(parcel: Parcel) -> Parcel:
    """The first process that is given number 3 is killed in the middle of it."""
    mark = Path(parcel.facts["folder"], "died")
    with Path(parcel.facts["folder"], "begun").open("a") as begun:
        begun.write(f"{parcel.facts['number']}\n")
    if parcel.facts["number"] == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Parcel(facts={"number": parcel.facts["number"], "process": os.getpid()})


@task
def always_die(parcel: Parcel) -> Parcel:
    """Kill the process that tries it."""
    os.kill(os.getpid(), signal.SIGKILL)
    return parcel
