"""The job store: killed at every statement, its log cut anywhere, its disk full."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headswap.app.jobs.job import JobState
from headswap.app.jobs.store import Store
from headswap.storage.files import DiskFull
from tests.faults.rows import CHANGES, Change, cut_at_every_part_of_the_log, killed_at_every_statement

pytestmark = pytest.mark.skipif(os.name == "nt", reason="forks, and kills by signals of POSIX")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_process_killed_at_any_statement_leaves_the_old_row_or_the_new_one(
    change: Change, room: Path
) -> None:
    deaths, wrong = killed_at_every_statement(change, room)

    assert wrong == []
    assert deaths >= 2


def test_a_log_cut_off_anywhere_gives_a_state_that_once_was(room: Path) -> None:
    cuts, wrong = cut_at_every_part_of_the_log(room, step=411)

    assert wrong == []
    assert cuts > 50


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_full_disk_leaves_the_old_row_and_the_change_works_when_there_is_room(
    change: Change, tmp_path: Path
) -> None:
    store = Store(tmp_path / "jobs.db")
    job = change.prepare(store)
    pages = store._rows.read("PRAGMA page_count")[0][0]
    store._rows.read(f"PRAGMA max_page_count = {pages}")
    before = [tuple(row) for row in store._rows.read("SELECT * FROM job")]
    filler = "x" * 200_000

    with pytest.raises(DiskFull, match="There is no room left"):  # together with one that needs room
        store.submit("bob", "p", filler, "large")
    after = [tuple(row) for row in store._rows.read("SELECT * FROM job")]
    store._rows.read("PRAGMA max_page_count = 1000000")
    change.act(store, job)

    assert after == before
    assert store.in_state(JobState.QUEUED) or store.get(store._rows.read("SELECT id FROM job")[0][0])
    store.close()
