"""The soak with small numbers: the same trials, the same properties."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.soak.board import SHORT, Line, line, table
from tests.soak.trials import TRIALS

QUICK = ("damage", "starts", "cancels", "workers", "queues", "hostile", "mutated")
ELSEWHERE = ("writes", "steady")  # tests/faults plays every scene; a minute of steady use says nothing
WITH_NETWORKS = ("teachings", "servers", "clients")
SPEED = "page and poll, 95 of 100"  # of a machine, not of the code: measured by the long form alone

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills by signals of POSIX")


def held(name: str, place: Path) -> list[Line]:
    """What did not pass, speed aside."""
    return [one for one in TRIALS[name](SHORT, place) if not one.passed and one.name != SPEED]


@pytest.mark.parametrize("name", QUICK)
def test_headswap_withstands(name: str, room: Path) -> None:
    assert held(name, room) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_NETWORKS)
def test_headswap_with_real_networks_withstands(name: str, tmp_path: Path) -> None:
    assert held(name, tmp_path) == []


def test_every_trial_has_a_short_form_here() -> None:
    assert sorted((*QUICK, *ELSEWHERE, *WITH_NETWORKS)) == sorted(TRIALS)


def test_the_scoreboard_names_what_failed_first() -> None:
    lines = [line("one", "0 lost", "3 tried"), line("two", "0 lost", "3 tried", ["job 2 is lost"])]

    text = table(lines)

    assert "pass  one   0 lost  3 tried\n" in text
    assert "FAIL  two   0 lost  3 tried; 1 wrong: job 2 is lost" in text
