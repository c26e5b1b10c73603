"""`benchmarks/accuracy.py` leaves no process, goes on where it was ended, compares the same folds only."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.accuracy import Line, append, read_lines, show


@pytest.fixture
def line() -> Line:
    return Line(
        data="shapes", way="last", repeat=0, fold=0, of=5, groups=(4, 4, 7, 9), wrong=(0, 3), chosen="last",
        engine="torch", warm_s=2.0, warm_processor_s=1.0, whole_s=6.0, whole_processor_s=4.0, load=0.5,
        versions="torch 2",
    )  # fmt: skip


def test_a_line_that_was_torn_is_passed_over_and_the_next_one_is_whole(tmp_path: Path, line: Line) -> None:
    file = tmp_path / "results.jsonl"
    append(file, line)
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:40])
    assert read_lines(file) == [line]

    append(file, replace(line, fold=1))

    assert read_lines(file) == [line, replace(line, fold=1)]


def test_a_difference_is_of_the_folds_that_both_ways_have(
    capsys: pytest.CaptureFixture[str], line: Line
) -> None:
    auto = replace(line, way="auto", wrong=(3,), warm_s=3.0)
    show([line, replace(line, fold=1, wrong=()), auto])

    said = capsys.readouterr().out
    assert "| shapes | 0.750 (2) | 0.750 (1) |" in said
    assert "+25.0 (+0.0 to +50.0; 1 folds)" in said  # one image of four, in the fold that both have
    assert "| … times that of auto, same folds | 0.7 | 1.0 |" in said


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process outlives a parent that was killed")
def test_the_process_of_a_cell_ends_with_a_measurement_that_is_killed(
    few_drawings: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "said")
    (way := tmp_path / "python").write_text(
        f"#!/bin/sh\nexec > '{tmp_path}/said'; printf began; sleep 5 >&-; printf 'outlived it'\n"
    )
    way.chmod(0o755)
    said = os.open(tmp_path / "said", os.O_RDONLY | os.O_NONBLOCK)
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.accuracy", few_drawings, "--ways", "last"]
    command += ["--results", tmp_path / "results.jsonl", "--python", f"last={way}"]

    with subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)}) as measurement:
        assert select.select([said], [], [], 120)[0]
        assert os.read(said, 20) == b"began"
        measurement.kill()

    assert select.select([said], [], [], 120)[0]
    assert os.read(said, 20) == b""
    os.close(said)
