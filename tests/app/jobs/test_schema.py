from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from headswap.app.jobs import schema
from headswap.app.jobs.store import Store
from headswap.errors import HeadswapError


def test_a_store_loses_no_committed_row_with_the_power(tmp_path: Path) -> None:
    connection = schema.open_database(tmp_path / "jobs.db")

    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
    assert connection.execute("PRAGMA busy_timeout").fetchone()[0] == schema.BUSY_TIMEOUT_MS
    connection.close()


def test_a_store_of_a_newer_headswap_is_refused_with_a_sentence(tmp_path: Path) -> None:
    schema.open_database(tmp_path / "jobs.db").close()
    newer = sqlite3.connect(tmp_path / "jobs.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()

    with pytest.raises(HeadswapError, match=r"jobs\.db was written by a newer headswap.*Update headswap"):
        Store(tmp_path / "jobs.db")


def test_an_older_store_is_brought_up_to_date_and_keeps_its_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "jobs.db")
    job = store.submit("ann", "project", "{}", "key")
    store.close()
    step = ("ALTER TABLE job ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'",)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))

    connection = schema.open_database(tmp_path / "jobs.db")

    assert tuple(connection.execute("SELECT id, colour FROM job").fetchone()) == (job.id, "red")
    connection.close()


def test_a_run_of_a_store_from_before_workers_could_be_told_to_stop_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])  # as version 0.1 wrote it
        old = schema.open_database(tmp_path / "jobs.db")
        row = "'id', 'ann', 'p', 'key', '{}', 'running', 1, 0"
        names = "id, owner, project, idempotency_key, experiment, state, attempt, created_at"
        old.execute(f"INSERT INTO job ({names}) VALUES ({row})")
        old.close()

    store = Store(tmp_path / "jobs.db")
    before = store.attempt_state("id", 1)
    store.request_stop()

    assert (before, store.attempt_state("id", 1)) == ("go", "stop")
    store.close()


def test_a_step_that_fails_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path / "jobs.db").close()
    with monkeypatch.context() as patch:
        broken = ("ALTER TABLE job ADD COLUMN colour TEXT", "not SQL at all")
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
        with pytest.raises(sqlite3.OperationalError):
            schema.open_database(tmp_path / "jobs.db")

    store = Store(tmp_path / "jobs.db")

    assert store.submit("ann", "project", "{}", "key").attempt == 0
    store.close()


def test_many_may_open_a_new_store_at_the_same_moment(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def open_it() -> None:
        try:
            schema.open_database(tmp_path / "jobs.db").close()
        except sqlite3.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
