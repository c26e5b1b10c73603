"""Every single write, flush and rename of headswap fails once: the old state or the new one, never less."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.scenes import all_scenes, play, small_images

NAMES = [scene.name for scene in all_scenes(Path())]


@pytest.mark.parametrize("name", NAMES)
def test_every_fault_at_every_operation_leaves_the_old_or_the_new_and_can_be_tried_again(
    name: str, room: Path
) -> None:
    images = small_images(room / "pictures")
    scene = next(scene for scene in all_scenes(images) if scene.name == name)

    played = play(scene, room / "room")

    assert played.losses == ()
    assert played.operations >= 1
