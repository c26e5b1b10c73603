from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headswap.app.jobs.database import Database
from headswap.storage.files import DiskFull

INSERT = (
    "INSERT INTO job (id, owner, project, idempotency_key, experiment, created_at) VALUES (?, ?, '', ?, ?, 0)"
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "jobs.db")
    yield database
    database.close()


def add(database: Database, name: str, experiment: str = "{}") -> int:
    return database.change(INSERT, (name, "ann", name, experiment))


def count(database: Database) -> int:
    return int(database.read("SELECT COUNT(*) FROM job")[0][0])


def test_a_change_says_how_many_rows_it_changed(database: Database) -> None:
    add(database, "one")
    add(database, "two")

    assert database.change("UPDATE job SET project = 'p'") == 2
    assert database.change("UPDATE job SET project = 'p' WHERE id = 'three'") == 0


def test_a_transaction_that_fails_half_way_never_was(database: Database) -> None:
    def change_half() -> None:
        with database.writing():
            add(database, "one")
            with database.writing():
                add(database, "two")
            raise KeyError("half way")

    with pytest.raises(KeyError, match="half way"):
        change_half()

    assert count(database) == 0


def test_a_full_disk_is_told_in_a_sentence_and_changes_nothing(database: Database) -> None:
    add(database, "before")
    pages = database.read("PRAGMA page_count")[0][0]
    database.read(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(DiskFull, match=r"no room left on the disk that holds jobs\.db\. Free some space"):
        add(database, "large", "x" * 100_000)

    database.read("PRAGMA max_page_count = 1000000")
    assert count(database) == 1
    assert add(database, "large", "x" * 100_000) == 1


def test_threads_do_not_fall_into_each_others_transactions(database: Database) -> None:
    def add_some(who: int) -> None:
        for number in range(20):
            with database.writing():
                before = count(database)
                add(database, f"{who}-{number}")
                assert count(database) == before + 1

    threads = [threading.Thread(target=add_some, args=(who,)) for who in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert count(database) == 100
