from __future__ import annotations

from pathlib import Path

import pytest

from headswap.errors import Cancelled, WeightsNotHere
from headswap.events import Event, Progress, silent
from headswap.zoos.hub import cached_repositories, fetch_from_hub, find_in_hub_cache

DATA = bytes(range(256)) * 20_000  # 5 MB


def _fetch(tmp_path: Path, listener=silent, names: tuple[str, ...] = ("model.safetensors",)) -> Path:
    return fetch_from_hub(
        "some/body",
        names,
        name="body",
        by_hand_path=tmp_path / "timm" / "body.safetensors",
        listener=listener,
    )


def test_a_file_of_the_hub_is_fetched_into_its_cache_with_rising_progress(hub_shelf, tmp_path: Path) -> None:
    hub_shelf.files["/some/body/resolve/main/model.safetensors"] = DATA
    heard: list[Event] = []

    path = _fetch(tmp_path, heard.append)

    assert path.read_bytes() == DATA
    assert cached_repositories() == {"some/body"}
    assert find_in_hub_cache("some/body", ["model.safetensors"]) == path
    done = [event.done for event in heard if isinstance(event, Progress)]
    assert done == sorted(done)
    assert done[-1] == len(DATA)


def test_the_next_file_name_is_tried_when_the_first_is_not_there(hub_shelf, tmp_path: Path) -> None:
    hub_shelf.files["/some/body/resolve/main/pytorch_model.bin"] = DATA

    path = _fetch(tmp_path, names=("model.safetensors", "pytorch_model.bin"))

    assert path.name == "pytorch_model.bin"


def test_a_repository_without_the_file_says_so(hub_shelf, tmp_path: Path) -> None:
    with pytest.raises(WeightsNotHere, match=r"some/body has no a or b\. Pick one marked"):
        _fetch(tmp_path, names=("a", "b"))


def test_a_repository_that_does_not_exist_says_so(hub_shelf, tmp_path: Path) -> None:
    hub_shelf.error_code = "RepoNotFound"

    with pytest.raises(WeightsNotHere, match=r"huggingface\.co/some/body|answers 404 for some/body"):
        _fetch(tmp_path)


def test_a_stop_while_fetching_is_heard(hub_shelf, tmp_path: Path) -> None:
    hub_shelf.files["/some/body/resolve/main/model.safetensors"] = DATA

    def stop(event: Event) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        _fetch(tmp_path, stop)


def test_an_interrupted_download_gives_no_file_and_can_be_tried_again(hub_shelf, tmp_path: Path) -> None:
    hub_shelf.files["/some/body/resolve/main/model.safetensors"] = DATA
    hub_shelf.cut_after = 1_000_000

    with pytest.raises(WeightsNotHere, match=r"the download broke off"):
        _fetch(tmp_path)
    found = find_in_hub_cache("some/body", ["model.safetensors"])
    hub_shelf.cut_after = None

    assert found is None
    assert _fetch(tmp_path).read_bytes() == DATA


def test_an_empty_cache_has_no_repositories(hub_shelf) -> None:
    assert cached_repositories() == frozenset()
    assert find_in_hub_cache("some/body", ["model.safetensors"]) is None
