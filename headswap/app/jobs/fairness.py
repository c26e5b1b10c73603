"""Who is next: fair turns between the people who wait.

Everyone's first waiting job comes before anyone's second, counting what already
runs for them; between equals, the one who was served longest ago comes first. So a
person with fifty jobs delays a person with one by one job at most.

Knows jobs as records; nothing of stores or workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from headswap.app.jobs.job import Job


def fair_order(waiting: Sequence[Job], running: Sequence[Job], last_served: Mapping[str, int]) -> list[Job]:
    """Put waiting jobs into the order in which they will be given to workers.

    Args:
        waiting: queued jobs, any order.
        running: jobs that have a worker now.
        last_served: per owner, when they were last served: a count, not a time. Missing: never.
    """
    ahead = Counter(job.owner for job in running)
    ranks: dict[str, int] = {}
    for job in sorted(waiting, key=lambda job: job.sequence):
        ranks[job.id] = ahead[job.owner]
        ahead[job.owner] += 1
    return sorted(waiting, key=lambda job: (ranks[job.id], last_served.get(job.owner, 0), job.sequence))
