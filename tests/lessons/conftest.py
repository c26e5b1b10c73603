"""Experiments run once per seed and shared by all tests; smaller where that shows the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from headswap.heads.wide import WideNetwork
from headswap.lessons.catalogue import run_lesson
from headswap.lessons.config import LessonConfig
from headswap.lessons.lesson import Lesson, LessonResult
from headswap.lessons.material import Material

SEEDS, SEEDS_OF_THE_WHOLE = (0, 1, 2), (0, 1)  # with --thorough; with every image, each takes seconds
WIDE = "every-layer"  # the lesson about it
# Few and small images show the same: with all of them for --thorough.
SMALL_ENOUGH = (WIDE, "wrong-glasses", "all-at-once")
EPOCHS_ENOUGH = {"all-at-once": 2, "everything": 1}  # as much is lost, or not learned, as in more
Run = Callable[..., tuple[LessonResult, ...]]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The machine may be small and busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


UNHURRIED_S = 10_000.0


@pytest.fixture(scope="session")
def lesson_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lessons")


@pytest.fixture(scope="session")
def material(lesson_workspace: Path) -> Material:
    """Sixty-four drawings, seed 0."""
    return Material(small(0), lesson_workspace)


@pytest.fixture(scope="session")
def seen(request: pytest.FixtureRequest, lesson_workspace: Path, material: Material) -> Run:
    """Run a lesson for every seed, or the first without --thorough; `whole`: with all of the sample."""
    thorough = request.config.getoption("--thorough")
    of_each = None if thorough else 1
    materials: dict[LessonConfig, Material] = {material.setting: material}
    results: dict[tuple[str, LessonConfig], LessonResult] = {}

    def run(name: str, *, whole: bool = False, seeds: tuple[int, ...] = ()) -> tuple[LessonResult, ...]:
        seeds = seeds or (SEEDS_OF_THE_WHOLE if whole else SEEDS)[:of_each]
        settings = [setting_of(seed, whole and (thorough or name not in SMALL_ENOUGH)) for seed in seeds]
        if not thorough:
            settings = [replace(one, epochs=EPOCHS_ENOUGH.get(name, one.epochs)) for one in settings]
        for setting in settings:
            if setting not in materials:
                _ = material.network, material.manifest  # read once; experiments break copies
                materials[setting] = material.with_setting(setting)
            if (name, setting) not in results:
                with widened() as made:
                    results[name, setting] = run_lesson(
                        name, setting, workspace=lesson_workspace, material=materials[setting]
                    )
                assert bool(made) == (name == WIDE), f"{name}: only one lesson is about every layer"
        return tuple(results[name, setting] for setting in settings)

    return run


@contextmanager
def widened() -> Iterator[list[WideNetwork]]:
    """Every network that is widened meanwhile."""
    made: list[WideNetwork] = []
    begin = WideNetwork.__init__

    def noted(self: WideNetwork, *arguments: Any) -> None:
        made.append(self)
        begin(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WideNetwork, "__init__", noted)
        yield made


@pytest.fixture
def ran() -> Callable[[Lesson, int, str], dict[str, Any]]:
    """Execute one version of a lesson's code, as it is shown; gives what it left behind."""

    def run(lesson: Lesson, number: int, version: str) -> dict[str, Any]:
        code = lesson.codes[number]
        names: dict[str, Any] = {}
        with torch.random.fork_rng():
            exec(f"{code.before}\n\n{getattr(code, version)}", names)
        return names

    return run


def setting_of(seed: int, whole: bool) -> LessonConfig:
    """Without haste: on a machine that is busy a claim is tried with as much as on one that is not."""
    return LessonConfig(seed=seed, seconds=UNHURRIED_S) if whole else small(seed)


def small(seed: int) -> LessonConfig:
    return LessonConfig(seed=seed, most_images=64, small_px=64, epochs=3, seconds=UNHURRIED_S)
