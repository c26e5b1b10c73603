"""Every injected write fault, and a job store killed at every statement."""

from __future__ import annotations

import os
from pathlib import Path

from tests.faults.rows import CHANGES, cut_at_every_part_of_the_log, killed_at_every_statement
from tests.faults.scenes import all_scenes, play, small_images
from tests.soak.board import Line, Size, line


def every_write(size: Size, room: Path) -> list[Line]:
    """Fail each write, flush and rename once; kill each statement once; cut the log anywhere."""
    images = small_images(room / "pictures")
    played = [
        play(scene, room / f"scene-{number}", every=size.every_operation)
        for number, scene in enumerate(all_scenes(images))
    ]
    faults, losses = sum(one.faults for one in played), [loss for one in played for loss in one.losses]
    operations = sum(one.operations for one in played)
    lines = [
        line(
            "injected write faults",
            "old or new, never less",
            f"{faults} faults at {operations} operations",
            losses,
        )
    ]
    if os.name == "nt":
        return lines
    deaths = 0
    wrong: list[str] = []
    for change in CHANGES:
        died, found = killed_at_every_statement(change, room / "rows")
        deaths, wrong = deaths + died, wrong + found
    cuts, torn = cut_at_every_part_of_the_log(room / "log", step=size.log_step)
    return [
        *lines,
        line("job store killed at every statement", "old row or new", f"{deaths} kills", wrong),
        line("job store's log cut off anywhere", "a state that once was", f"{cuts} cuts", torn),
    ]
