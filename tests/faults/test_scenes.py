"""The judge is judged: writing without care is found out."""

from __future__ import annotations

from pathlib import Path

from headswap.errors import HeadswapError
from headswap.storage import files
from tests.faults.scenes import Scene, play


def state(folder: Path) -> str:
    return {"old": "old", "new": "new"}[(folder / "state").read_text()]


def scene(act: object) -> Scene:
    return Scene("state", lambda folder: files.write_text(folder / "state", "old"), act, state)  # type: ignore[arg-type]


def test_writing_into_the_file_itself_is_found_out(room: Path) -> None:
    def act(folder: Path) -> None:
        with files.room_on(folder), files.disk.create(folder / "state") as file:
            file.write(b"new")

    played = play(scene(act), room / "play")

    assert any("full at operation" in loss and "less than the old state" in loss for loss in played.losses)
    assert any("cut at operation" in loss for loss in played.losses)


def test_a_rename_before_the_flush_is_found_out(room: Path) -> None:
    def act(folder: Path) -> None:
        with files.room_on(folder):
            with files.disk.create(folder / "state.draft-1") as file:
                file.write(b"new")
            files.disk.rename(folder / "state.draft-1", folder / "state")
            files.disk.sync(folder)

    played = play(scene(act), room / "play")

    assert any("cut at operation" in loss and "flush" in loss for loss in played.losses)


def test_an_error_without_sentences_and_what_is_left_lying_are_found_out(room: Path) -> None:
    def act(folder: Path) -> None:
        files.disk.append(folder / "notes", b"hm")
        files.write_text(folder / "state", "new")

    played = play(scene(act), room / "play", faults=("full",))

    assert any("no sentence: OSError" in loss for loss in played.losses)


def test_a_fault_that_is_swallowed_is_found_out(room: Path) -> None:
    def act(folder: Path) -> None:
        try:
            files.write_text(folder / "state", "new")
        except HeadswapError:
            return

    played = play(scene(act), room / "play", faults=("broken",))

    assert any("said to have worked, and has not" in loss for loss in played.losses)
