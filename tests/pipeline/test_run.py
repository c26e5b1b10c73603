"""The data path as a person walks it: real weights, real pictures, real files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageOps
from safetensors.torch import save_file

import headswap
from headswap.bundle.format import read_card, read_dataset, read_report
from headswap.data.transforms import to_float
from headswap.errors import BadSetting, Cancelled, HeadNotFound, ModelNotFound, TooFewImages
from headswap.events import EpochEnd, Event, Guesses, Progress
from headswap.exports.onnx import write_onnx
from headswap.exports.package import ONNX, read_check
from headswap.features.bank import BankBuilder, FeatureBank
from headswap.heads.wide import unwidened
from headswap.storage.files import check_seal
from headswap.training.config import TrainConfig
from headswap.zoos.catalogue import build_network
from tests.own_test import right_in_own_test
from tests.pipeline.tiny_network import TINY, TINY_PX

TrainedAt = Callable[..., Path]


@pytest.fixture
def trained_at(few_drawings: Path, workspace: Path, tmp_path: Path) -> TrainedAt:
    """Train a network of timm with random weights on images of a size; gives the bundle."""

    def trained(name: str, px: int, *, flip: bool = False) -> Path:
        weights = tmp_path / f"{name}.safetensors"
        save_file(build_network(f"timm/{name}").module.state_dict(), weights)
        headswap.train(
            few_drawings, model=name, weights=weights, out=tmp_path / "b", workspace=workspace,
            config=TrainConfig(px=px, flip=flip),
        )  # fmt: skip
        return tmp_path / "b"

    return trained


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through a body, for each bank of features that was taken."""
    counts: list[int] = []
    give = BankBuilder.bank

    def giving(builder: BankBuilder, sha256s: Sequence[str]) -> FeatureBank:
        bank = give(builder, sha256s)
        counts.append(bank.computed)
        return bank

    monkeypatch.setattr(BankBuilder, "bank", giving)
    return counts


def test_a_bundle_holds_everything_and_nothing_of_this_machine(bundle: Path, few_drawings: Path) -> None:
    check_seal(bundle)
    card, report, dataset = read_card(bundle), read_report(bundle), read_dataset(bundle)

    assert card.model == "timm/tf_efficientnet_lite0"
    assert card.classes == ("bird", "fruit", "vehicle")
    assert card.input.mean == (0.5, 0.5, 0.5)
    assert card.site.paths == ("classifier",)
    assert report.test_total == len(dataset.part("test")) >= 3
    assert report.accuracy > report.baseline_accuracy
    here = str(few_drawings.parent)
    assert not [path for path in bundle.glob("*.json") if here in path.read_text()]


def test_the_test_says_what_the_bundle_will_say(bundle: Path, few_drawings: Path) -> None:
    trained, test = headswap.load_bundle(bundle), read_dataset(bundle).part("test")

    said = trained.predict_many(few_drawings / image.file for image in test)

    right = sum(one.label == image.class_name for one, image in zip(said, test, strict=True))
    assert right == read_report(bundle).test_right


def test_teaching_twice_gives_the_same_head_bit_for_bit_and_runs_no_image_again(
    bundle: Path, few_drawings: Path, workspace: Path, tmp_path: Path, computed: list[int]
) -> None:
    headswap.teach(few_drawings, out=tmp_path / "again", head="last", workspace=workspace)

    first, second = (place / "weights.safetensors" for place in (bundle, tmp_path / "again"))
    assert first.read_bytes() == second.read_bytes()
    assert set(computed) == {0}


def test_the_body_of_a_taught_network_is_untouched(bundle: Path) -> None:
    trained = headswap.load_bundle(bundle).network.module.state_dict()
    pretrained = headswap.load_network("tf_efficientnet_lite0").module.state_dict()

    changed = [name for name, value in trained.items() if not torch.equal(value, pretrained[name])]

    assert sorted(changed) == ["classifier.bias", "classifier.weight"]


def test_a_bundle_predicts_every_class_and_learned_its_train_images(bundle: Path, few_drawings: Path) -> None:
    loaded = headswap.load_bundle(bundle)

    predictions = list(loaded.predict_many(sorted(few_drawings.rglob("*.png"))))

    right = sum(prediction.label == Path(prediction.file).parent.name for prediction in predictions)
    assert right >= 20
    assert all(sum(prediction.probabilities.values()) == pytest.approx(1.0) for prediction in predictions)
    assert all(set(prediction.probabilities) == {"bird", "fruit", "vehicle"} for prediction in predictions)


def test_what_is_said_while_it_runs_rises_and_ends_with_the_test(
    few_drawings: Path, workspace: Path, tmp_path: Path
) -> None:
    heard: list[Event] = []

    outcome = headswap.teach(few_drawings, out=tmp_path / "b", workspace=workspace, listener=heard.append)

    images = [event.done for event in heard if isinstance(event, Progress) and event.step == "pictures"]
    epochs = [event for event in heard if isinstance(event, EpochEnd)]
    steps = list(dict.fromkeys(event.step for event in heard if isinstance(event, Progress)))
    assert steps[-3:] == ["head", "evaluate", "save"]
    assert images == sorted(images)
    assert images[-1] == 24
    assert [event.number for event in epochs] == [*range(1, len(epochs)), len(epochs) - 1]  # the last twice
    report, last = outcome.report, epochs[-1]
    assert (last.test_right, last.train_right) == (report.test_right, report.train_right)
    guesses = [event for event in heard if isinstance(event, Guesses)][-1].guesses
    told = {answer.file: (report.classes[answer.label], answer.sure) for answer in report.answers}
    bundle = headswap.load_bundle(outcome.bundle)
    for one in guesses:  # while it learned, in the report and by the bundle: one answer
        said = bundle.predict(few_drawings / one.file)
        assert (one.label, one.sure) == told[one.file]
        assert (said.label, said.sure) == (one.label, pytest.approx(one.sure, abs=0.01))


@pytest.mark.parametrize("step", ["pictures", "features"])
def test_a_stop_leaves_no_bundle_and_no_half(few_drawings: Path, tmp_path: Path, step: str) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.step == step and event.done:
            raise Cancelled

    with pytest.raises(Cancelled):
        headswap.teach(few_drawings, out=tmp_path / "out" / "b", workspace=tmp_path / "w", listener=stop)

    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_the_person_s_own_layer_is_proved_like_any_other(
    few_drawings: Path, workspace: Path, tmp_path: Path
) -> None:
    with pytest.raises(HeadNotFound, match="conv_stem"):
        headswap.teach(few_drawings, out=tmp_path / "b", workspace=workspace, head="conv_stem")


def test_an_existing_place_an_unknown_network_and_a_lonely_image_are_refused(
    few_drawings: Path, workspace: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadSetting, match="exists already"):
        headswap.teach(few_drawings, out=tmp_path, workspace=workspace)
    with pytest.raises(ModelNotFound, match="resnet50"):
        headswap.teach(few_drawings, model="resnet5O", out=tmp_path / "b", workspace=workspace)
    for name in ("a", "b"):
        (tmp_path / "two" / name).mkdir(parents=True)
        image = next((few_drawings / "bird").iterdir())
        shutil.copy(image, tmp_path / "two" / name)
    with pytest.raises(TooFewImages, match="two different pictures"):
        headswap.teach(tmp_path / "two", out=tmp_path / "b", workspace=workspace)


@pytest.mark.slow
def test_hazards_among_good_images_are_named_and_the_rest_is_taught(
    shared_data: Path, tiny_weights: Path, workspace: Path, tmp_path: Path
) -> None:
    import json

    folder = tmp_path / "mixed"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for image in sorted((shared_data / "data" / "cats_dogs" / name).iterdir())[:12]:
            shutil.copy(image, folder / name)
    hazards = json.loads((shared_data / "hazards" / "manifest.json").read_text())["files"]
    for number, row in enumerate(hazards):
        shutil.copy(shared_data / "hazards" / row["file"], folder / ("cat", "dog")[number % 2])

    outcome = headswap.teach(
        folder, model=TINY, weights=tiny_weights, out=tmp_path / "b", workspace=workspace,
        config=TrainConfig(px=TINY_PX),
    )  # fmt: skip

    left_out = {Path(left.file).name for left in outcome.left_out}
    unreadable = {row["file"] for row in hazards if row["verdict"] == "raises"}
    assert unreadable - left_out <= {"avif__hopper.heif"}  # a HEIC picture that Pillow alone cannot read
    assert all(left.reason for left in outcome.left_out)
    assert outcome.train_images + outcome.test_images + len(outcome.left_out) >= 24 + len(hazards) - 5


def test_taught_on_flipped_images_too_it_says_the_same_of_both_everywhere(
    trained_at: TrainedAt, few_drawings: Path, tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    bundle = headswap.load_bundle(trained_at("test_efficientnet", 160, flip=True))
    with Image.open(next((few_drawings / "bird").iterdir())) as image:
        drawing = ImageOps.fit(image.convert("RGB"), (256, 256))

    there, back = bundle.predict(drawing), bundle.predict(ImageOps.mirror(drawing))

    assert bundle.card.flip
    assert there.probabilities == pytest.approx(back.probabilities, abs=1e-5)
    write_onnx(bundle, tmp_path / ONNX)
    session = onnxruntime.InferenceSession(str(tmp_path / ONNX))
    given = to_float(bundle.prepare(drawing)[None], bundle.card.input)
    (said,) = session.run(["probabilities"], {"pictures": given})
    assert dict(zip(bundle.classes, said[0].tolist(), strict=True)) == pytest.approx(
        there.probabilities, abs=1e-4
    )


def test_the_network_s_own_mistakes_on_the_sample_are_not_taken_for_wrong_labels(
    sample: Path, workspace: Path, tmp_path: Path
) -> None:
    report = headswap.teach(sample / "train", out=tmp_path / "b", workspace=workspace).report

    assert report.total - report.right >= 8
    assert report.label_issues == ()


def test_the_other_head_costs_no_second_pass(
    few_drawings: Path, tiny_weights: Path, tmp_path: Path, computed: list[int]
) -> None:
    def train(name: str, head: str, workspace: str) -> None:
        headswap.train(
            few_drawings, model=TINY, weights=tiny_weights, out=tmp_path / name, head=head,
            workspace=tmp_path / workspace, config=TrainConfig(px=TINY_PX),
        )  # fmt: skip

    for head in ("auto", "last", "wide"):
        train(head, head, "w")
    assert computed[0] == 24
    assert sum(computed) == 24, "each picture went through the body once"

    train("alone", "last", "elsewhere")
    first, second = (tmp_path / name / "weights.safetensors" for name in ("last", "alone"))
    assert first.read_bytes() == second.read_bytes()


def test_images_of_another_size_are_learned_measured_and_predicted_at_it(
    trained_at: TrainedAt, few_drawings: Path
) -> None:
    folder = trained_at("test_efficientnet", 96)

    bundle = headswap.load_bundle(folder)
    assert bundle.card.input.size == (3, 96, 96)
    assert bundle.card.site.input_size == (3, 96, 96)
    assert right_in_own_test(folder, few_drawings) == read_report(folder).test_right


@pytest.mark.thorough  # tests/zoos/test_resampled.py goes the same way each time
def test_the_positions_of_a_transformer_are_resampled_and_travel(
    trained_at: TrainedAt, few_drawings: Path, tmp_path: Path
) -> None:
    folder = trained_at("vit_tiny_patch16_224", 96)

    bundle = headswap.load_bundle(folder)
    positions = dict(unwidened(bundle.network.module).named_parameters())["pos_embed"]
    assert positions.shape == (1, 1 + 6 * 6, 192)
    assert right_in_own_test(folder, few_drawings) == read_report(folder).test_right
    headswap.export(folder, tmp_path / "b.zip")
    assert read_check(tmp_path / "b.zip").agree


def test_a_network_of_one_size_says_so(trained_at: TrainedAt, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="resmlp_12_224 does not take pictures of 96×96 px"):
        trained_at("resmlp_12_224", 96)
    assert not (tmp_path / "b").exists()


def test_a_size_that_no_network_sees_is_refused() -> None:
    with pytest.raises(BadSetting, match="px is 4"):
        TrainConfig(px=4)
