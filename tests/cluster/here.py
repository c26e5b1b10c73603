"""A crew that needs no cluster: this process, one parcel after another, each through JSON as on a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable

from headswap.cluster import crew
from headswap.cluster.crew import Parcel, Task, name_of


class Here:
    """This process, one parcel after another."""

    size = 1

    def each(
        self,
        task: Task,
        parcels: Iterable[Parcel],
        *,
        threads: int = 1,
        gpu_share: float = 0.0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Generator[tuple[int, Parcel], None, None]:
        for number, parcel in enumerate(parcels):
            facts, arrays = parcel.packed()
            yield number, crew.run_task(name_of(task), Parcel(facts=json.loads(facts), arrays=arrays))
