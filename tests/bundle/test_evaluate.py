"""A bundle is measured on what it has not seen; what it has is counted apart, by how it was met."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageOps

from headswap.bundle.evaluate import BundleEvaluation, evaluate_bundle
from headswap.bundle.format import read_dataset
from headswap.bundle.predictor import load_bundle
from headswap.cli.main import main
from headswap.data.decode import read_image
from headswap.data.manifest import ImageRecord
from headswap.errors import TooFewImages

Measure = Callable[[Path], BundleEvaluation]


@pytest.fixture
def measure(bundle: Path, workspace: Path) -> Measure:
    loaded = load_bundle(bundle)
    return lambda folder: evaluate_bundle(loaded, folder, workspace=workspace)


def unseen_drawings(sample: Path, folder: Path) -> Path:
    """Three drawings of each class that the bundle was not taught with."""
    for name in ("bird", "fruit", "vehicle"):
        (folder / name).mkdir(parents=True)
        for path in sorted((sample / "train" / name).iterdir())[-3:]:
            shutil.copy(path, folder / name)
    return folder


def test_images_of_its_own_training_give_no_accuracy(
    measure: Measure, bundle: Path, few_drawings: Path
) -> None:
    dataset = read_dataset(bundle)

    found = measure(few_drawings)

    assert (found.images, found.accuracy, found.interval) == (0, None, None)
    assert {how: tally.images for how, tally in found.seen.items()} == {
        "train": len(dataset.part("train")),
        "test": len(dataset.part("test")),
    }


def test_images_of_other_classes_alone_are_refused_with_the_classes_that_it_knows(
    measure: Measure, few_drawings: Path, tmp_path: Path
) -> None:
    for old, new in (("bird", "cup"), ("fruit", "pen")):
        shutil.copytree(few_drawings / old, tmp_path / "mugs" / new)

    with pytest.raises(TooFewImages) as refused:
        measure(tmp_path / "mugs")

    assert refused.value.problem == f"No picture in {tmp_path / 'mugs'} belongs to a class of this bundle."
    assert "bird" in refused.value.remedy
    assert refused.value.remedy.endswith("give the folders these names.")


def test_the_headline_is_what_was_not_seen(
    measure: Measure, sample: Path, few_drawings: Path, tmp_path: Path
) -> None:
    mixed = unseen_drawings(sample, tmp_path / "mixed")
    alone = measure(mixed)
    for path in sorted(few_drawings.rglob("*.png")):
        shutil.copy(path, mixed / path.parent.name)

    found = measure(mixed)

    assert found.unseen == alone.unseen
    assert found.images == 9
    assert alone.seen == {}
    assert sum(tally.images for tally in found.seen.values()) == 24


def test_a_bundle_whose_head_reads_every_block_is_measured_too(
    wide_bundle: Path, sample: Path, few_drawings: Path, workspace: Path, tmp_path: Path
) -> None:
    mixed = unseen_drawings(sample, tmp_path / "mixed")
    first = next(image for image in read_dataset(wide_bundle).part("train"))
    shutil.copy(few_drawings / first.source, mixed / first.class_name)

    found = evaluate_bundle(load_bundle(wide_bundle), mixed, workspace=workspace)

    assert (found.images, found.seen["train"].images) == (9, 1)


def test_altered_copies_of_training_images_are_seen(
    measure: Measure, bundle: Path, few_drawings: Path, tmp_path: Path
) -> None:
    trained = read_dataset(bundle).part("train")

    def opened(image: ImageRecord) -> Image.Image:
        return read_image((few_drawings / image.source).read_bytes(), name=image.source)

    def altered(image: Image.Image, number: int) -> Image.Image:
        inside = (image.width // 20, image.height // 20, image.width * 19 // 20, image.height * 19 // 20)
        ways = (
            image.crop(inside),
            ImageOps.mirror(image),
            ImageEnhance.Brightness(image).enhance(1.2),
            image.resize((image.width // 2, image.height // 2)),
        )
        return ways[number % len(ways)]

    for number, image in enumerate(trained):
        place = tmp_path / "altered" / image.class_name
        place.mkdir(parents=True, exist_ok=True)
        altered(opened(image), number).save(place / f"{number}.png")

    found = measure(tmp_path / "altered")

    assert found.seen["near-train"].images >= 0.8 * len(trained)
    assert set(found.seen) == {"near-train"}
    assert {one.how for one in found.seen_files} == {"near-train"}


def test_the_shell_says_in_words_and_in_json_what_was_seen(
    bundle: Path, few_drawings: Path, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = unseen_drawings(sample, tmp_path / "mixed")
    shutil.copytree(few_drawings / "bird", mixed / "bird", dirs_exist_ok=True)

    assert main(["evaluate", str(bundle), str(few_drawings)]) == 0
    all_seen = capsys.readouterr().out
    assert main(["evaluate", str(bundle), str(mixed), "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])

    assert all_seen.startswith("Every picture here was seen before")
    assert "%" not in all_seen
    assert "Not counted, it was trained on them: " in all_seen
    assert record["images"] == 9
    assert record["accuracy"] == record["right"] / 9
    assert sum(tally["images"] for tally in record["seen"].values()) == len(record["seen_files"]) == 8
