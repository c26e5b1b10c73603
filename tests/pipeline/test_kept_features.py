"""What Label with help keeps of images that no one has sorted is read, whichever version wrote it."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from headswap.data.ingest import ingest
from headswap.pipeline.labelling import (
    CLUSTERS,
    MOST_WIDE,
    advise_on,
    head_choice_for,
    write_clusters,
    write_features,
)
from headswap.storage.records import write_record
from headswap.training.labelling import cluster_tree
from headswap.zoos.catalogue import DEFAULT_MODEL

LAST, KNOWN = 1280, (0, 1) * 4


def test_every_block_is_kept_and_what_an_older_version_kept_is_read(sample: Path, tmp_path: Path) -> None:
    heap = tmp_path / "heap"
    heap.mkdir()
    for kind in ("bird", "fruit"):
        for number, path in enumerate(sorted((sample / "train" / kind).iterdir())[:6]):
            shutil.copy(path, heap / f"{number}-{kind}{path.suffix}")
    dataset = tmp_path / "kept" / "dataset.json"
    dataset.parent.mkdir()
    write_record(dataset, ingest(heap, min_classes=0).manifest)
    begun_before = dataset.parent / "rows-0000000.safetensors"
    save_file({"features": torch.zeros(8, LAST)}, begun_before)

    for start in (0, 8):
        write_features(dataset, start, 8, model=DEFAULT_MODEL, head_path=None, weights=None)
    write_clusters(dataset)
    wide = load_file(dataset.parent / CLUSTERS)
    labels = (*KNOWN, *(-1,) * 4)

    assert wide["wide"]
    assert wide["features"].shape == (12, 6240)
    assert sorted(advise_on(dataset, labels).questions) == [8, 9, 10, 11]
    assert [path.name for path in dataset.parent.glob("*.safetensors")] == [CLUSTERS]

    features = wide["features"][:, -LAST:].contiguous()
    tree = cluster_tree(features)
    older = dataset.parent.with_name("older") / dataset.name
    older.parent.mkdir()
    parts = {
        "features": features,
        "merges": torch.from_numpy(tree.merges),
        "leaf": torch.from_numpy(tree.leaf),
    }
    save_file(parts, older.parent / CLUSTERS)

    assert sorted(advise_on(older, labels).questions) == [8, 9, 10, 11]


def test_of_very_many_images_only_the_last_features_are_kept() -> None:
    assert [head_choice_for(images) for images in (MOST_WIDE, MOST_WIDE + 1)] == ["auto", "last"]
