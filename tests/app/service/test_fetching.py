"""Who may have which weights fetched, and how much room they may take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headswap.app.service.fetching import FetchPolicy
from headswap.app.service.options import Options, ServeChoices, choices_of, start_text
from headswap.cli.shell import call_of
from headswap.errors import TooMuch, WeightsNotHere
from headswap.network import InputSpec, NetworkCard, Weights
from headswap.zoos.catalogue import fetched_bytes
from headswap.zoos.zoo import ZooSettings

HERE = NetworkCard(name="small", zoo="timm", input=InputSpec(), weights=Weights(state="here"))
LARGE = replace(HERE, name="large", weights=Weights(state="to fetch", size_bytes=3_000_000_000))
CARDS = {"small": HERE, "large": LARGE, "timm/large": LARGE}


def chosen(*words: str) -> Options:
    call = call_of(["serve", *words])
    assert call is not None
    return choices_of(ServeChoices(**call.arguments), {})


def rule(*networks: str, weights_gb: float = 0.0, there: int = 0) -> FetchPolicy:
    return FetchPolicy(
        networks=networks,
        weights_gb=weights_gb,
        cards=lambda names: tuple(CARDS[name] for name in names),
        fetched_bytes=lambda: there,
    )


@pytest.mark.parametrize("networks", [("here",), ("medium",), ("here", "medium")])
def test_what_is_not_on_the_machine_is_refused_with_who_may_change_it(networks: tuple[str, ...]) -> None:
    with pytest.raises(
        WeightsNotHere, match=r"large is not on this machine.*the person who started.*--networks"
    ):
        rule(*networks).check("small", "large")


@pytest.mark.parametrize("networks", [("any",), ("large",), ("timm/large", "medium")])
def test_what_was_allowed_is_fetched(networks: tuple[str, ...]) -> None:
    rule(*networks).check("large")
    rule(*networks).check("timm/large")


def test_what_is_here_is_always_allowed() -> None:
    rule("here", weights_gb=0.001, there=10**12).check("small")


def test_weights_that_would_fill_the_room_of_all_are_refused_with_their_size() -> None:
    rule("any", weights_gb=10, there=6_900_000_000).check("large")

    with pytest.raises(
        TooMuch, match=r"large have 3,000 MB; downloaded weights take 7\.1 of the 10 GB.*--weights-gb"
    ):
        rule("any", weights_gb=10, there=7_100_000_000).check("large")


def test_one_person_is_asked_nothing_about_networks() -> None:
    FetchPolicy(networks=("any",), cards=lambda _: pytest.fail("asked"), fetched_bytes=lambda: 0).check(
        "large"
    )


def test_in_a_class_only_the_teacher_decides() -> None:
    def read(*words: str) -> tuple[str, ...]:
        return chosen(*words).settings.networks

    class_, lab = (("--for", who, "--auth", __file__) for who in ("class", "lab"))
    assert read(*class_) == ("here",)
    assert read(*class_, "--networks", "resnet50", "timm/vit_base_patch16_224")[0] == "resnet50"
    assert read(*class_, "--networks", "any") == read() == read(*lab) == ("any",)
    said = start_text(chosen(*class_))
    assert "networks to be fetched" in said
    assert "none: only those on this machine" in said


def test_fetched_weights_are_summed_where_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch_home, hub = tmp_path / "torch", tmp_path / "hub"
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(torch_home))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    for place in (
        torch_home / "checkpoints" / "a.pth",
        hub / "models--b" / "blobs" / "b",
        tmp_path / "own" / "c.pt",
    ):
        place.parent.mkdir(parents=True)
        place.write_bytes(bytes(1000))
    (hub / "models--b" / "b").symlink_to(hub / "models--b" / "blobs" / "b")

    assert fetched_bytes(ZooSettings(cache=tmp_path / "own")) == 3000
