"""Features that a bundle keeps come back as they were, near enough, and never as something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from headswap.bundle.format import KEPT, read_card, read_dataset, read_features
from headswap.bundle.kept import KeptFeatures, kept_images, read_kept, rows_to_keep, save_kept
from headswap.errors import BundleDamaged

RANDOM = np.random.default_rng(0)
FEATURES = (RANDOM.normal(size=(40, 12)) ** 3 * np.geomspace(1e-4, 1e4, 12)).astype(np.float32)
FEATURES[:, 3] = 0  # a feature that never moves


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_kept(
        tmp_path / KEPT, KeptFeatures(rows=np.arange(0, 80, 2), features=FEATURES, engine="torch-cpu-float32")
    )
    return tmp_path / KEPT


def test_features_come_back_and_stay_what_they_are_when_saved_again(saved: Path, tmp_path: Path) -> None:
    kept = read_kept(saved, 80, (8, 4))

    assert kept is not None
    assert kept.rows.tolist() == list(range(0, 80, 2))
    assert kept.engine == "torch-cpu-float32"
    spread = np.ptp(np.sign(FEATURES) * np.sqrt(np.abs(FEATURES)), axis=0)  # of the roots, in 255 steps
    roots = np.sign(kept.features) * np.sqrt(np.abs(kept.features))
    assert (np.abs(roots - np.sign(FEATURES) * np.sqrt(np.abs(FEATURES))) <= 0.51 * spread / 255).all()
    assert (kept.features[:, 3] == 0).all()
    save_kept(tmp_path / "again", kept)
    again = load_file(tmp_path / "again")["features"]
    assert (again[:, np.arange(12) != 3] == load_file(saved)["features"][:, np.arange(12) != 3]).all()
    assert kept_images(saved) == 40


def test_a_bundle_keeps_every_image_that_it_was_trained_or_tested_on(bundle: Path) -> None:
    kept = read_features(bundle)

    assert kept is not None
    assert kept.rows.tolist() == list(range(24))
    assert kept.features.shape == (24, sum(read_card(bundle).site.in_features))


def test_no_more_than_8_mb_is_kept_and_classes_take_turns(bundle: Path) -> None:
    manifest = read_dataset(bundle)
    many = replace(manifest, images=manifest.images * 50)

    rows = rows_to_keep(many, 80_000)

    assert len(rows) == 100
    assert rows == sorted(set(rows))
    parts = [many.images[row].part for row in rows]
    assert parts.count("test") == 20
    counts = [sum(many.images[row].class_name == name for row in rows) for name in many.classes]
    assert max(counts) - min(counts) <= 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"features": np.zeros((40, 11), np.uint8)}, "an image has 11 features, not 12"),
        ({"features": np.zeros((39, 12), np.uint8)}, "features"),
        ({"features": np.zeros((40, 12), np.float32)}, "features"),
        ({"low": np.full(12, np.nan, np.float32)}, "its scale is no row of numbers"),
        ({"step": np.zeros(3, np.float32)}, "its scale is no row of numbers"),
        ({"rows": np.arange(50, 90)}, "it names images that dataset.json does not"),
        ({"rows": np.zeros(40, np.int64)}, "it names images that dataset.json does not"),
    ],
)
def test_features_of_something_else_are_refused(saved: Path, change: dict[str, np.ndarray], why: str) -> None:
    save_file(load_file(saved) | change, saved, metadata={"engine": "torch-cpu-float32"})

    with pytest.raises(BundleDamaged, match=why):
        read_kept(saved, 80, (12,))


def test_a_file_that_is_none_is_refused_and_one_that_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert read_kept(tmp_path / KEPT, 1, (1,)) is None
    assert kept_images(tmp_path / KEPT) == 0
    (tmp_path / KEPT).write_bytes(b"nothing of the kind")
    for read in (lambda: read_kept(tmp_path / KEPT, 1, (1,)), lambda: kept_images(tmp_path / KEPT)):
        with pytest.raises(BundleDamaged, match="it cannot be read"):
            read()
