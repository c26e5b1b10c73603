"""A race on real pictures: EfficientNet-Lite0 with its weights against a blind network and a broken one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import headswap
from headswap.cli.comparison import race_text
from headswap.data.ingest import ingest
from headswap.data.split import split
from headswap.errors import BadSetting
from headswap.events import Event, Note, Progress
from headswap.heads.wide import WideNetwork
from headswap.pipeline import race_rules
from headswap.pipeline.comparison import Comparison
from headswap.pipeline.race import TEST_SHARE, RaceSetting, race
from headswap.pipeline.scoring import DATASET
from headswap.storage.files import to_json
from headswap.zoos.candidates import NetworkLimits
from headswap.zoos.catalogue import build_network
from headswap.zoos.zoo import ZooSettings

LITE, BLIND, BROKEN = "timm/tf_efficientnet_lite0", "timm/mobilenetv3_small_050", "timm/lcnet_050"
LIMITS = NetworkLimits(most_mb=19)  # of what is installed next to headswap, Lite0 alone keeps to it


@pytest.fixture(scope="module")
def drawings(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten drawings of each of three classes."""
    folder = tmp_path_factory.mktemp("race") / "my drawings"
    for name in ("bird", "fruit", "vehicle"):
        (folder / name).mkdir(parents=True)
        for image in sorted((sample / "train" / name).iterdir())[:10]:
            shutil.copy(image, folder / name)
    return folder


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> ZooSettings:
    """Weights put there by hand: ones that see nothing, and a file that is none."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("weights")
    (folder / "timm").mkdir()
    blind = {
        name: torch.zeros_like(value) for name, value in build_network(BLIND).module.state_dict().items()
    }
    save_file(blind, folder / f"{BLIND}.safetensors")
    (folder / f"{BROKEN}.safetensors").write_bytes(b"no weights")
    return ZooSettings(cache=folder, offline=True)


@pytest.fixture(scope="module")
def raced(
    drawings: Path, shelf: ZooSettings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Comparison, list[Event], Path]:
    """One race in two rounds, what was heard of it, and where features are."""
    heard: list[Event] = []
    place = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(race_rules, "LEAST_OF_CLASS", 4)
        patch.setattr("headswap.pipeline.race.round_images", lambda images, *_: (images // 2, images))
        found = race(
            drawings,
            RaceSetting(limits=LIMITS, folds=3),
            workspace=place,
            settings=shelf,
            listener=heard.append,
        )
    return found, heard, place


@pytest.fixture
def seen(raced: tuple[Comparison, list[Event], Path], tmp_path: Path) -> Path:
    """A workspace that knows the features of the drawings, and no rows."""
    shutil.copytree(raced[2] / "features", tmp_path / "seen" / "features")
    return tmp_path / "seen"


def test_the_network_that_knows_something_wins_and_a_broken_one_ends_nothing(
    raced: tuple[Comparison, list[Event], Path],
) -> None:
    found, heard, _ = raced
    assert found.race is not None

    rows = {row.model: row for row in found.rows}
    assert found.race.winner == LITE == found.rows[0].model
    assert found.best == found.rows[0]
    assert rows[BROKEN].state == "not done"
    assert "cannot be read" in rows[BROKEN].reason
    assert (rows[LITE].accuracy or 0) > (rows[BLIND].accuracy or 0) + 0.2
    assert rows[LITE].licence == "apache-2.0"
    assert "tf_efficientnet_lite0 is right most often" in found.race.text
    rounds = [one.sentence for one in heard if isinstance(one, Note) and one.code == "round"]
    assert rounds[1].startswith("Round 2 of 2: 2 networks")
    assert len(rounds) == 2
    turns = [one for one in heard if isinstance(one, Progress) and one.step == "race"]
    assert (turns[-1].done, turns[-1].total) == (4, 4)


def test_every_picture_goes_through_a_body_once(raced: tuple[Comparison, list[Event], Path]) -> None:
    found = raced[0]
    assert found.race is not None

    small, large = found.race.rounds
    assert small.images < large.images == found.race.train_images
    assert found.rows[0].computed == large.images, "the second round took the first one's features"


def test_the_race_is_decided_without_the_test_and_training_says_the_same_of_the_winner(
    raced: tuple[Comparison, list[Event], Path], drawings: Path, tmp_path: Path
) -> None:
    found, _, place = raced
    assert found.race is not None
    assert found.race.test is not None

    outcome = headswap.train(drawings, model=found.race.winner, out=tmp_path / "bundle", workspace=place)

    assert (outcome.train_images, outcome.test_images) == (found.race.train_images, found.race.test_images)
    assert found.race.test.right == outcome.report.test_right
    assert found.race.test.total == outcome.test_images


def test_a_stop_gives_what_is_known(drawings: Path, shelf: ZooSettings, seen: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.step == "race" and event.done == 1:
            raise KeyboardInterrupt

    setting = RaceSetting(limits=LIMITS, folds=3)
    found = race(drawings, setting, workspace=seen, settings=shelf, listener=stop)

    assert found.stopped
    assert found.race is not None
    assert (found.race.winner, found.race.test) == ("", None)
    assert BROKEN in {row.model for row in found.rows}, "what was known by then is told"


def test_a_test_image_that_is_gone_takes_the_test_and_not_the_race(
    drawings: Path, shelf: ZooSettings, tmp_path: Path
) -> None:
    moved = tmp_path / "drawings"
    shutil.copytree(drawings, moved)
    manifest = ingest(moved, store=None).manifest
    gone = split(manifest, test_share=TEST_SHARE, seed=0).part("test")[0]
    where = tmp_path / DATASET
    where.write_text(to_json(manifest))
    (moved / gone.source).unlink()

    found = race(where, RaceSetting(limits=LIMITS, folds=3), workspace=tmp_path / "w", settings=shelf)

    assert found.race is not None
    assert (found.race.winner, found.race.test) == (LITE, None)
    assert gone.file in found.race.test_reason
    assert found.best == found.rows[0]
    assert f"It could not be tested: {found.race.test_reason}" in race_text(found, found.race, "drawings")


def test_a_network_is_as_fast_as_with_the_head_that_it_gets(
    drawings: Path, shelf: ZooSettings, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headswap.training.head_choice.prefers_wide", lambda *_: True)
    monkeypatch.setattr(
        "headswap.pipeline.race._pace",
        lambda network, _image: 50.0 if isinstance(network.module, WideNetwork) else 1.0,
    )

    def raced(most_ms: float) -> Comparison:
        limits = NetworkLimits(most_mb=19, most_ms=most_ms)
        return race(drawings, RaceSetting(limits=limits, folds=3), workspace=seen, settings=shelf)

    within, beyond = raced(60), raced(10)

    assert (within.rows[0].head, within.rows[0].ms_per_image) == ("wide", 50)
    assert {row.state for row in beyond.rows} == {"not done"}
    assert "50.0 ms here, more than 10" in next(row.reason for row in beyond.rows if row.model == LITE)
    assert beyond.race is not None
    assert beyond.race.winner == ""


def test_limits_that_nobody_keeps_to_are_said_with_a_reason(drawings: Path, shelf: ZooSettings) -> None:
    setting = RaceSetting(limits=NetworkLimits(most_mb=1e-6))

    with pytest.raises(BadSetting, match=r"No network keeps to these limits: .*more than 1e-06") as caught:
        race(drawings, setting, workspace=drawings, settings=shelf)

    assert "fetch" in caught.value.remedy


def test_a_network_that_is_too_slow_is_listed_with_its_pace_and_nobody_wins(
    drawings: Path, shelf: ZooSettings, tmp_path: Path
) -> None:
    setting = RaceSetting(limits=NetworkLimits(most_mb=7, most_ms=1e-6))

    found = race(drawings, setting, workspace=tmp_path, settings=shelf)

    rows = {row.model: row for row in found.rows}
    assert found.race is not None
    assert (found.race.winner, found.best) == ("", None)
    assert "ms here, more than 1e-06" in rows[BLIND].reason
    assert rows[LITE].reason == "left out: its weights have 19 MB, more than 7"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"models": "auto", "most_ms": 0}, "most_ms is 0"),
        ({"models": "auto", "most_mb": float("nan")}, "most_mb is nan"),
        ({"models": ["auto", "resnet18"]}, "auto was given together with names"),
        ({"models": ["resnet18"], "fetch": True}, "Limits and fetching are for a race"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(
    given: dict[str, object], sentence: str, drawings: Path
) -> None:
    with pytest.raises(BadSetting, match=sentence):
        headswap.compare(drawings, **given)  # type: ignore[arg-type]
