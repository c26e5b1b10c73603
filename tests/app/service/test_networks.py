from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from headswap.app.processes.child import ChildProcess
from headswap.app.service.networks import LISTED_S, TO_START_WITH, Networks, TakenRun
from headswap.errors import HeadswapError
from headswap.network import NetworkCard
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.training.config import TrainConfig
from headswap.zoos.candidates import ANY_USE
from headswap.zoos.catalogue import describe_network
from headswap.zoos.zoo import ZooSettings


@pytest.fixture(scope="module")
def child() -> Iterator[ChildProcess]:
    opened = ChildProcess("headswap.app.processes.inference:answer")
    yield opened
    opened.close()


@pytest.fixture
def networks(child: ChildProcess, tmp_path: Path) -> Networks:
    return Networks(child, tmp_path / "networks")


def test_what_was_opened_once_is_known_without_asking_again(
    child: ChildProcess, networks: Networks, tmp_path: Path
) -> None:
    first = networks.inspect("tf_efficientnet_lite0")
    nobody = ChildProcess("headswap.app.jobs.nothing:answer")

    again = Networks(nobody, tmp_path / "networks").inspect("tf_efficientnet_lite0")

    assert again == first
    assert not nobody.is_warm
    assert first.class_names[0].startswith("tench")
    assert len(first.class_names) == 1000
    assert first.image_ms is not None
    assert first.image_ms > 0


def test_for_a_class_that_searches_at_once_all_networks_are_listed_once(
    networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, asked, now = describe_network("squeezenet1_1"), [], [1000.0]

    def cards(question: object) -> tuple[NetworkCard, ...]:
        asked.append(question)
        return (card,) * len(asked)

    monkeypatch.setattr(networks, "_cards", cards)
    monkeypatch.setattr("headswap.app.service.networks.time.monotonic", lambda: now[0])
    with ThreadPoolExecutor(8) as pool:
        lists = list(pool.map(lambda _: networks.models(), range(30)))

    assert lists == [(card,)] * 30
    now[0] += LISTED_S + 1
    assert networks.models() == (card, card), "weights may have come meanwhile"
    assert len(asked) == 2


def test_a_kept_opening_that_is_damaged_is_made_again(networks: Networks, tmp_path: Path) -> None:
    first = networks.inspect("squeezenet1_1")
    (kept,) = (tmp_path / "networks").glob("*.json")
    kept.write_text(kept.read_text()[:100])

    assert networks.inspect("squeezenet1_1").site == first.site
    assert json.loads(kept.read_text())["site"]


def test_another_layer_is_another_opening_and_a_mistake_is_not_kept(
    networks: Networks, tmp_path: Path
) -> None:
    with pytest.raises(HeadswapError, match=r"no\.such\.layer"):
        networks.inspect("squeezenet1_1", "no.such.layer")
    with pytest.raises(HeadswapError, match="squeezenet9"):
        networks.inspect("squeezenet9")

    assert not (tmp_path / "networks").exists()


def test_weights_that_cannot_be_fetched_now_are_told_when_the_network_is_chosen(
    networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    said = networks.out_of_reach("timm/resnet18")

    assert said == "The weights of resnet18 are not on this machine, and huggingface.co does not answer."
    assert networks.out_of_reach("tf_efficientnet_lite0") == "", "they came with the requirements"


def test_a_speed_is_stated_only_where_it_was_measured_and_times_follow_from_it(networks: Networks) -> None:
    assert networks.image_ms("squeezenet1_1") is None
    assert networks.training_seconds("squeezenet1_1", 96) == {}

    networks.inspect("squeezenet1_1")

    seconds = networks.training_seconds("squeezenet1_1", 96)
    assert seconds["head"] < seconds["last"] < seconds["everything"] < seconds["auto"]
    assert networks.training_seconds("squeezenet1_1", 0) == {}


def test_runs_before_correct_the_times_of_the_same_way_and_of_no_other(networks: Networks) -> None:
    networks.inspect("squeezenet1_1")
    rough = networks.training_seconds("squeezenet1_1", 96)
    experiment = Experiment(
        data=DataConfig(source="pictures"), model="squeezenet1_1", train=TrainConfig(depth="norms")
    )
    taken = [
        TakenRun(experiment=experiment, images=96, seconds=share * rough["norms"]) for share in (3, 0.5, 0.4)
    ]
    unknown = replace(taken[0], experiment=replace(experiment, model="resnet18"))

    told = networks.training_seconds("squeezenet1_1", 480, [*taken, unknown])

    plain = networks.training_seconds("squeezenet1_1", 480)
    assert told["norms"] == pytest.approx(0.5 * plain["norms"])
    assert {**told, "norms": 0.0} == {**plain, "norms": 0.0}


def test_what_was_timed_beside_a_run_is_timed_again_when_it_is_quiet(
    child: ChildProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = [True]
    networks = Networks(child, tmp_path / "networks", lambda: busy[0])

    first = networks.inspect("squeezenet1_1")

    assert networks.inspect("squeezenet1_1") is first, "meanwhile it is opened once"
    assert networks.image_ms("squeezenet1_1") is None
    assert networks.training_seconds("squeezenet1_1", 96), "a rough figure is better than none"
    busy[0] = False
    quiet = networks.inspect("squeezenet1_1")
    assert networks.image_ms("squeezenet1_1") == quiet.image_ms
    monkeypatch.setattr("headswap.app.service.networks.machine_text", lambda: "another machine, 64 cores")
    assert networks.image_ms("squeezenet1_1") is None, "a folder that was carried to another machine"


def test_each_network_to_start_with_is_described_offline_and_its_licence_allows_any_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was opened"))
    settings = ZooSettings(cache=tmp_path, offline=True)

    for word, name in TO_START_WITH:
        card = describe_network(name, settings=settings)

        assert word
        assert card.full_name.rpartition("/")[2] == name.rpartition("/")[2]
        assert card.licence in ANY_USE, name
        assert (card.parameters or 0) > 1_000_000
        assert card.input.channels == 3
        assert (card.num_classes or 0) >= 1000


def test_a_few_cards_are_told_in_their_order(networks: Networks) -> None:
    names = tuple(name for _, name in TO_START_WITH)

    cards = networks.cards(names)

    assert [card.name for card in cards] == [name.split("/")[-1] for name in names]
    assert cards[0].weights.state == "here"
