from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headswap.app.jobs.cluster import ClusterState
from headswap.app.jobs.queue import Queue, QueueSettings
from headswap.app.jobs.store import Store
from headswap.app.jobs.supervisor import Supervisor
from headswap.app.processes.local import LocalRunner
from headswap.app.service import health
from headswap.app.service.health import health_of
from headswap.cluster.driver import lost_cluster
from headswap.storage.files import to_json


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "jobs.sqlite")
    yield made
    made.close()


@pytest.fixture
def supervisor(store: Store) -> Supervisor:
    return Supervisor(Queue(store, LocalRunner(), QueueSettings()))


def test_it_counts_and_names_nobody(store: Store, supervisor: Supervisor, tmp_path: Path) -> None:
    job = store.submit("ada", "secret project", "{}", "key")

    found = health_of(store, supervisor, tmp_path)

    assert found.well
    assert (found.waiting, found.running) == (1, 0)
    assert not any(secret in to_json(found) for secret in ("ada", "secret", job.id, str(tmp_path)))


def test_a_cluster_is_as_the_last_look_found_it_and_a_lost_one_is_no_illness(
    store: Store, supervisor: Supervisor, tmp_path: Path
) -> None:
    lost = ClusterState(trouble=lost_cluster())

    found = [
        health_of(store, supervisor, tmp_path, state) for state in (None, ClusterState(processors=4), lost)
    ]

    assert [(one.cluster, one.well) for one in found] == [("none", True), ("well", True), ("lost", True)]


def test_a_full_disk_and_a_broken_store_are_said(
    store: Store, supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "LEAST_ROOM_BYTES", 2**62)
    store.close()

    found = health_of(store, supervisor, tmp_path)

    assert not found.well
    assert found.problems == ("The job store cannot be read.", "The disk is nearly full.")


def test_a_queue_that_nobody_looks_after_is_said(
    store: Store, supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Supervisor, "silent_for_s", 61.0)

    assert health_of(store, supervisor, tmp_path).problems == ("The queue is not looked after.",)
