"""A server that is used without a break: its memory, threads, descriptors and temporary bytes stay flat."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak.board import Line, Size, line
from tests.soak.clients import _own_images
from tests.soak.house import ROOT, House

GROWTH_MB, MORE_THREADS, MORE_FILES, MORE_TEMPORARY = 50.0, 5, 15, 1_000_000


@dataclass(frozen=True)
class Look:
    """One look at the server's process, when it has nothing to do."""

    memory_mb: float
    threads: int
    descriptors: int
    temporary_bytes: int


def steady_use(size: Size, room: Path) -> list[Line]:
    """Teach, poll, try and load the page until the time is over; compare with after the first round."""
    house = House(room / "workspace")
    house.start()
    try:
        rounds = [_round(house, room)]
        first = _look(house)
        end = time.monotonic() + 60 * size.minutes
        while len(rounds) < 2 or time.monotonic() < end:
            rounds.append(_round(house, room))
        time.sleep(2.0)  # what answers is let go
        last = _look(house)
    finally:
        house.stop()
    grown = last.memory_mb - first.memory_mb
    files, threads = last.descriptors - first.descriptors, last.threads - first.threads
    temporary = last.temporary_bytes - first.temporary_bytes
    seen = (
        f"{len(rounds)} rounds, {sum(rounds)} requests in {size.minutes:g} min: memory {grown:+.1f} MB, "
        f"threads {threads:+d}, descriptors {files:+d}, temporary bytes {temporary:+d}"
    )
    flat = grown < GROWTH_MB and threads <= MORE_THREADS and files <= MORE_FILES
    return [line("steady use", "< 50 MB, the rest flat", seen, also=flat and temporary <= MORE_TEMPORARY)]


def _round(house: House, room: Path) -> int:
    """One person's visit; returns how many requests it took."""
    import httpx
    from gradio_client import Client, handle_file

    patient = {"timeout": 120.0}
    client = Client(house.url, verbose=False, download_files=room / "downloads", httpx_kwargs=patient)
    upload = room / "pictures.zip"
    if not upload.is_file():
        _own_images(upload, 0, 12)
    job = client.predict(handle_file(upload), api_name="/start")["job"]
    requests, view = 1, _status(client, job)
    while view["state"] not in ("done", "failed", "cancelled"):
        httpx.get(house.url, timeout=60).raise_for_status()
        time.sleep(0.3)
        view, requests = _status(client, job), requests + 2
    if view["state"] != "done":
        raise RuntimeError(f"{view['state']}: {view['problem']}")
    for image in sorted((ROOT / "assets" / "sample" / "try").iterdir())[:4]:
        client.predict(job, handle_file(image), api_name="/predict")
        requests += 1
    client.close()
    return requests


def _status(client: Any, job: str) -> Any:
    return client.predict(job, api_name="/status")


def _look(house: House) -> Look:
    if house.process is None:
        raise RuntimeError("the house is closed")
    proc = Path(f"/proc/{house.process.pid}")
    facts = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line)
    folder = Path(json.loads((house.workspace / "temporary.json").read_text())["folder"])
    temporary = [path for path in folder.rglob("*") if path.is_file()]
    return Look(
        memory_mb=int(facts["VmRSS"].split()[0]) / 1024,
        threads=int(facts["Threads"]),
        descriptors=len(list((proc / "fd").iterdir())),
        temporary_bytes=sum(path.stat().st_size for path in temporary),
    )
