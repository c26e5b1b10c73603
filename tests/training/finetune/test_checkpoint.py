"""Checkpoints: sealed, the one before kept, damaged ones passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from headswap.storage.files import from_json
from headswap.training.finetune import checkpoint as checkpoints
from headswap.training.finetune.checkpoint import (
    Checkpoint,
    EpochResult,
    RunCounters,
    load_checkpoint,
    save_checkpoint,
)


def checkpoint(seconds: float) -> Checkpoint:
    state = RunCounters(stopped="", history=(), best_epoch=0, seconds=seconds, scale=1.0, growth=0)
    return Checkpoint(state, {"moving/w": torch.full((2, 3), seconds), "empty": torch.empty(0, 3)})


def test_of_two_processes_that_write_the_same_run_none_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = checkpoints._checkpoints
    seen: list[Path] = []

    def late(folder: Path) -> list[Path]:
        found = listed(folder)
        if not seen:  # the other one writes between the listing and the seal
            seen.append(folder)
            save_checkpoint(folder, checkpoint(1.0))
        return found

    monkeypatch.setattr(checkpoints, "_checkpoints", late)

    save_checkpoint(tmp_path / "run", checkpoint(2.0))

    found = load_checkpoint(tmp_path / "run")
    assert found is not None
    assert found.state == checkpoint(2.0).state
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["00001", "00002"]


def test_a_checkpoint_comes_back_as_it_was_and_replaces_the_one_before(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run", checkpoint(1.0))
    save_checkpoint(tmp_path / "run", checkpoint(1.5))
    save_checkpoint(tmp_path / "run", checkpoint(2.0))

    found = load_checkpoint(tmp_path / "run")

    assert found is not None
    assert found.state == checkpoint(2.0).state
    assert torch.equal(found.tensors["moving/w"], torch.full((2, 3), 2.0))
    assert found.tensors["empty"].shape == (0, 3)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["00002", "00003"]
    assert not list(tmp_path.rglob("*.pt"))


def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_checkpoint(tmp_path / "run", checkpoint(1.0))
    save_checkpoint(tmp_path / "run", checkpoint(2.0))
    newest = tmp_path / "run" / "00002" / "tensors.safetensors"
    newest.write_bytes(newest.read_bytes()[:-5])

    found = load_checkpoint(tmp_path / "run")

    assert found is not None
    assert found.state == checkpoint(1.0).state
    assert "checkpoint 00002 is damaged" in caplog.text
    assert "the one before it is used" in caplog.text


def test_a_damaged_checkpoint_is_as_good_as_none(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run", checkpoint(1.0))
    (file,) = tmp_path.rglob("tensors.safetensors")
    file.write_bytes(file.read_bytes()[:-5])

    assert load_checkpoint(tmp_path / "run") is None
    assert load_checkpoint(tmp_path / "never") is None


def test_a_checkpoint_with_the_figures_that_older_versions_wrote_opens() -> None:
    state = (
        '{"stopped": "", "history": [{"number": 1, "of": 2, "loss": 0.5, "right": 3, "total": 4,'
        ' "watch_loss": 0.4, "watch_right": 1}], "best_pass": 1, "seconds": 1.0, "scale": 1.0, "growth": 0}'
    )

    found = from_json(RunCounters, state)

    assert found.history == (EpochResult(number=1, of=2, loss=0.5, right=3, total=4),)
