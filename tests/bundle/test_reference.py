from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headswap.bundle.reference import (
    PretrainedNames,
    ReferenceFeatures,
    read_reference,
    remember,
    rows_to_remember,
    save_reference,
)
from headswap.data.manifest import ImageRecord, Manifest
from headswap.errors import BundleDamaged


def images_of(count: int, classes: int = 2) -> Manifest:
    names = tuple(f"class {number}" for number in range(classes))
    images = tuple(
        ImageRecord(
            file=str(number),
            source="",
            class_name=names[number % classes] if number % 10 else names[0],
            sha256=f"{number:064x}",
            width=1,
            height=1,
            fingerprint="0" * 64,
            brightness=0.5,
            group=number,
            part="test" if number % 5 == 4 else "train",
        )
        for number in range(count)
    )
    return Manifest(name="", root="", classes=names, images=images)


def reference_of(
    count: int = 40, width: int = 16, *, old: PretrainedNames | None = None
) -> ReferenceFeatures:
    manifest = images_of(count)
    features = np.random.default_rng(0).gamma(1.0, size=(count, width)).astype(np.float32)
    rows, test = rows_to_remember(manifest, width)
    return remember([manifest.images[row] for row in rows], features[rows], features[test], old)


def test_a_memory_is_the_same_after_saving(tmp_path: Path) -> None:
    old = PretrainedNames(
        weight=np.eye(3, 16, dtype=np.float32), bias=np.zeros(3, np.float32), names=("tench", "kite", "crane")
    )
    reference = reference_of(old=old)

    save_reference(tmp_path / "memory.safetensors", reference)
    again = read_reference(tmp_path / "memory.safetensors")

    assert again is not None
    assert np.array_equal(again.embeddings, reference.embeddings)
    assert (again.sha256s, again.threshold) == (reference.sha256s, reference.threshold)
    assert again.old is not None
    assert again.old.names == old.names


def test_a_train_image_is_nearest_to_itself_and_never_unlike() -> None:
    reference = reference_of()
    manifest = images_of(40)
    features = np.random.default_rng(0).gamma(1.0, size=(40, 16)).astype(np.float32)

    ood_score, near = reference.compare(features[:1])

    assert near[0][0] == manifest.images[0].sha256
    assert ood_score[0] is not None
    assert ood_score[0] < 1


def test_something_else_is_unlike() -> None:
    features = np.zeros((1, 16), np.float32)
    features[0, 3] = 5.0

    ood_score, _ = reference_of().compare(features)

    assert ood_score[0] is not None
    assert ood_score[0] > 1


def test_large_sets_are_remembered_in_part_with_every_class() -> None:
    manifest = images_of(5000, classes=7)

    rows, test = rows_to_remember(manifest, 2048)

    assert 2 * 2048 * len(rows) <= 8e6
    assert {manifest.images[row].class_name for row in rows} == set(manifest.classes)
    assert all(manifest.images[row].part == "train" for row in rows)
    assert len(test) == 1000


def test_the_old_head_gives_its_best_names_and_adds_up_those_that_occur_twice() -> None:
    names = ("crane", "kite", "crane", "tench", "hen", "cock", "wren")
    old = PretrainedNames(weight=np.eye(7, dtype=np.float32), bias=np.zeros(7, np.float32), names=names)

    best = old.top(np.array([[4.0, 0, 4.0, 3.0, 2.0, 1.0, 0.5]], np.float32))[0]

    assert list(best) == ["crane", "tench", "hen", "cock", "wren"]
    assert best["crane"] > 0.6
    assert sum(best.values()) <= 1.0


def test_a_bundle_without_memory_has_none_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    assert read_reference(tmp_path / "memory.safetensors") is None

    (tmp_path / "memory.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(BundleDamaged, match=r"memory\.safetensors cannot be read"):
        read_reference(tmp_path / "memory.safetensors")
