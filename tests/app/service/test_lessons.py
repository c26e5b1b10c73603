"""A person's walk through the experiments: guesses first, results kept, one run for the same setting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headswap.app.service.lessons.lessons import CORNER, ORDER, PATH, LessonView
from headswap.app.service.lessons.progress import LearnerProgress, LessonState, ProgressStore
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.errors import BadSetting, NotFound
from headswap.lessons.config import LessonConfig
from headswap.storage.files import make_folder, to_json

TINY = LessonConfig(most_images=16, small_px=32, epochs=1, draws=2)
QUICK = "which-layer"  # takes a moment


@pytest.fixture(scope="module")
def service(few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Its workers and the process that answers are not started: an experiment needs neither."""
    settings = Settings(workspace=tmp_path_factory.mktemp("learn"), sample=few_drawings, lesson=TINY)
    made = Service(settings)
    yield made
    made.__exit__()


@pytest.fixture
def progress(service: Service) -> str:
    return service.lessons.open("", "").id


def finished(service: Service, progress: str, lesson: str, owner: str = "") -> LessonView:
    """Wait until it is over, however that ends."""
    deadline = time.monotonic() + 600
    while (view := service.lessons.view(owner, progress, lesson)).run.is_going:
        assert time.monotonic() < deadline, view.run
        time.sleep(0.05)
    return view


def test_the_path_and_the_corner_are_all_of_them() -> None:
    assert len(PATH) == 7
    assert set(CORNER) == {"all-at-once", "wrong-glasses", "norms", "two-heads"}
    assert len(set(ORDER)) == 11


def test_answers_to_the_quiz_that_version_0_1_wrote_are_read(tmp_path: Path) -> None:
    store, name = ProgressStore(tmp_path), "what-is-a-head"
    begun = LearnerProgress(id="0" * 32, owner="", lesson_states=(LessonState(lesson=name, guess=1),))
    make_folder(store.folder(begun.id))
    store.save(begun)
    old = to_json(begun).replace('"riddles":[]', '"riddles":[2,0,-1]')
    (tmp_path / begun.id / "course.json").write_text(old)

    state = store.get("", begun.id).state_of(name)

    assert "[2,0,-1]" in old
    assert state is not None
    assert state.quiz_answers == (2, 0, -1)


def test_nothing_is_known_before_a_guess(service: Service, progress: str) -> None:
    view = service.lessons.view("", progress, QUICK)

    assert (view.guess, view.result, view.done) == (None, None, ())
    with pytest.raises(BadSetting, match="Nothing was chosen\\. First say what you think"):
        service.lessons.run("", progress, QUICK, -1)
    with pytest.raises(BadSetting, match="This network has no such layer"):
        service.lessons.run("", progress, "what-is-a-head", 0, (7,))


@pytest.mark.slow
def test_a_guess_is_run_kept_and_counts_only_once(service: Service, progress: str) -> None:
    service.lessons.run("", progress, QUICK, 0)
    view = finished(service, progress, QUICK)

    assert view.run.state == "done", view.run
    assert view.result is not None
    assert view.result["answers_wrong_attribute"] == 1000
    assert (view.guess, view.is_right, view.done) == (0, False, (QUICK,))

    service.lessons.run("", progress, QUICK, 1)  # again, and another answer
    again = finished(service, progress, QUICK)
    assert again.guess == 0
    assert again.result is not None
    assert (view.result.seed, again.result.seed) == (0, 1)
    assert [one.lesson.name for one in service.lessons.summary("", progress)] == [QUICK]


@pytest.mark.slow
def test_the_same_setting_is_run_once_for_everybody(service: Service, progress: str) -> None:
    service.lessons.run("", progress, QUICK, 1)
    first = finished(service, progress, QUICK).result
    other = service.lessons.open("", "").id

    service.lessons.run("", other, QUICK, 2)
    view = service.lessons.view("", other, QUICK)

    assert not view.run.is_going, "it was there already"
    assert view.result == first
    assert view.guess == 2


@pytest.mark.slow
def test_it_runs_on_the_persons_own_images_and_never_on_anothers(service: Service) -> None:
    project = service.new_project("ada").id
    service.images.use_sample("ada", project)
    progress, bobs = service.lessons.open("ada", "").id, service.lessons.open("bob", "").id

    with pytest.raises(NotFound, match="There is no such project"):
        service.lessons.run("bob", bobs, QUICK, 0, project=project)
    service.lessons.run("ada", progress, QUICK, 0, project=project)
    view = finished(service, progress, QUICK, "ada")

    assert view.result is not None, view.run
    assert view.is_own
    assert view.result.images == 15  # five of each of three classes
    assert service.lessons.view("bob", bobs, QUICK, project).own_images == ""
    assert service.lessons.view("ada", progress, QUICK, project).own_images == "Four kinds of drawings"


@pytest.mark.slow
def test_a_run_is_stopped_and_its_guess_is_kept(service: Service, progress: str) -> None:
    service.lessons.run("", progress, "how-many", 1)
    service.lessons.stop("", progress, "how-many")

    view = service.lessons.view("", progress, "how-many")
    assert not view.run.is_going
    assert (view.guess, view.result) == (1, None)


def test_somebody_who_logs_in_finds_the_same_course_in_another_browser(service: Service) -> None:
    first = service.lessons.open("carla", "").id

    assert service.lessons.open("carla", "").id == first
    assert service.lessons.open("dora", first).id != first
    with pytest.raises(NotFound, match="This series of experiments was not found"):
        service.lessons.progress("dora", first)


def test_starting_over_forgets_guesses_and_the_place(service: Service, progress: str) -> None:
    service.lessons.go_to("", progress, "norms")
    assert service.lessons.progress("", progress).at == "norms"
    assert service.lessons.was_left("", progress, QUICK), "an answer for it comes too late"
    assert not service.lessons.was_left("", progress, "norms")

    assert service.lessons.reset("", progress).at == ORDER[0]
    assert service.lessons.view("", progress, QUICK).guess is None


def test_an_unknown_experiment_is_refused_with_the_nearest(service: Service, progress: str) -> None:
    with pytest.raises(NotFound, match="Did you mean norms"):
        service.lessons.go_to("", progress, "norm")
