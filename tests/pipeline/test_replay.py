"""A run repeated from its bundle: the same head bit for bit, or the reason why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import headswap
from headswap.bundle.format import read_card, read_dataset
from headswap.errors import BadSetting
from headswap.events import Event, Note
from headswap.pipeline.replay import train_again
from headswap.training.config import TrainConfig


@pytest.fixture(scope="module")
def first(few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run that found nothing kept: on one thread, single precision depends on what shares a batch."""
    place = tmp_path_factory.mktemp("first") / "b"
    config = TrainConfig(l2_grid=(0.03, 0.3), folds=3)
    headswap.teach(few_drawings, out=place, workspace=place.parent / "w", seed=3, config=config)
    return place


def test_the_same_head_bit_for_bit_with_nothing_kept_from_the_first_run(
    first: Path, few_drawings: Path, tmp_path: Path
) -> None:
    heard: list[Event] = []

    train_again(first, few_drawings, out=tmp_path / "b", workspace=tmp_path / "w", listener=heard.append)

    for name in ("weights.safetensors", "memory.safetensors", "report.json", "bundle.json", "dataset.json"):
        assert (tmp_path / "b" / name).read_bytes() == (first / name).read_bytes(), name
    assert not [event for event in heard if isinstance(event, Note)]


def test_every_choice_and_measurement_is_in_the_bundle(first: Path) -> None:
    kept = json.loads((first / "experiment.json").read_text())

    assert kept["data"]["seed"] == 3
    assert kept["teach"]["strengths"] == [0.03, 0.3]
    assert kept["replay"]["engine"] == read_card(first).engine
    assert kept["replay"]["strength"] == read_card(first).l2
    assert kept["replay"]["threads"] >= 1
    assert {"torch", "numpy", "headswap"} <= set(read_card(first).versions) | {"headswap"}


def test_the_recorded_penalty_is_taken_and_not_chosen_again(
    first: Path, few_drawings: Path, workspace: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(first, copy)
    kept = json.loads((copy / "experiment.json").read_text())
    kept["replay"]["strength"] = 5.0
    rewritten = json.dumps(kept).encode()
    (copy / "experiment.json").write_bytes(rewritten)
    reseal(copy)

    train_again(copy, few_drawings, out=tmp_path / "b", workspace=workspace)

    assert read_card(tmp_path / "b").l2 == 5.0


def test_the_recorded_groups_and_parts_are_taken_and_not_found_again(
    first: Path, few_drawings: Path, workspace: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(first, copy)
    kept = json.loads((copy / "dataset.json").read_text())
    other = {"train": "test", "test": "train"}
    for number, image in enumerate(kept["pictures"]):  # as another version might have split them
        image["group"] = 100 + number
        image["part"] = other[image["part"]] if number % 4 == 0 else image["part"]
        del image["thumbnail"]  # version 0.1 had none
    (copy / "dataset.json").write_text(json.dumps(kept))
    reseal(copy)

    train_again(copy, few_drawings, out=tmp_path / "b", workspace=workspace)

    again = read_dataset(tmp_path / "b").images
    assert [(each.group, each.part) for each in again] == [
        (each["group"], each["part"]) for each in kept["pictures"]
    ]


def test_other_images_are_taught_with_the_same_choices_and_it_is_said(
    first: Path, few_drawings: Path, workspace: Path, tmp_path: Path
) -> None:
    fewer = tmp_path / "fewer"
    shutil.copytree(few_drawings, fewer)
    next((fewer / "bird").iterdir()).unlink()
    heard: list[Event] = []

    train_again(first, fewer, out=tmp_path / "b", workspace=workspace, listener=heard.append)

    notes = [event.sentence for event in heard if isinstance(event, Note)]
    assert notes == ["The pictures are not the same as then, so the head is another one."]


def test_own_weights_have_to_be_given_again(first: Path, few_drawings: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(first, copy)
    kept = json.loads((copy / "experiment.json").read_text())
    kept["weights"] = "mine.safetensors"
    (copy / "experiment.json").write_text(json.dumps(kept))
    reseal(copy)

    with pytest.raises(BadSetting, match=r"your own weights, mine\.safetensors\. Give the file"):
        train_again(copy, few_drawings, out=tmp_path / "b", workspace=tmp_path / "w")


def reseal(folder: Path) -> None:
    """Write the seal again, as someone who alters a bundle would have to."""
    from headswap.storage.files import sha256_of

    seal = json.loads((folder / "seal.json").read_text())
    for line in seal["files"]:
        path = folder / line["path"]
        line["sha256"], line["size_bytes"] = sha256_of(path), path.stat().st_size
    (folder / "seal.json").write_text(json.dumps(seal))
