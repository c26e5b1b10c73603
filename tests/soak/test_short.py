"""The soak with small numbers: the same trials, the same properties."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.soak.board import SHORT, Line, added, line, read_scores, table, write_scores
from tests.soak.trials import TRIALS

QUICK = ("damage", "starts", "cancels", "workers", "queues", "hostile", "mutated")
# tests/faults plays every scene; a minute of steady use says nothing; workers that are killed while they
# train, and many people at once, are walked in the browser (tests/e2e/test_teaching.py, test_learn_class.py).
ELSEWHERE = ("writes", "steady", "teachings", "clients")
WITH_NETWORKS = ("servers",)
# Of a machine, not of the code: measured by the long form alone.
SPEED = ("page and poll, 95 of 100", "told to end (SIGTERM)")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills by signals of POSIX")


def held(name: str, place: Path) -> list[Line]:
    """What did not pass, speed aside."""
    return [one for one in TRIALS[name](SHORT, place) if not one.passed and one.name not in SPEED]


@pytest.mark.parametrize("name", QUICK)
def test_headswap_withstands(name: str, room: Path) -> None:
    assert held(name, room) == []


@pytest.mark.thorough  # a server that is ended in the middle of a run is walked in the browser, too
@pytest.mark.parametrize("name", WITH_NETWORKS)
def test_headswap_with_real_networks_withstands(name: str, tmp_path: Path) -> None:
    assert held(name, tmp_path) == []


def test_every_trial_has_a_short_form_here() -> None:
    assert sorted((*QUICK, *ELSEWHERE, *WITH_NETWORKS)) == sorted(TRIALS)


def test_parts_of_a_trial_are_added_up(tmp_path: Path) -> None:
    words = "{kills:.0f} kills, right in {right_s:.1f} s"
    parts = [
        line("servers", "0 lost", words, figures={"kills": 10, "right_s": 1.5}),
        line("others", "0 lost", "fine"),
        line("servers", "0 lost", words, ["one is lost"], figures={"kills": 20, "right_s": 0.5}),
    ]

    for part in parts:
        write_scores(tmp_path / "scores.jsonl", [part])
    servers, others = added(read_scores(tmp_path / "scores.jsonl"))

    assert servers.seen == "30 kills, right in 1.5 s; 1 wrong: one is lost"
    assert (servers.passed, others.passed) == (False, True)


def test_the_scoreboard_names_what_failed_first() -> None:
    lines = [line("one", "0 lost", "3 tried"), line("two", "0 lost", "3 tried", ["job 2 is lost"])]

    text = table(lines)

    assert "pass  one   0 lost  3 tried\n" in text
    assert "FAIL  two   0 lost  3 tried; 1 wrong: job 2 is lost" in text
