"""How pictures are shown is chosen by cross-validation, kept in the bundle and repeated from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import headswap
from headswap.bundle.format import read_card
from headswap.events import Event, Note, Progress
from headswap.network import InputSpec
from headswap.pipeline.experiment import Experiment
from headswap.pipeline.replay import train_again
from headswap.pipeline.run import Outcome
from headswap.storage.files import from_json
from headswap.training.config import FinetuneConfig, ReplayedChoices, TrainConfig, replayed
from headswap.training.finetune.compare import answers
from tests.pipeline.tiny_network import TINY, TINY_PX

AUTO = TrainConfig(depth="auto", finetune=FinetuneConfig(epochs=1, confirmations=1, learning_rate=1e-5))


@pytest.fixture(scope="module")
def ends_that_tell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Strips three times as long as high: the middle is the same grain everywhere, the ends are not."""
    folder, random = tmp_path_factory.mktemp("strips") / "strips", np.random.default_rng(0)
    for name in ("disc", "square"):
        (folder / name).mkdir(parents=True)
        for number in range(24):
            grain = random.integers(90, 160, (96, 288, 3), dtype=np.uint8)
            strip = Image.fromarray(grain)
            x, y, r = int(random.integers(20, 60)), int(random.integers(28, 66)), int(random.integers(14, 20))
            pen = ImageDraw.Draw(strip)
            draw = pen.ellipse if name == "disc" else pen.rectangle
            colour = tuple(random.integers(0, 255, 3).tolist())
            draw((x - r, y - r, x + r, y + r), fill=colour)
            draw((288 - x - r, y - r, 288 - x + r, y + r), fill=colour)
            strip.save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def auto(ends_that_tell: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path, list[Event]]:
    heard: list[Event] = []
    place = tmp_path_factory.mktemp("auto")
    outcome = headswap.teach(
        ends_that_tell, out=place / "b", workspace=place / "w", config=AUTO, listener=heard.append
    )
    return outcome, place, heard


def test_what_only_whole_images_show_is_found_and_said(auto: tuple[Outcome, Path, list[Event]]) -> None:
    outcome, _, heard = auto

    assert read_card(Path(outcome.bundle)).input.crop_mode == "squash"
    said = [event.sentence for event in heard if isinstance(event, Note)]
    assert any(sentence.startswith("Whole pictures are shown, squashed") for sentence in said)
    assert any("mirrored too" in one for one in said) is read_card(Path(outcome.bundle)).flip
    assert any("Whole pictures are shown" in one.sentence for one in outcome.report.advice)
    looks = [event for event in heard if isinstance(event, Progress) and event.step == "views"]
    assert looks[-1].done == looks[-1].total > 0
    assert [one.done for one in looks] == sorted(one.done for one in looks)


def test_it_beats_the_usual_view_in_the_test(
    auto: tuple[Outcome, Path, list[Event]], ends_that_tell: Path, tmp_path: Path
) -> None:
    outcome, place, _ = auto

    usual = headswap.teach(ends_that_tell, out=tmp_path / "usual", workspace=place / "w")

    assert read_card(Path(usual.bundle)).input.crop_mode == "crop"
    assert outcome.report.test_right > usual.report.test_right


def test_the_bundle_sees_images_as_the_test_did(
    auto: tuple[Outcome, Path, list[Event]], ends_that_tell: Path
) -> None:
    outcome, _, _ = auto
    bundle = headswap.load_bundle(outcome.bundle)
    test = {answer.file: answer for answer in outcome.report.answers}

    for file, answer in list(test.items())[:6]:
        said = bundle.predict(ends_that_tell / file)
        assert said.label in outcome.report.classes
        if outcome.report.method == "exam":
            assert abs(max(said.probabilities.values()) - answer.sure) < 1e-3


def test_the_view_is_repeated_bit_for_bit_and_not_chosen_anew(
    auto: tuple[Outcome, Path, list[Event]], ends_that_tell: Path, tmp_path: Path
) -> None:
    outcome, _, _ = auto
    heard: list[Event] = []

    again = train_again(
        outcome.bundle,
        ends_that_tell,
        out=tmp_path / "again",
        workspace=tmp_path / "w",
        listener=heard.append,
    )

    weights = "weights.safetensors"
    assert (Path(again.bundle) / weights).read_bytes() == (Path(outcome.bundle) / weights).read_bytes()
    assert not [event for event in heard if isinstance(event, Progress) and event.step == "views"]
    kept = from_json(Experiment, (Path(outcome.bundle) / "experiment.json").read_bytes())
    assert kept.replay.crop_mode == "squash"


def test_a_fit_that_a_person_chose_is_taken_as_it_is(
    ends_that_tell: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    outcome = headswap.teach(
        ends_that_tell, model=TINY, weights=tiny_weights, out=tmp_path / "b", workspace=tmp_path / "w",
        config=TrainConfig(px=TINY_PX, crop_mode="border"),
    )  # fmt: skip

    assert read_card(Path(outcome.bundle)).input.crop_mode == "border"


def test_a_replay_without_a_view_leaves_the_settings_alone() -> None:
    old = ReplayedChoices(engine="torch-cpu-float32", threads=2, l2=0.1)

    assert replayed(TrainConfig(flip=True, crop_mode="squash"), old).flip
    assert replayed(TrainConfig(flip=True, crop_mode="squash"), old).crop_mode == "squash"


def test_another_fit_of_a_network_that_squashes_cuts_as_is_usual() -> None:
    spec = InputSpec(height=224, width=224, crop_mode="squash", squash_px=(248, 248))

    cut = spec.fitted("crop")

    assert (cut.crop_mode, cut.resize_px, cut.squash_px) == ("crop", 256, None)
    assert spec.fitted(None) is spec
    assert spec.fitted("squash") is spec


def test_flipped_answers_are_the_mean_of_both(classroom: object) -> None:
    room = classroom()
    from headswap.features.engines import Engine

    rows, engine = torch.arange(6), Engine("cpu", "float32")
    with torch.no_grad():
        batch = room.image_batches.inputs(rows.tolist())
        mean = (room.module(batch) + room.module(batch.flip(-1))) / 2

    said = answers(room.module, room.site, room.image_batches, rows, engine, flip=True)

    assert torch.allclose(said, mean, atol=1e-5)
