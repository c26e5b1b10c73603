"""A table with several labels per picture: taught, told, measured, exported, and refused where it must be."""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard, ModelCardData

import headswap
from headswap.bundle.format import MULTI_LABEL_FORMAT, read_dataset, read_report
from headswap.cli.main import main
from headswap.data.edit import drop_images, rename_class
from headswap.errors import BadSetting, BadUpload
from headswap.exports.templates import pictures
from headswap.pipeline.many import folders_of, pack_sorted
from headswap.pipeline.race import RaceSetting
from headswap.pipeline.race import race as find
from headswap.training.config import TrainConfig
from headswap.zoos.candidates import NetworkLimits
from headswap.zoos.zoo import ZooSettings
from tests.collages import make_collages


@pytest.fixture(scope="module")
def collages(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_collages(sample, tmp_path_factory.mktemp("several") / "collages", rounds=4)


@pytest.fixture(scope="module")
def taught(collages: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> headswap.Outcome:
    place = tmp_path_factory.mktemp("bundles") / "several"
    return headswap.teach(collages, out=place, workspace=workspace)


def test_each_label_is_judged_and_told_by_a_threshold_of_its_own(
    taught: headswap.Outcome, collages: Path
) -> None:
    report, bundle = taught.report, headswap.load_bundle(taught.bundle)

    assert report.classes == ("bird", "fruit", "vehicle")
    assert (report.total, report.confusion, report.baseline_accuracy < report.accuracy) == (28, (), True)
    assert report.mean_average_precision is not None
    assert report.mean_average_precision > sum(one.share for one in report.label_scores) / 3
    assert read_report(Path(taught.bundle)) == report
    assert bundle.card.format == MULTI_LABEL_FORMAT
    assert bundle.card.thresholds == tuple(one.threshold for one in report.label_scores)
    told = {answer.file: answer for answer in report.answers}
    for image in read_dataset(Path(taught.bundle)).part("test"):
        said = bundle.predict(collages / image.file)
        expected = told[image.file]
        assert [said.probabilities[name] for name in report.classes] == pytest.approx(
            expected.probabilities, abs=1e-3
        )
        assert tuple(sorted(said.labels or ())) == tuple(report.classes[one] for one in expected.said or ())


def test_the_shell_says_each_label(
    taught: headswap.Outcome, collages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, table = str(collages / "001.jpg"), tmp_path / "said.csv"
    assert main(["predict", taught.bundle, image, "--json", "--csv", str(table)]) == 0
    said = json.loads(capsys.readouterr().out)["predictions"][0]
    assert said["labels"] == [one for one in said["probabilities"] if one in said["labels"]]
    assert said["label"] == " + ".join(said["labels"])
    with table.open(encoding="utf-8", newline="") as rows:
        assert next(csv.DictReader(rows))["label"] == said["label"]

    assert main(["evaluate", taught.bundle, str(collages), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert (measured["images"], measured["seen"]["train"]["images"] > 20) == (0, True)


def test_a_picture_is_sorted_into_the_folder_of_each_of_its_labels(
    taught: headswap.Outcome, collages: Path, tmp_path: Path
) -> None:
    bundle, heap = headswap.load_bundle(taught.bundle), tmp_path / "heap"
    heap.mkdir()
    for path in sorted(collages.glob("*.jpg"))[:8]:
        (heap / path.name).write_bytes(path.read_bytes())
    said = [bundle.predict(path) for path in sorted(heap.iterdir())]
    said.append(replace(said[0], file="none.jpg", label="(no label)", labels=(), ood_score=None))

    done = headswap.sort(bundle, heap, tmp_path / "out")
    packed = pack_sorted(
        [(one, heap / "000.jpg") for one in said], bundle.classes, tmp_path / "out.zip", least_sure=0.0
    )

    expected = [f"{folder}/{Path(one.file).name}" for one in said for folder in folders_of(one, 0.0)]
    found = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.jpg")]
    assert sorted(found) == sorted(expected[:-1])
    assert len(expected) > len(said)
    assert expected[-1] == "_no label/none.jpg"
    assert sum(done.counts.values()) == len(found)
    with zipfile.ZipFile(packed) as archive:
        assert sorted(archive.namelist()) == sorted([*expected, "answers.csv"])


def test_a_head_for_labels_may_read_every_layer(collages: Path, workspace: Path, tmp_path: Path) -> None:
    wide = headswap.teach(
        collages, out=tmp_path / "wide", config=TrainConfig(head="wide"), workspace=workspace
    )

    bundle = headswap.load_bundle(wide.bundle)
    assert bundle.card.site.taps
    assert (wide.report.mean_average_precision or 0.0) > 0.8
    told = {answer.file: answer.probabilities for answer in wide.report.answers}
    for image in read_dataset(Path(wide.bundle)).part("test"):
        said = bundle.predict(collages / image.file).probabilities
        assert [said[name] for name in bundle.classes] == pytest.approx(told[image.file], abs=1e-3)


def test_networks_are_compared_by_mean_average_precision(
    taught: headswap.Outcome, collages: Path, workspace: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    model, plot = "tf_efficientnet_lite0", tmp_path / "plot.svg"
    monkeypatch.setenv("HEADSWAP_CACHE", str(workspace))
    command = ["compare", str(collages), "--models", model, "--plot", str(plot)]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(command) == 0
    words = capsys.readouterr().out
    settings = ZooSettings(cache=tmp_path, offline=True)
    setting = RaceSetting(limits=NetworkLimits(most_mb=19))  # one network
    race = find(collages, setting, workspace=workspace, settings=settings).race

    row = found["rows"][0]
    assert (row["total"], row["accuracy"], found["is_multi_label"]) == (28, None, True)
    assert row["interval"][0] < row["mean_average_precision"] < row["interval"][1]
    assert row["mean_average_precision"] > 1.5 * found["baseline_accuracy"]
    assert found["baseline_accuracy"] == pytest.approx(36 / 3 / 28)
    assert f" {row['mean_average_precision']:.2f} " in words
    assert "28 pictures, each" in words
    assert "a blind guess gets 0.43" in words
    assert "Mean average precision against time" in plot.read_text(encoding="utf-8")
    assert race is not None
    assert race.test is not None
    assert (
        f"only network that could be judged; mean average precision {race.rounds[0].figures[0].score:.2f}"
        in (race.words)
    )
    assert (race.test.right, race.test.total) == (taught.report.test_right, taught.report.test_total)


def test_what_needs_one_class_for_each_picture_is_refused(
    taught: headswap.Outcome, collages: Path, few_drawings: Path, tmp_path: Path, workspace: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(BadSetting, match="only the head is taught"):
        headswap.teach(collages, out=out, config=TrainConfig(depth="auto"), workspace=workspace)
    with pytest.raises(BadSetting, match="Changing the classes"):
        headswap.edit(taught.bundle, out, rename={"bird": "duck"})
    with pytest.raises(BadUpload, match="have one class each"):
        headswap.evaluate(taught.bundle, few_drawings, workspace=workspace)
    manifest = headswap.check(collages, workspace=workspace)
    with pytest.raises(BadSetting, match="Renaming a class"):
        rename_class(manifest, "bird", "duck")
    assert drop_images(manifest, ["000.jpg"]).counts == {"bird": 11, "fruit": 12, "vehicle": 12}


def test_what_is_taken_along_says_the_same(taught: headswap.Outcome, collages: Path, tmp_path: Path) -> None:
    check = headswap.export(taught.bundle, tmp_path / "several.zip")
    page = headswap.export(taught.bundle, tmp_path / "several.html")

    assert [way.name for way in check.ways] == ["bundle", "predict.py", "model.onnx"]
    assert all(way.agrees for way in (*check.ways, *page.ways))
    with pytest.raises(BadSetting, match="Teachable Machine's format needs one class"):
        headswap.export(taught.bundle, tmp_path / "tm.zip", form="teachable-machine")
    said = pictures.asked(
        [(Path("a.png"), np.zeros((1, 3, 2, 2))), (Path("b.png"), np.zeros((1, 3, 2, 2)))],
        ["cup", "mug"],
        {"thresholds": [0.3, 0.6]},
        lambda numbers: (np.array([[0.3, 0.61], [0.29, 0.59]]), None),
    )
    told = list(said)
    assert [(one["label"], one["labels"]) for one in told] == [
        ("mug + cup", ["mug", "cup"]),
        ("(no label)", []),
    ]
    assert list(pictures.lines(told)) == ["a.png: mug + cup", "b.png: (no label)"]
    assert list(pictures.lines(told[:1])) == ["mug   61 %  yes", "cup   30 %  yes"]
    with zipfile.ZipFile(tmp_path / "several.zip") as packed:
        thresholds = json.loads(packed.read("several/thresholds.json"))
        card = packed.read("several/README.md").decode()
    said_of = ModelCard(card).data
    assert isinstance(said_of, ModelCardData)
    found = {one.metric_type: one.metric_value for one in said_of.eval_results or ()}
    report = taught.report
    assert found == {
        "mean_average_precision": round(report.mean_average_precision or 0.0, 4),
        "exact_match": round(report.accuracy, 4),
    }
    assert thresholds == list(headswap.load_bundle(taught.bundle).card.thresholds)
