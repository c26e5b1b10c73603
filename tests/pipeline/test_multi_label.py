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
from sklearn.metrics import average_precision_score

import headswap
from headswap.app.service.limits import Limits
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.app.ui.steps.class_later import class_table
from headswap.app.ui.widgets.html import rendered
from headswap.bundle.format import MULTI_LABEL_FORMAT, read_dataset, read_report
from headswap.cli.main import main
from headswap.data.edit import drop_images, rename_class
from headswap.errors import BadSetting, BadUpload, FinishEarly, TooFewImages
from headswap.events import Event, Progress
from headswap.exports.templates import pictures
from headswap.pipeline.many import folders_of, pack_sorted
from headswap.pipeline.race import RaceSetting
from headswap.pipeline.race import race as find
from headswap.training.config import FinetuneConfig, TrainConfig
from headswap.zoos.candidates import NetworkLimits
from headswap.zoos.zoo import ZooSettings
from tests.collages import make_collages
from tests.pipeline.tiny_network import TINY, TINY_PX


@pytest.fixture(scope="module")
def collages(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_collages(sample, tmp_path_factory.mktemp("several") / "collages", rounds=4)


@pytest.fixture(scope="module")
def taught(collages: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> headswap.Outcome:
    place = tmp_path_factory.mktemp("bundles") / "several"
    return headswap.teach(collages, out=place, workspace=workspace)


@pytest.fixture(scope="module")
def small(
    collages: Path, tiny_weights: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> headswap.Outcome:
    """Of a network so small that what is the same with any takes least."""
    return headswap.teach(
        collages, model=TINY, weights=tiny_weights, out=tmp_path_factory.mktemp("small") / "several",
        workspace=workspace, config=TrainConfig(px=TINY_PX),
    )  # fmt: skip


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
    small: headswap.Outcome, collages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, table = str(collages / "001.jpg"), tmp_path / "said.csv"
    assert main(["predict", small.bundle, image, "--json", "--csv", str(table)]) == 0
    said = json.loads(capsys.readouterr().out)["predictions"][0]
    assert said["labels"] == [one for one in said["probabilities"] if one in said["labels"]]
    assert said["label"] == " + ".join(said["labels"])
    with table.open(encoding="utf-8", newline="") as rows:
        assert next(csv.DictReader(rows))["label"] == said["label"]

    assert main(["evaluate", small.bundle, str(collages), "--json"]) == 0
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
        [(one, heap / "000.jpg") for one in said], bundle.classes, {}, tmp_path / "out.zip", least_sure=0.0
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
    tiny = "tests.pipeline.tiny_network:tiny_network"
    command = ["compare", str(collages), "--models", model, tiny, "--plot", str(plot)]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(command) == 0
    words = capsys.readouterr().out
    settings = ZooSettings(cache=tmp_path, offline=True)
    setting = RaceSetting(limits=NetworkLimits(most_mb=19), folds=3)  # one network
    race = find(collages, setting, workspace=workspace, settings=settings).race

    row, other = found["rows"]
    assert (other["state"], other["model"]) == ("done", f"own/{tiny}")
    assert row["mean_average_precision"] > other["mean_average_precision"] > 0
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
        in (race.text)
    )
    assert (race.test.right, race.test.total) == (taught.report.test_right, taught.report.test_total)


@pytest.fixture(scope="module")
def bugs(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip with a folder of twelve bugs."""
    packed = tmp_path_factory.mktemp("later") / "bug.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for path in sorted((sample / "train" / "bug").iterdir())[:12]:
            file.write(path, f"bug/{path.name}")
    return packed


def test_a_label_is_added_later_and_what_is_not_known_is_never_a_no(
    taught: headswap.Outcome, collages: Path, bugs: Path, sample: Path, workspace: Path, tmp_path: Path
) -> None:
    with pytest.raises(TooFewImages, match=r"Nothing says which pictures do not show bug.*absent"):
        headswap.edit(taught.bundle, tmp_path / "no", add=bugs, workspace=workspace)
    extra = tmp_path / "extra"
    extra.mkdir()
    rows = ["file,bug,bird"]
    for kind, has in (("bug", 1), ("fruit", 0), ("bird", 0)):
        for path in sorted((sample / "train" / kind).iterdir())[-8:]:
            (extra / f"{kind}-{path.name}").write_bytes(path.read_bytes())
            rows.append(f"{kind}-{path.name},{has},{int(kind == 'bird')}")
    (extra / "labels.csv").write_text("\n".join(rows), encoding="utf-8")

    said = headswap.edit(taught.bundle, tmp_path / "said", add=bugs, absent="bug", workspace=workspace)
    asked = headswap.edit(taught.bundle, tmp_path / "asked", add=extra, workspace=workspace)

    assert said.changes == ("added 12 pictures of bug", "no old picture shows bug")
    assert asked.report.advice[1].code == "unknown-labels"
    assert "Of 28 of 52 pictures it is not known whether they show bug" in " ".join(
        one.sentence for one in asked.report.advice
    )
    scores = {one.name: one for one in asked.report.label_scores}
    assert scores["bug"].share == pytest.approx(8 / 24), "of the pictures of which it is known"
    assert scores["bird"].share == pytest.approx(20 / 52)
    assert scores["fruit"].share == pytest.approx(12 / 28), "the table says nothing of it"
    with (extra / "labels.csv").open("w", encoding="utf-8") as file:
        file.write("\n".join(f"{row.rsplit(',', 1)[0]}" for row in rows))
    with pytest.raises(BadUpload, match="only 0 and 1"):
        headswap.edit(taught.bundle, tmp_path / "numbers", add=extra, workspace=workspace)
    for done in (said, asked):
        bundle = headswap.load_bundle(done.bundle)
        assert bundle.classes == ("bird", "bug", "fruit", "vehicle")
        assert len(bundle.card.thresholds) == 4
        never_seen = sorted((sample / "train" / "bug").iterdir())[12:16]
        bug = [one.probabilities["bug"] for one in bundle.predict_many(never_seen)]
        others = [
            one.probabilities["bug"] for one in bundle.predict_many(sorted(collages.glob("*.jpg"))[:12])
        ]
        assert average_precision_score([1] * 4 + [0] * 12, [*bug, *others]) > 0.5  # a blind guess: 0.25
        told = {answer.file: answer for answer in done.report.answers}
        exam = read_dataset(Path(done.bundle)).part("test")
        assert {one.file for one in exam} <= set(told)


def test_labels_are_put_together_renamed_and_removed_without_the_pictures(
    small: headswap.Outcome, collages: Path, tmp_path: Path
) -> None:
    images = sorted(collages.glob("*.jpg"))[:6]
    before = [one.probabilities for one in headswap.load_bundle(small.bundle).predict_many(images)]

    named = headswap.edit(small.bundle, tmp_path / "named", rename={"bird": "zebra finch"})
    fewer = headswap.edit(named.bundle, tmp_path / "fewer", merge={"alive": ["fruit", "zebra finch"]})

    after = headswap.load_bundle(named.bundle)
    assert after.classes == ("zebra finch", "fruit", "vehicle")
    assert [one.name for one in after.report.label_scores] == list(after.classes)
    assert after.card.thresholds == headswap.load_bundle(small.bundle).card.thresholds
    for was, now in zip(before, after.predict_many(images), strict=True):
        assert now.probabilities["zebra finch"] == was["bird"]
    assert fewer.counts == {"alive": 20, "vehicle": 12}, "either of the two, and both of them once"
    assert fewer.report.total == 28
    with pytest.raises(TooFewImages, match="Only vehicle would be left"):
        headswap.edit(fewer.bundle, tmp_path / "none", remove="alive")


def test_a_label_is_added_on_the_page_to_a_network_without_its_pictures(
    small: headswap.Outcome, bugs: Path, few_drawings: Path, tmp_path: Path
) -> None:
    packed, table = tmp_path / "several.zip", tmp_path / "table.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for path in sorted(Path(small.bundle).iterdir()):
            file.write(path, f"several/{path.name}")
    with zipfile.ZipFile(table, "w") as file, zipfile.ZipFile(bugs) as given:
        names = given.namelist()
        for name in names:
            file.writestr(name.replace("/", "-"), given.read(name))
        lines = [f"{name.replace('/', '-')},{'new;big' if n % 2 else 'big'}" for n, name in enumerate(names)]
        file.writestr("labels.csv", "\n".join(["file,label", *lines]))
    settings = Settings(workspace=tmp_path / "page", sample=few_drawings, limits=Limits(spare=False))
    with Service(settings) as service:
        project = service.archive.open("ada", packed)
        first = service.project("ada", project).done_job
        assert first is not None
        drawn = rendered(class_table(service.results.report("ada", first)))
        added = service.later.add_class("ada", first, table, absent=True)
        merged = service.later.call_class("ada", added.job, "bird", "Vehicle")
        report = service.results.report("ada", merged.job)

    assert drawn.count("data-class-later=") == 3
    assert "A picture may have several labels here" in drawn
    assert added.changes == (
        "added 12 pictures of big", "added 6 pictures of new", "no old picture shows big",
        "no old picture shows new",
    )  # fmt: skip
    assert report.classes == ("big", "fruit", "new", "vehicle")


def test_more_than_the_head_learns_several_labels_and_an_early_end_keeps_the_best(
    collages: Path, workspace: Path, tmp_path: Path
) -> None:
    finetune = FinetuneConfig(
        epochs=8, batch_size=8, learning_rate=3e-2, confirmations=1, validation_share=0.5, least_crop=1.0
    )
    config = TrainConfig(depth="norms", px=32, head="last", finetune=finetune)
    network = "tests.pipeline.tiny_network:tiny_network"

    def enough(event: Event) -> None:
        if isinstance(event, Progress) and event.step == "finetune" and event.done > 8:
            raise FinishEarly

    deep = headswap.teach(collages, model=network, out=tmp_path / "deep", config=config, workspace=workspace)
    early = headswap.teach(
        collages, model=network, out=tmp_path / "early", config=config, workspace=workspace,
        listener=enough,
    )  # fmt: skip

    for done in (deep, early):
        found = done.report.finetune
        assert found is not None
        assert found.asked == "norms"
        assert "mean average precision was " in found.sentence, found.sentence
        bundle = headswap.load_bundle(done.bundle, allow_code=True)
        told = {answer.file: answer for answer in done.report.answers}
        for image in read_dataset(Path(done.bundle)).part("test"):
            said = bundle.predict(collages / image.file).probabilities
            assert [said[name] for name in bundle.classes] == pytest.approx(
                told[image.file].probabilities, abs=1e-3
            )
    assert deep.report.finetune is not None
    assert deep.report.finetune.depth == "norms"
    assert early.report.finetune is not None
    assert "Teaching ended early, as was asked: this is the best" in early.report.finetune.sentence
    later = headswap.edit(deep.bundle, tmp_path / "later", remove="fruit", allow_code=True).report
    assert later.method == "exam", "its own training images would flatter a moved body"


def test_what_needs_one_class_for_each_picture_is_refused(
    small: headswap.Outcome, collages: Path, few_drawings: Path, workspace: Path
) -> None:
    with pytest.raises(BadUpload, match="have one class each"):
        headswap.evaluate(small.bundle, few_drawings, workspace=workspace)
    manifest = headswap.check(collages, workspace=workspace)
    with pytest.raises(BadSetting, match="Renaming a class"):
        rename_class(manifest, "bird", "duck")
    assert drop_images(manifest, ["000.jpg"]).counts == {"bird": 11, "fruit": 12, "vehicle": 12}


def test_what_is_taken_along_says_the_same(small: headswap.Outcome, tmp_path: Path) -> None:
    check = headswap.export(small.bundle, tmp_path / "several.zip")
    page = headswap.export(small.bundle, tmp_path / "several.html")

    assert [way.name for way in check.routes] == ["bundle", "predict.py", "model.onnx"]
    assert all(way.agrees for way in (*check.routes, *page.routes))
    with pytest.raises(BadSetting, match="Teachable Machine's format needs one class"):
        headswap.export(small.bundle, tmp_path / "tm.zip", form="teachable-machine")
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
    report = small.report
    assert found == {
        "mean_average_precision": round(report.mean_average_precision or 0.0, 4),
        "exact_match": round(report.accuracy, 4),
    }
    assert thresholds == list(headswap.load_bundle(small.bundle).card.thresholds)
