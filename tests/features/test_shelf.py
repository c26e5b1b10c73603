from __future__ import annotations

from pathlib import Path

import pytest
import torch

from headswap.features.shelf import FolderShelf


def test_a_shelf_says_which_images_it_has_and_passes_over_half_a_shard(tmp_path: Path) -> None:
    shelf, names = FolderShelf(tmp_path), ["a" * 64, "b" * 64]
    shelf.put("network", names, torch.ones(2, 3))
    (tmp_path / "network" / "half.safetensors").write_bytes(b"half")

    assert shelf.have("network") == set(names)
    assert shelf.have("another network") == set()


def test_a_shard_that_cannot_be_read_for_now_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = FolderShelf(tmp_path / "here")
    shelf.put("network", ["a" * 64], torch.ones(1, 3))
    shelf.put("network", ["b" * 64], torch.zeros(1, 3))
    path = min((tmp_path / "here" / "network").iterdir())
    path.rename(tmp_path / "unplugged")
    path.symlink_to(tmp_path / "disk")  # not there now

    assert len(list(shelf.read("network", 3))) == 1
    assert f"cannot be read now; its pictures are computed again: {path.name}" in caplog.text

    (tmp_path / "unplugged").rename(tmp_path / "disk")
    assert {name for name, _ in shelf.read("network", 3)} == {"a" * 64, "b" * 64}
