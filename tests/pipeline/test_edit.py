"""Classes of a bundle are changed without the images that it was trained on."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import headswap
from headswap.bundle.format import EXPERIMENT, KEPT, read_card, read_dataset, read_features, save_bundle
from headswap.bundle.reference import ReferenceFeatures
from headswap.errors import BadSetting, BadUpload, BundleDamaged, TooFewImages
from headswap.features.autotune import extractor_for
from headswap.features.engines import Engine, engine_named
from headswap.features.extractor import Extractor
from headswap.pipeline.edit import EditOutcome
from headswap.pipeline.experiment import Experiment
from headswap.storage.files import from_json, to_json
from headswap.training.linear.heads import fit_heads
from headswap.training.linear.labeled_features import LabeledFeatures
from tests.pipeline.tiny_network import TINY, TINY_PX

OLD = Path(__file__).parents[1] / "version_0_1" / "head"


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def bugs(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen drawings of a class that the bundle has never seen, loose in one folder, and a note."""
    folder = tmp_path_factory.mktemp("more") / "bug"
    folder.mkdir()
    for path in sorted((sample / "train" / "bug").iterdir())[:16]:
        shutil.copy(path, folder)
    (folder / "torn.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edited")


@pytest.fixture(scope="module")
def added(bundle: Path, bugs: Path, place: Path, workspace: Path) -> EditOutcome:
    return headswap.edit(bundle, place / "added", add=bugs, workspace=workspace)


def test_a_new_class_is_known_and_the_old_ones_still_are(
    added: EditOutcome, sample: Path, few_drawings: Path
) -> None:
    drawings = sorted((sample / "train" / "bug").iterdir())
    bundle, old = headswap.load_bundle(added.bundle), sorted(few_drawings.rglob("*.png"))

    said = [one.label for one in bundle.predict_many([*drawings, *old])]

    assert bundle.classes == ("bird", "bug", "fruit", "vehicle")
    assert said[:16].count("bug") >= 14  # given now
    assert said[16:24].count("bug") >= 4  # never seen: as many as by a head that is taught on everything
    assert sum(label == path.parent.name for label, path in zip(said[24:], old, strict=True)) >= 21
    assert added.changes == ("added 16 pictures of bug",)
    assert [left.file for left in added.left_out] == ["torn.png"]


def test_the_report_is_of_the_new_head_and_says_that_the_old_figures_no_longer_hold(
    added: EditOutcome, bundle: Path
) -> None:
    report, before = added.report, headswap.load_bundle(bundle).report

    assert report.advice[0].code == "changed"
    assert "those of before no longer hold" in report.advice[0].sentence
    assert report.classes == ("bird", "bug", "fruit", "vehicle")
    assert (report.total, report.test_total) == (40, before.test_total + 3)
    assert report.method == "cross-validated"
    assert added.train_images == before.train_total + 13
    assert {image.class_name for image in read_dataset(Path(added.bundle)).part("test")} == set(
        report.classes
    )
    assert report == headswap.load_bundle(added.bundle).report


def test_what_it_remembers_to_compare_with_is_of_the_new_class_too(added: EditOutcome, bugs: Path) -> None:
    loaded = headswap.load_bundle(added.bundle)
    known = {image.sha256: image for image in read_dataset(Path(added.bundle)).images}
    train = next(one for one in known.values() if one.class_name == "bug" and one.part == "train")

    said = loaded.predict(bugs / Path(train.file).name)

    assert isinstance(loaded.reference, ReferenceFeatures)
    assert said.nearest[0] == train.sha256
    assert not said.is_ood
    assert said.old_head is not None


def test_it_says_what_a_head_says_that_is_solved_on_the_features_of_all_images(
    bundle: Path, added: EditOutcome, few_drawings: Path, bugs: Path, workspace: Path
) -> None:
    loaded, manifest = headswap.load_bundle(added.bundle), read_dataset(Path(added.bundle))
    card, kept = loaded.card, read_features(bundle)
    paths = [
        bugs / Path(one.file).name if one.class_name == "bug" else few_drawings / one.file
        for one in manifest.images
    ]
    images = np.stack([loaded.prepare(path) for path in paths])
    exact, said = Extractor(loaded.network, card.site, Engine("cpu", "float32")).features_and_logits(images)
    assert kept is not None
    engine = engine_named(kept.engine)
    assert engine is not None
    as_kept = extractor_for(loaded.network, card.site, workspace, engine).features(images)
    train = torch.tensor([one.part == "train" for one in manifest.images])
    old = torch.from_numpy(kept.features)
    features = torch.cat([old, as_kept[24:]])

    heads = fit_heads(
        LabeledFeatures(
            features[train],
            torch.tensor([manifest.label(one) for one in manifest.images])[train],
            4,
            [one.group for one in manifest.part("train")],
        ),
        card.site,
        has_bias=[True],
        config=headswap.TrainConfig(),
    )

    assert (old - as_kept[:24]).norm() < 0.01 * old.norm()
    assert heads.solved[0].l2 == card.l2
    assert (heads.logits(exact).softmax(1) - said.softmax(1)).abs().max() < 0.01


def test_the_old_bundle_is_as_it_was_and_the_same_change_gives_the_same_bundle(
    tiny_bundle: Path, place: Path
) -> None:
    before = hashes(tiny_bundle)

    for name in ("one", "two"):
        headswap.edit(tiny_bundle, place / name, remove=["bird"])

    assert hashes(tiny_bundle) == before
    assert hashes(place / "one") == hashes(place / "two")


def test_classes_are_removed_and_put_together(added: EditOutcome, place: Path, few_drawings: Path) -> None:
    done = headswap.edit(added.bundle, place / "fewer", remove="fruit", merge={"thing": ["bug", "vehicle"]})
    loaded = headswap.load_bundle(done.bundle)
    test = [image for image in read_dataset(Path(done.bundle)).part("test") if image.class_name != "bird"]

    said = list(loaded.predict_many(sorted((few_drawings / "vehicle").iterdir())))

    assert done.counts == {"bird": 8, "thing": 24}
    assert [one.label for one in said].count("thing") >= 7
    assert set(said[0].probabilities) == {"bird", "thing"}
    assert {Path(image.file).parts[0] for image in test} == {"bug", "vehicle"}
    assert loaded.card.edits == (
        "added 16 pictures of bug", "removed fruit", "put bug and vehicle together as thing",
    )  # fmt: skip
    kept = read_features(Path(done.bundle))
    assert kept is not None
    assert len(kept.rows) == 32


def test_another_name_changes_no_answer_and_needs_no_features(place: Path, sample: Path) -> None:
    images = sorted((sample / "try").iterdir())
    before = headswap.load_bundle(OLD)
    old, new = before.classes[0], "Zeppelin & co"

    done = headswap.edit(OLD, place / "renamed", rename={old.upper(): new})
    after = headswap.load_bundle(done.bundle)

    assert after.classes == (new, *before.classes[1:])
    for was, now in zip(before.predict_many(images), after.predict_many(images), strict=True):
        renamed = {new if name == old else name: value for name, value in was.probabilities.items()}
        assert renamed == now.probabilities
    assert after.report.class_scores[0].name == new
    assert after.report.confusion == before.report.confusion
    assert done.counts[new] == len([one for one in read_dataset(OLD).images if one.class_name == old])
    assert not (place / "renamed" / KEPT).exists()


@pytest.mark.parametrize("change", [{"remove": "bird"}, {"merge": {"x": ["bird", "fruit"]}}])
def test_an_older_bundle_is_refused_with_what_to_do(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"keeps no features of its pictures.*Teach it once more"):
        headswap.edit(OLD, tmp_path / "b", **change)

    assert not (tmp_path / "b").exists()


def test_features_are_left_out_on_wish(
    few_drawings: Path, tiny_weights: Path, workspace: Path, tmp_path: Path
) -> None:
    config = headswap.TrainConfig(head="last", px=TINY_PX, keep_features=False)

    headswap.train(
        few_drawings, model=TINY, weights=tiny_weights, out=tmp_path / "b", workspace=workspace, config=config
    )

    assert not (tmp_path / "b" / KEPT).exists()
    with pytest.raises(BadSetting, match="or with --no-features"):
        headswap.edit(tmp_path / "b", tmp_path / "c", remove="fruit")


def test_damaged_features_are_refused(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "b")
    data = bytearray((tmp_path / "b" / KEPT).read_bytes())
    data[-1] ^= 1
    (tmp_path / "b" / KEPT).write_bytes(data)

    with pytest.raises(BundleDamaged, match=f"{KEPT} is not what was saved"):
        headswap.edit(tmp_path / "b", tmp_path / "c", remove="fruit")


def test_after_a_moved_body_only_the_test_speaks(tiny_bundle: Path, tmp_path: Path) -> None:
    loaded = headswap.load_bundle(tiny_bundle)
    experiment: Experiment = from_json(Experiment, (tiny_bundle / EXPERIMENT).read_bytes())
    assert experiment.replay is not None
    moved = replace(experiment, replay=replace(experiment.replay, depth="last"))
    save_bundle(
        tmp_path / "moved", loaded.network, read_card(tiny_bundle), to_json(moved), loaded.report,
        read_dataset(tiny_bundle), reference=loaded.reference, kept=read_features(tiny_bundle),
    )  # fmt: skip

    report = headswap.edit(tmp_path / "moved", tmp_path / "b", remove="fruit").report

    assert report.method == "exam"
    assert report.total == report.test_total == len(read_dataset(tmp_path / "b").part("test"))
    assert report.calibration is None, "its own training images say nothing of how sure it may be"
    assert "Its body was taught the classes of before" in report.advice[0].sentence


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({}, BadSetting, "No change was named"),
        ({"remove": ["bird", "fruit"]}, TooFewImages, "Only vehicle would be left"),
        ({"remove": "cat"}, BadSetting, "There is no class cat"),
        ({"add": "nowhere"}, BadUpload, "There is nothing at nowhere"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    change: dict[str, Any], error: type[Exception], sentence: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=sentence):
        headswap.edit(tiny_bundle, tmp_path / "b", **change)

    assert list(tmp_path.iterdir()) == []


def test_images_that_it_knows_are_not_added(
    bundle: Path, few_drawings: Path, tmp_path: Path, workspace: Path
) -> None:
    with pytest.raises(
        TooFewImages, match=r"No image was added.*is among the pictures that it was taught on"
    ):
        headswap.edit(bundle, tmp_path / "b", add=few_drawings / "bird", workspace=workspace)
