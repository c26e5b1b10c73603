"""What each beat shows, and what it keeps to itself until its time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headswap.app.service.lessons.lessons import ORDER, LessonView
from headswap.app.service.lessons.runs import LessonRunState
from headswap.app.ui.lessons.beats import heading, predict, run, see, why
from headswap.app.ui.lessons.code import sides
from headswap.app.ui.lessons.draw import summary_page
from headswap.app.ui.lessons.shelf import next_after, next_text, shelf
from headswap.app.ui.lessons.terms import ExplainedTerms
from headswap.app.ui.widgets.html import rendered
from headswap.lessons.catalogue import LESSONS
from headswap.lessons.lesson import Lesson, LessonResult, Number
from headswap.plots.figure import Bar, Figure

HOSTILE = "<img src=x onerror=alert(1)>"
RESULT = LessonResult(
    lesson="old-optimizer",
    model=HOSTILE,
    data=HOSTILE,
    images=96,
    seed=2,
    sentences=("Optimizer first: nothing moved.", "Head first: it fell."),
    numbers=(
        Number(name="exam", value=0.5, text="exam right", low=0.4, high=0.6),
        Number(name="moved", value=0.0, text="largest change", unit="number"),
    ),
    figure=Figure(text="Two bars", bars=(Bar(text="one", value=0.5, said="50 %"),)),
    texts=(f"refused: {HOSTILE}",),
    seconds=3.14,
)


def lesson_called(name: str) -> Lesson:
    return next(lesson for lesson in LESSONS if lesson.name == name)


@pytest.fixture
def fresh() -> LessonView:
    return LessonView(
        lesson=lesson_called("old-optimizer"), done=(), guess=None, quiz_answers=(), result=None,
        is_own=False, run=LessonRunState(), seconds=3.0, own_images="", own_model="",
    )  # fmt: skip


@pytest.fixture
def done(fresh: LessonView) -> LessonView:
    return replace(fresh, guess=0, result=RESULT, run=LessonRunState(state="done"))


def words(view: LessonView) -> ExplainedTerms:
    return ExplainedTerms(view.lesson.terms)


def test_before_the_first_experiment_none_is_done() -> None:
    assert "None of eleven done." in rendered(next_text((), ORDER[0]))


def test_before_a_guess_nothing_can_be_run_and_nothing_is_told(fresh: LessonView) -> None:
    assert " disabled data-needs=" in rendered(run(fresh))
    assert "First choose" in rendered(run(fresh))
    assert "<svg" not in rendered(see(fresh))
    assert fresh.lesson.why[0] not in rendered(why(fresh, words(fresh)))
    assert "your guess" not in rendered(predict(fresh, words(fresh)))


def test_while_it_runs_it_says_how_far_it_is_and_can_be_stopped(fresh: LessonView) -> None:
    going = rendered(
        run(replace(fresh, guess=1, run=LessonRunState(state="running", sentence="Step 2 of 20.", share=0.4)))
    )

    assert 'aria-valuenow="40"' in going
    assert "Step 2 of 20." in going
    assert 'data-do="stop"' in going


def test_afterwards_guess_result_numbers_and_origin_are_there_and_harmless(done: LessonView) -> None:
    shown = (
        rendered(predict(done, words(done)))
        + rendered(run(done))
        + rendered(see(done))
        + rendered(why(done, words(done)))
        + rendered(heading(done))
    )

    assert "your guess</span>" in shown
    assert "what happens</span>" in shown
    assert "done in 3.1 s" in shown
    assert "Draw 3 of 10" in shown
    assert "You said “It falls as usual”. It was “It does not move”." in shown
    assert "40–60\u00a0%" in shown
    assert shown.count("<svg xmlns") == 2, "one drawing for a desk, one for a phone"
    assert "<img" not in shown


def test_a_result_of_own_images_does_not_claim_what_is_true_of_the_sample_set(done: LessonView) -> None:
    own = rendered(predict(replace(done, is_own=True, own_images="mine", guess=1), words(done)))

    assert "your guess, and right on the sample set" in own


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_every_term_of_a_lesson_is_explained_exactly_once(lesson: Lesson, done: LessonView) -> None:
    view = replace(done, lesson=lesson, guess=0)
    explained = words(view)
    shown = rendered(predict(view, explained)) + rendered(why(view, explained))

    assert shown.count('class="q"') == len(lesson.terms)


def test_only_the_lines_that_differ_are_marked_and_whole_programs_are_copied() -> None:
    code = lesson_called("old-optimizer").codes[0]
    shown = rendered(sides(code))

    assert shown.count('class="hl bad"') == shown.count('class="hl good"') == 1
    assert shown.count("data-copy=") == 2
    assert "import torch\nfrom torchvision" in shown


def test_the_shelf_counts_and_the_next_is_the_first_that_was_not_done() -> None:
    half = ORDER[:3]

    assert "3 of 11 done" in rendered(shelf(half, ORDER[2]))
    assert 'aria-valuenow="3"' in rendered(shelf(half, ORDER[2]))
    assert next_after(half, ORDER[2]) == ORDER[3]
    assert next_after((*ORDER[:2], *ORDER[3:]), ORDER[9]) == ORDER[2], "it goes round"
    assert "See your summary" in rendered(next_text(ORDER, ORDER[0]))
    assert 'data-do="reset:yes"' not in rendered(shelf(half, ORDER[0]))
    assert 'data-do="reset:yes"' in rendered(shelf(half, ORDER[0], asking=True))


def test_the_summary_holds_guess_result_and_reason(done: LessonView) -> None:
    shown = rendered(summary_page((done,)))

    assert "One of 11 experiments, 0 of 1 guessed right." in shown
    assert "It falls as usual" in shown
    assert RESULT.sentences[0] in shown
    assert done.lesson.why[0] in shown
