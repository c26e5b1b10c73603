from __future__ import annotations

import json
import logging
import stat
from io import StringIO
from pathlib import Path

import pytest

from headswap.app.processes import logs as logbook
from headswap.app.processes.logs import JsonLines, kept_log, rotate_log


def test_every_line_is_one_object_with_its_job(tmp_path: Path) -> None:
    with kept_log(tmp_path / "logs"):
        logging.getLogger("headswap.app.jobs.queue").warning(
            "its worker\nis gone: %s", "x", extra={"job": "j1", "attempt": 2}
        )
    logging.getLogger("headswap.app.jobs.queue").error("after the end")

    (line,) = (tmp_path / "logs" / "server.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["message"] == "its worker\nis gone: x"
    assert (record["level"], record["job"], record["attempt"]) == ("WARNING", "j1", 2)
    assert stat.S_IMODE((tmp_path / "logs" / "server.jsonl").stat().st_mode) == 0o600


def test_half_a_letter_in_a_name_costs_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("headswap"), "propagate", False)  # no report carries it
    with kept_log(tmp_path / "logs"):
        logging.getLogger("headswap").info("left out: %s", "a\ud800b")

    (line,) = (tmp_path / "logs" / "server.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["message"].startswith("left out: a")


def test_a_fault_brings_its_trace_and_what_is_always_there() -> None:
    stream, logger = StringIO(), logging.getLogger("one fault")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(job="j2"))
    logger.addHandler(handler)
    try:
        raise ZeroDivisionError("on purpose")
    except ZeroDivisionError:
        logger.exception("fault")
    logger.removeHandler(handler)

    record = json.loads(stream.getvalue())
    assert record["job"] == "j2"
    assert "ZeroDivisionError: on purpose" in record["trace"]


def test_logs_do_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "LOG_BYTES", 1000)
    with kept_log(tmp_path):
        for number in range(200):
            logging.getLogger("headswap").info("line %d", number)
    (tmp_path / "child.jsonl").write_text("x" * 1001)
    rotate_log(tmp_path / "child.jsonl")

    assert sum(path.stat().st_size for path in tmp_path.glob("server*")) < 1000 * (logbook.LOGS_KEPT + 2)
    assert len(list(tmp_path.glob("server*"))) == logbook.LOGS_KEPT + 1
    assert not (tmp_path / "child.jsonl").exists()
    assert (tmp_path / "child.jsonl.1").exists()
