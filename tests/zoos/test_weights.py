from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest

from headswap.errors import Cancelled, WeightsDamaged, WeightsNotHere
from headswap.events import Event, Progress, silent
from headswap.zoos.weights import by_hand, check_named_hash, fetch, online

DATA = bytes(range(256)) * 4000  # 1 MB
DIGEST = hashlib.sha256(DATA).hexdigest()


def test_a_fetched_file_arrives_whole_and_its_progress_rises_to_the_end(shelf, tmp_path: Path) -> None:
    shelf.files["/tiny.pth"] = DATA
    heard: list[Event] = []

    path = fetch(
        f"{shelf.url}/tiny.pth",
        tmp_path / "new" / f"tiny-{DIGEST[:8]}.pth",
        name="tiny",
        by_hand_path=tmp_path / "tiny.pth",
        listener=heard.append,
    )

    assert path.read_bytes() == DATA
    progress = [event for event in heard if isinstance(event, Progress)]
    assert {(event.step, event.unit, event.total) for event in progress} == {("fetch", "bytes", len(DATA))}
    done = [event.done for event in progress]
    assert done == sorted(set(done))
    assert len(done) > 2
    assert done[-1] == len(DATA)


def test_a_file_with_another_hash_than_its_name_promises_is_refused_and_not_kept(
    shelf, tmp_path: Path
) -> None:
    shelf.files["/tiny.pth"] = DATA[:-1] + b"!"

    with pytest.raises(
        WeightsDamaged, match=r"tiny-.* is not the file that was published.*download it again"
    ):
        fetch(
            f"{shelf.url}/tiny.pth",
            tmp_path / f"tiny-{DIGEST[:8]}.pth",
            name="tiny",
            by_hand_path=tmp_path / "tiny.pth",
            listener=silent,
        )

    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_download_leaves_nothing_and_can_be_tried_again(shelf, tmp_path: Path) -> None:
    shelf.files["/tiny.pth"] = DATA
    shelf.cut_after = 600_000
    place = tmp_path / "tiny.pth"

    with pytest.raises(WeightsNotHere, match="not on this machine"):
        fetch(f"{shelf.url}/tiny.pth", place, name="tiny", by_hand_path=place, listener=silent)
    left = list(tmp_path.iterdir())
    shelf.cut_after = None
    fetch(f"{shelf.url}/tiny.pth", place, name="tiny", by_hand_path=place, listener=silent)

    assert left == []
    assert place.read_bytes() == DATA


def test_a_stop_while_fetching_leaves_nothing(shelf, tmp_path: Path) -> None:
    shelf.files["/tiny.pth"] = DATA
    place = tmp_path / "tiny.pth"

    def stop(event: Event) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        fetch(f"{shelf.url}/tiny.pth", place, name="tiny", by_hand_path=place, listener=stop)

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_server_does_not_have_says_so(shelf, tmp_path: Path) -> None:
    place = tmp_path / "tiny.pth"

    with pytest.raises(WeightsNotHere, match=r"/gone\.pth answers 404.*put the file in"):
        fetch(f"{shelf.url}/gone.pth", place, name="tiny", by_hand_path=place, listener=silent)


@pytest.mark.usefixtures("never_sleeping")
def test_with_no_server_the_offline_message_comes_at_once(tmp_path: Path) -> None:
    place = tmp_path / "timm" / "tiny.pth"

    with pytest.raises(WeightsNotHere) as caught:
        fetch(
            f"http://127.0.0.1:{_closed_port()}/tiny.pth",
            place,
            name="tiny",
            by_hand_path=place,
            listener=silent,
        )

    assert caught.value.problem == "These weights are not on this machine and it is offline."
    assert caught.value.remedy.startswith(f"Pick one marked ✓, or put the file in {place.parent}")


def test_a_server_that_answers_anything_is_online_and_a_closed_port_is_not(shelf) -> None:
    answers = online(f"{shelf.url}/nothing")
    silence = online(f"http://127.0.0.1:{_closed_port()}/")

    assert answers
    assert not silence


def test_a_file_put_by_hand_is_found_under_any_usual_ending(tmp_path: Path) -> None:
    (tmp_path / "timm").mkdir()
    (tmp_path / "timm" / "resnet50.pth").write_bytes(b"x")

    found = by_hand(tmp_path, "timm", "resnet50", "resnet50.a1_in1k")

    assert found == tmp_path / "timm" / "resnet50.pth"
    assert by_hand(tmp_path, "torchvision", "resnet50") is None


def test_a_hub_file_named_by_its_hash_is_checked_against_it(tmp_path: Path) -> None:
    blob = tmp_path / DIGEST
    blob.write_bytes(DATA)

    check_named_hash(blob, DIGEST)
    with pytest.raises(WeightsDamaged, match="its sha256 is another"):
        check_named_hash(blob, "0" * 64)


def _closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
