"""Eleven lessons in their order; words at once, one way to run them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from headswap.data.ingest import ingest
from headswap.errors import BadSetting, BadUpload, Cancelled, NotFound, TooFewImages
from headswap.events import Event
from headswap.lessons import material as materials
from headswap.lessons.catalogue import LESSONS, find_lesson, run_lesson
from headswap.lessons.config import LessonConfig
from headswap.lessons.lesson import Lesson, LessonResult
from headswap.lessons.material import Material
from headswap.storage.files import from_json, to_json

ROOT = Path(__file__).parents[2]


def test_there_are_ten_lessons_with_names_of_their_own() -> None:
    assert len({lesson.name for lesson in LESSONS}) == len(LESSONS) == 11


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_every_lesson_asks_answers_explains_and_shows_both_versions(lesson: Lesson) -> None:
    assert lesson.question.rstrip().endswith("?")
    assert 0 <= lesson.right < len(lesson.choices) >= 3
    assert lesson.why
    assert lesson.codes
    assert all(code.wrong != code.right for code in lesson.codes)
    assert lesson.terms


def test_the_words_are_at_hand_without_torch() -> None:
    probe = "import sys, headswap.lessons.catalogue; print('torch' in sys.modules)"

    found = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "False"


def test_a_lesson_is_found_by_name_and_by_number() -> None:
    assert find_lesson("old-optimizer").lesson is LESSONS[3]
    assert find_lesson("4").lesson is LESSONS[3]


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(NotFound, match=r"no experiment called 'old-optimiser'. Did you mean old-optimizer\?"):
        find_lesson("old-optimiser")


def test_a_result_survives_the_way_through_json(lesson_workspace: Path, material: Material) -> None:
    result = run_lesson("which-layer", workspace=lesson_workspace, material=material)

    assert from_json(LessonResult, to_json(result)) == result
    assert (result.images, result.data, result.seed) == (64, "the sample set", 0)


def test_whoever_listens_may_stop_it(lesson_workspace: Path, material: Material) -> None:
    def stop(event: Event) -> None:
        raise Cancelled

    listening = Material(material.setting, lesson_workspace, stop)
    listening.__dict__["network"] = material.network

    with pytest.raises(Cancelled):
        run_lesson("which-layer", workspace=lesson_workspace, material=listening)


def test_one_call_from_python_does_the_same(few_drawings: Path, lesson_workspace: Path) -> None:
    import headswap

    result = headswap.lesson("which-layer", data=few_drawings, seed=1, workspace=lesson_workspace)

    assert isinstance(result, LessonResult)
    assert (result.data, result.images, result.seed) == ("drawings", 24, 1)
    assert result["answers_right"] == 3


def test_images_that_a_page_keeps_are_read_from_their_record(sample: Path, tmp_path: Path) -> None:
    from headswap.data.ingest import ingest
    from headswap.storage.records import write_record

    kept = ingest(sample / "train", store=tmp_path / "images").manifest
    write_record(tmp_path / "dataset.json", kept)

    material = Material(LessonConfig(data=str(tmp_path / "dataset.json"), most_images=16), tmp_path)

    assert material.classes == kept.classes
    assert len(material.images) == 16


def test_missing_images_are_said_in_words(tmp_path: Path) -> None:
    setting = LessonConfig(data=str(tmp_path / "nowhere"))

    with pytest.raises(BadUpload, match=r"There is nothing at .*nowhere. Name a folder of class folders."):
        _ = Material(setting, tmp_path).manifest


def test_too_few_images_of_a_class_are_said_in_words(sample: Path, tmp_path: Path) -> None:
    for name in ("bird", "bug"):
        (tmp_path / "few" / name).mkdir(parents=True)
        for image in sorted((sample / "train" / name).iterdir())[: 2 if name == "bug" else 5]:
            (tmp_path / "few" / name / image.name).write_bytes(image.read_bytes())

    with pytest.raises(TooFewImages, match=r"bug: fewer than 4 pictures."):
        _ = Material(LessonConfig(data=str(tmp_path / "few")), tmp_path).manifest


def test_a_head_that_is_not_one_linear_layer_is_refused(tmp_path: Path) -> None:
    from headswap.zoos.catalogue import build_network

    material = Material(LessonConfig(model="squeezenet1_1"), tmp_path)
    material.__dict__["network"] = build_network("squeezenet1_1", device="meta")

    with pytest.raises(BadSetting, match=r"squeezenet1_1 is not one linear layer: classifier.1 \(Conv2d\)"):
        _ = material.site


@pytest.mark.parametrize(("name", "value"), [("draws", 1), ("epochs", 0), ("small_px", 8), ("seed", -1)])
def test_a_setting_that_cannot_work_is_refused(name: str, value: int) -> None:
    with pytest.raises(BadSetting, match=f"{name} is {value}. Choose"):
        LessonConfig(**{name: value})  # type: ignore[arg-type]


def test_another_setting_takes_the_loaded_network_along_unless_it_names_another(material: Material) -> None:
    loaded = material.network

    assert material.with_setting(replace(material.setting, seed=7)).network is loaded
    assert "network" not in vars(material.with_setting(replace(material.setting, model="squeezenet1_1")))


def test_the_sample_is_read_once_for_every_setting_and_a_folder_anew(
    material: Material, few_drawings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    known = material.manifest
    monkeypatch.setattr(materials, "ingest", lambda source, **more: read.append(source) or ingest(source))

    again = material.with_setting(replace(material.setting, epochs=1)).manifest
    other = material.with_setting(replace(material.setting, data=str(few_drawings))).manifest

    assert again == known
    assert read == [few_drawings]
    assert other.classes == ("bird", "fruit", "vehicle")
