"""The trials by name, in the order in which they are run."""

from __future__ import annotations

from tests.soak.board import Trial
from tests.soak.clients import class_at_once
from tests.soak.damage import damaged_files
from tests.soak.hostile import hostile_inputs, mutated_images
from tests.soak.queues import killed_queues
from tests.soak.servers import killed_servers
from tests.soak.steady import steady_use
from tests.soak.teachings import killed_teachings
from tests.soak.workers import killed_workers, one_click_fifty_times, stopped_at_any_moment
from tests.soak.writes import every_write

TRIALS: dict[str, Trial] = {
    "writes": every_write,
    "damage": damaged_files,
    "starts": one_click_fifty_times,
    "cancels": stopped_at_any_moment,
    "workers": killed_workers,
    "queues": killed_queues,
    "hostile": hostile_inputs,
    "mutated": mutated_images,
    "servers": killed_servers,
    "teachings": killed_teachings,
    "clients": class_at_once,
    "steady": steady_use,
}

COUNTED = {  # a trial -> the field of `Size` that says how much of it
    "damage": "damaged",
    "starts": "starts",
    "cancels": "cancels",
    "workers": "worker_kills",
    "queues": "server_kills",
    "hostile": "hostile",
    "mutated": "mutated",
    "servers": "server_kills",
    "teachings": "teachings",
    "clients": "clients",
}
