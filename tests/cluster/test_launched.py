"""Processes of torchrun: rank 0 leads, the others follow, and all that they exchange arrives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headswap.cluster import ranks
from headswap.cluster.launched import launched_rank

ROOT = Path(__file__).parents[2]


def test_rank_0_leads_the_processes_of_torchrun() -> None:
    program = str(Path(__file__).with_name("launched_program.py"))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]

    ended = subprocess.run(
        [*torchrun, program], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=1200, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    one, five = json.loads(ended.stdout)
    assert one["rows"] == [[0.0, 1.0]], "rank 0 had no part of it"
    assert five["rows"] == [[0.0, 0.0], [10.0, 0.0], [20.0, 1.0], [30.0, 1.0], [40.0, 1.0]]
    for answer in (one, five):
        assert answer["size"] == 2
        assert answer["slopes"] == [[3.0, 3.0], [1.0, 1.0], None]
        assert answer["numbers"] == [1.0, 1.0]
        assert answer["first"] == [0, 0]
        assert answer["said"] == "first"


def test_a_process_that_torchrun_did_not_start_leads_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)

    assert launched_rank() is None
    monkeypatch.setenv("WORLD_SIZE", "4")  # some other launcher's
    assert launched_rank() is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("RANK", "3")
    assert launched_rank() == 3


def test_what_waits_is_told_that_the_work_goes_on() -> None:
    told: list[str] = []

    ranks.hear()
    with ranks.heard_by(lambda: told.append("outer")):
        with ranks.heard_by(None):
            ranks.hear()
        ranks.hear()

    assert told == ["outer"]
