"""Images without a label in a run: the head learns from its guesses, and nothing else notices them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import headswap
from headswap.bundle.format import read_card, read_dataset, read_report
from headswap.cli.main import main
from headswap.data.ingest import IngestedImages, ingest
from headswap.data.manifest import Manifest
from headswap.data.split import split
from headswap.errors import BadSetting, BadUpload
from headswap.events import Event, Note
from headswap.pipeline.unlabeled import read_unlabeled
from headswap.storage.records import write_record
from headswap.training.config import TrainConfig
from headswap.training.task import TrainingTask
from headswap.training.unlabeled import why_not_used

KINDS, EACH, NAMED = ("bird", "fruit", "vehicle"), 16, 6
PARTS = (
    "weights.safetensors",
    "memory.safetensors",
    "features.safetensors",
    "report.json",
    "experiment.json",
)


@pytest.fixture(scope="module")
def heap(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 drawings, and the names of 18 of them in a table, as `headswap label` leaves it."""
    folder = tmp_path_factory.mktemp("some") / "heap"
    folder.mkdir()
    rows = ["file,label"]
    for kind in KINDS:
        for number, path in enumerate(sorted((sample / "train" / kind).iterdir())[:EACH]):
            file = f"{kind}-{number}{path.suffix}"
            shutil.copy(path, folder / file)
            rows.append(f"{file},{kind if number < NAMED else ''}")
    (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


def notes_of(heard: list[Event]) -> str:
    return " ".join(event.sentence for event in heard if isinstance(event, Note))


def test_a_run_learns_from_them_is_tested_without_them_and_is_repeated_bit_for_bit(
    heap: Path, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("HEADSWAP_CACHE", str(workspace))
    bundle, again = tmp_path / "b", tmp_path / "again"
    line = ["teach", str(heap), "--unlabeled", str(heap)]

    assert main([*line, "--out", str(bundle)]) == 0

    report, dataset = read_report(bundle), read_dataset(bundle)
    (advice,) = (one for one in report.advice if one.code == "unlabeled")
    guesses = advice.figures["guesses"]
    assert guesses in (27.0, 28.0)  # of 30: one is at the edge, and processors differ in the last digits
    said = f"The head also learned from its own guesses for {guesses:.0f} pictures without a label"
    assert said in capsys.readouterr().out
    assert dataset.counts == dict.fromkeys(KINDS, NAMED)
    assert {answer.file for answer in report.answers} <= {image.file for image in dataset.images}
    kept = json.loads((bundle / "experiment.json").read_text())
    assert kept["data"]["unlabeled"] == "heap"
    assert len(kept["replay"]["unlabeled"]) == 64

    with pytest.raises(BadSetting, match="also learned from pictures without a label, heap"):
        headswap.train(heap, from_bundle=bundle, out=again, workspace=tmp_path / "w2")
    heard: list[Event] = []
    headswap.train(
        heap, from_bundle=bundle, unlabeled=heap, out=again, workspace=tmp_path / "w2", listener=heard.append
    )
    for name in PARTS:
        assert (again / name).read_bytes() == (bundle / name).read_bytes(), name
    assert "not the same as then" not in notes_of(heard)

    fewer, other = tmp_path / "fewer", tmp_path / "other"
    shutil.copytree(heap, fewer)
    next(fewer.glob("bird-7*")).unlink()
    headswap.train(
        heap, from_bundle=bundle, unlabeled=fewer, out=other, workspace=tmp_path / "w2", listener=heard.append
    )
    assert "pictures without a label are not the same as then" in notes_of(heard)


def test_a_run_that_used_none_is_repeated_without(heap: Path, tmp_path: Path, workspace: Path) -> None:
    headswap.train(heap, out=tmp_path / "b", workspace=workspace)
    with pytest.raises(BadSetting, match="This run learned from no pictures without a label"):
        headswap.train(heap, from_bundle=tmp_path / "b", unlabeled=heap, workspace=workspace)


def test_a_penalty_that_was_chosen_is_used(heap: Path, workspace: Path, tmp_path: Path) -> None:
    chosen = TrainConfig(l2=0.5)
    headswap.train(heap, unlabeled=heap, out=tmp_path / "b", workspace=workspace, config=chosen)
    assert read_card(tmp_path / "b").l2 == 0.5

    with pytest.raises(BadUpload, match="There is nothing at "):
        headswap.train(heap, unlabeled=tmp_path / "nowhere", out=tmp_path / "c", workspace=workspace)


def test_what_has_a_label_or_is_like_a_test_image_is_not_among_them(heap: Path, tmp_path: Path) -> None:
    labelled = split(ingest(heap).manifest)
    others, heard = tmp_path / "others", list[Event]()
    shutil.copytree(heap, others)
    (others / "broken.png").write_bytes(b"no picture")
    twin = labelled.part("test")[0]
    with Image.open(labelled.path(twin)) as image:
        image.save(others / "twin.png", compress_level=1)  # other bytes, the same drawing
    shutil.copy(next(heap.glob("bird-7*")), others / "the same again.png")

    found = read_unlabeled(others, labelled, tmp_path / "w", heard.append)

    assert found is not None
    assert len(found.images) == len(KINDS) * (EACH - NAMED)
    assert {image.sha256 for image in found.images}.isdisjoint(image.sha256 for image in labelled.images)
    assert {image.class_name for image in found.images} == {""}
    assert "1 picture without a label cannot be read" in notes_of(heard)
    assert "1 picture without a label is too much like exam pictures" in notes_of(heard)

    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(others / "twin.png", alone)
    assert read_unlabeled(alone, labelled, tmp_path / "w") is None, "though it is all of its class"

    dataset = tmp_path / "rest-1.json"  # as the page keeps it
    write_record(dataset, replace(labelled, classes=(), root=str(heap)))
    assert read_unlabeled(dataset, labelled, tmp_path / "w", heard.append) is None
    assert "none is left" in notes_of(heard)
    dataset.unlink()
    assert read_unlabeled(dataset, labelled, tmp_path / "w", heard.append) is None
    assert "put away before this run began" in notes_of(heard)


def test_why_they_are_not_used_is_said(heap: Path, tmp_path: Path) -> None:
    labelled = ingest(heap).manifest
    several = replace(labelled, images=tuple(replace(one, labels=("a",)) for one in labelled.images))

    def why(manifest: Manifest, depth: str = "head", *, is_solved: bool = True, some: bool = True) -> str:
        others = replace(labelled, images=labelled.images[:1]) if some else None
        task = TrainingTask(
            manifest=manifest, intake=IngestedImages(manifest=manifest, unlabeled=others),
            config=TrainConfig(depth="norms" if depth == "norms" else "head"), features_folder=tmp_path,
        )  # fmt: skip
        return why_not_used(task, is_solved=is_solved)

    assert why(labelled) == why(several, some=False) == ""
    assert why(labelled, "norms").startswith(
        "1 picture without a label was not used: guesses are for the head"
    )
    assert "may have several labels" in why(several)
    assert "by gradient" in why(labelled, is_solved=False)
