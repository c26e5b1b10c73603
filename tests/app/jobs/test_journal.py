from __future__ import annotations

from pathlib import Path

from headswap.app.jobs.journal import FILE, Journal, read_events
from headswap.events import EpochEnd, Event, Guess, Guesses, Note, Progress


def trained(number: int, right: int = 0) -> EpochEnd:
    return EpochEnd(number, 9, right, 10, right, 10)


def test_events_come_back_as_they_were_said(tmp_path: Path) -> None:
    said: tuple[Event, ...] = (
        Progress("features", 3, 10),
        trained(1),
        Guesses(1, (Guess("a.jpg", "cat", "dog", 0.6),)),
        Note('<b>"quoted"</b>\nline'),
    )
    journal = Journal(tmp_path)
    for event in said:
        journal.append(event)

    assert read_events(tmp_path) == said


def test_a_job_that_said_nothing_has_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path) == ()


def test_every_way_of_cutting_the_file_short_loses_the_last_event_at_most(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    said = (trained(1), trained(2), trained(3))
    for event in said:
        journal.append(event)
    whole = (tmp_path / FILE).read_bytes()
    second_line = whole.index(b"\n", whole.index(b"\n") + 1)

    for size in range(second_line + 1, len(whole)):
        (tmp_path / FILE).write_bytes(whole[:size])
        assert read_events(tmp_path) == said[:2]


def test_after_a_cut_line_the_next_worker_begins_a_new_one(tmp_path: Path) -> None:
    Journal(tmp_path).append(trained(1))
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"number": 2, "of"')

    Journal(tmp_path).append(trained(2))

    assert read_events(tmp_path) == (trained(1), trained(2))


def test_a_pass_taught_again_after_a_crash_counts_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for event in (trained(1), trained(2, right=4), trained(3, right=5), trained(2, right=6)):
        journal.append(event)

    assert read_events(tmp_path) == (trained(1), trained(2, right=6))


def test_a_note_of_an_older_version_has_no_code(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"sentence":"Hear.","kind":"note"}\n')

    assert read_events(tmp_path) == (Note("Hear."),)
