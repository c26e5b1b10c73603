from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from headswap.app.processes.environment import child_environment
from headswap.features import memmap as rooms
from headswap.features.memmap import IN_MEMORY_BYTES, matrix, taken

UNDER_A_LIMIT = """
import psutil
import torch
from headswap.features.memmap import matrix, taken
from headswap.app.processes.memory import hold_memory
at_rest = psutil.Process().memory_info().data  # of torch: a build for GPUs takes three times as much
hold_memory(at_rest + 500_000_000)
numbers = matrix(150_000, 1000)  # 600 MB
numbers[:, 0] = torch.arange(150_000)
some = taken(numbers, torch.arange(0, 150_000, 2))
assert torch.equal(some[:, 0], torch.arange(0, 150_000, 2).float())
print("done")
"""


def many_rows() -> int:
    return IN_MEMORY_BYTES // (4 * 64) + 5000


@pytest.mark.parametrize("rows", [0, 1, 5000])
def test_a_few_rows_are_ordinary_numbers(rows: int) -> None:
    assert matrix(rows, 3).shape == (rows, 3)


def test_rows_taken_are_the_rows_asked_for_whether_they_fit_into_memory_or_not() -> None:
    for count in (100, many_rows()):
        numbers = matrix(count, 64)
        torch.arange(count * 64, out=numbers.view(-1))
        mask = torch.arange(count) % 3 != 0
        places = torch.tensor([7, 3, 3, count - 1])

        assert torch.equal(taken(numbers, mask), numbers[mask])
        assert torch.equal(taken(numbers, places), numbers[places])


def test_numbers_in_a_file_can_be_changed_in_place_and_no_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "_ROOMY", tmp_path)
    numbers = matrix(many_rows(), 64)

    numbers.fill_(3).div_(2)

    assert float(numbers.sum()) == 1.5 * numbers.numel()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_leaves_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rooms, "_mapped", full)

    assert matrix(many_rows(), 64).shape == (many_rows(), 64)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems hold no memory")
def test_more_numbers_than_a_process_may_take() -> None:
    said = subprocess.run(
        [sys.executable, "-c", UNDER_A_LIMIT], capture_output=True, text=True, env=child_environment({})
    )

    assert said.stdout == "done\n", said.stderr
