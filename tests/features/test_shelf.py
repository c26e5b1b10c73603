from __future__ import annotations

from pathlib import Path

import torch

from headswap.features.shelf import FolderShelf


def test_a_shelf_says_which_images_it_has_and_passes_over_half_a_shard(tmp_path: Path) -> None:
    shelf, names = FolderShelf(tmp_path), ["a" * 64, "b" * 64]
    shelf.put("network", names, torch.ones(2, 3))
    (tmp_path / "network" / "half.safetensors").write_bytes(b"half")

    assert shelf.have("network") == set(names)
    assert shelf.have("another network") == set()
