"""/learn in a real browser: guess, run, see, why; ten times, by keyboard, on a phone, on paper."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as NotSeen

from headswap.app.processes.child import ChildProcess
from headswap.app.service.lessons.lessons import ORDER
from headswap.app.service.lessons.runs import LessonRuns
from headswap.app.service.settings import Settings
from headswap.lessons.catalogue import LESSONS, run_lesson
from headswap.lessons.config import LessonConfig
from headswap.lessons.material import Material
from headswap.storage.records import write_record
from tests.e2e.house import WAIT_MS, House, Visit

pytestmark = pytest.mark.browser

LONG_MS = 2 * WAIT_MS  # for an experiment where many things run next to it
OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"
DEAR = (
    "all-at-once",
    "everything",
    "no-magic",
    "wrong-glasses",
    "norms",
    "every-layer",
)  # each of them trains whole networks; the last looks at the pictures in many more ways
TINY = LessonConfig(most_images=16, small_px=32, epochs=1, draws=2)
RIGHT = {lesson.name: lesson.right for lesson in LESSONS}


def address(lesson: str) -> str:
    return "learn" + (f"?lesson={lesson}" if lesson else "")


def learn(visit: Visit, house: House, lesson: str = "") -> Page:
    """Open the page of the experiments, coming from another."""
    visit.page.goto(f"{house.url}{address(lesson)}")
    visit.wait("#hs-learn-predict .answers")
    visit.moved_on()
    return visit.page


def begin_with(enter: Callable[..., Visit], lesson: str = "", **like: int) -> Visit:
    """Open the page of the experiments first of all, in a fresh browser."""
    visit = enter(path=address(lesson), **like)
    visit.wait("#hs-learn-predict .answers")
    return visit


def turn_to(page: Page, lesson: str) -> None:
    page.click(f"#hs-learn-shelf [data-do='open:{lesson}']")
    page.wait_for_selector(f"#hs-learn-shelf [data-do='open:{lesson}'][aria-current]", timeout=WAIT_MS)


def guess_and_run(page: Page, choice: int) -> None:
    """Beats one to three; the result is on the page afterwards."""
    page.wait_for_selector("#hs-run[disabled]", timeout=WAIT_MS)
    page.click(f"#hs-learn-predict .answers label:nth-of-type({choice + 1})")
    page.click("#hs-run:not([disabled])")
    page.wait_for_selector("#hs-learn-see svg.lesson", state="attached", timeout=LONG_MS)


@pytest.fixture
def walker(enter: Callable[..., Visit]) -> Iterator[Page]:
    """A fresh browser on the page; what it leaves behind in the middle of a question is forgiven."""
    visit = begin_with(enter)
    yield visit.page
    visit.moved_on()


@pytest.fixture
def made_before(house: House, tmp_path: Path) -> Iterator[None]:
    """What the dear experiments give, made on sixteen pictures and kept where the page finds it.

    `tests/lessons` runs each of them as it is, and the page has one way for all.
    """
    runs = LessonRuns(ChildProcess("never:asked", timeout_s=1), house.workspace / "lessons", tmp_path)
    material, usual = Material(TINY, tmp_path), Settings(workspace=tmp_path, sample=tmp_path).lesson
    results = {
        house.workspace / "lessons" / "results" / f"{runs.key(name, usual)}.json": run_lesson(
            name, TINY, workspace=tmp_path, material=material
        )
        for name in DEAR
    }
    for path, result in results.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_record(path, result)
    yield
    for path in results:
        path.unlink()


@pytest.mark.usefixtures("made_before")
def test_the_whole_path_every_experiment_guessed_and_one_page_at_the_end(
    enter: Callable[..., Visit], tmp_path: Path
) -> None:
    visit = begin_with(enter)
    page = visit.page
    undecided = 0  # a run that chance could explain says so, and what the whole sample set shows
    assert page.locator("#hs-learn-shelf li").count() == 13
    for number, name in enumerate(ORDER, start=1):
        if number > 1:
            page.click("#hs-next-lesson")
            page.wait_for_selector(f"#hs-learn-shelf [data-do='open:{name}'][aria-current]", timeout=WAIT_MS)
        page.wait_for_selector("#hs-learn-why .sides", state="detached", timeout=WAIT_MS)  # no reason before
        guess_and_run(page, RIGHT[name] if number % 2 else (RIGHT[name] + 1) % 3)
        page.wait_for_selector(f"#hs-learn-shelf .far:has-text('{number} of 11 done')", timeout=WAIT_MS)
        verdict = "You said it beforehand." if number % 2 else "You said “"
        judged = page.inner_text("#hs-learn-see .judged")
        if "This run alone does not decide it" in judged:
            undecided += name not in DEAR
        else:
            assert judged.startswith(verdict), name
        assert page.locator("#hs-learn-why .sides figure").count() >= 2, name
        assert page.locator("#hs-learn-see .said p").count() >= 1, name
        assert page.locator("#hs-learn .mistake").count() == 0, name
    assert undecided < len(ORDER) - len(DEAR)  # a slow machine looks at fewer images

    page.reload()
    visit.wait("#hs-learn-see svg.lesson.wide")
    visit.moved_on()
    assert "11 of 11 done" in page.inner_text("#hs-learn-shelf")
    page.click("#hs-next-lesson")
    visit.wait(".summary table")
    assert page.locator(".summary tbody tr").count() == 11
    assert "Eleven of 11 experiments, 6 of 11 guessed right." in page.inner_text(".summary .score")
    paper = tmp_path / "summary.pdf"
    page.pdf(path=paper, prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page[^s]", paper.read_bytes())) == 1, "one page"
    assert page.locator(".summary .no-print").evaluate("one => getComputedStyle(one).display") != "none"
    page.emulate_media(media="print")
    assert page.locator(".summary .no-print").evaluate("one => getComputedStyle(one).display") == "none"


def test_heads_are_guessed_first_and_then_really_found(walker: Page) -> None:
    walker.click("#hs-learn-predict .quiz summary")
    right = (0, 2, 1, 0, 1)  # five right, the sixth left out
    for row, place in enumerate(right):
        walker.click(f"#hs-learn-predict .quiz li:nth-of-type({row + 1}) label:nth-of-type({place + 1})")
    guess_and_run(walker, 0)

    assert walker.inner_text(".quiz.seen h3") == "Heads guessed: 5 of 6"
    found = walker.locator(".quiz.seen tbody tr td:last-child").all_inner_texts()
    assert found == [
        "fc", "classifier.6", "classifier", "classifier.1", "head and head_dist", "heads.head",
    ]  # fmt: skip


def test_a_whole_experiment_by_keyboard_alone(walker: Page) -> None:
    page = walker
    turn_to(page, "which-layer")
    page.wait_for_selector("#hs-learn-predict .answers input[value='2']")
    page.focus("#hs-learn-shelf [aria-current]")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "guess":
            break
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.querySelector('input[name=guess]:checked').value") == "1"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "hs-run":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#hs-learn-see svg.lesson", state="attached", timeout=LONG_MS)
    page.wait_for_function("document.activeElement.id === 'hs-run'", timeout=WAIT_MS)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "hs-next-lesson":
            break
    page.keyboard.press("Enter")

    page.wait_for_selector("#hs-learn-shelf [data-do='open:old-optimizer'][aria-current]", timeout=WAIT_MS)


def test_words_are_explained_where_the_focus_is_and_code_is_copied_whole_and_runs(
    walker: Page, browser_clipboard: None
) -> None:
    turn_to(walker, "old-optimizer")
    walker.wait_for_selector("#hs-learn-predict h2 + p:has-text('20 passes')")
    mark = walker.locator("#hs-learn-predict .q").first

    assert "The field says: " in (mark.get_attribute("aria-label") or "")
    mark.focus()
    tip = mark.locator(".tip")
    assert tip.is_visible()
    assert "The field says" in tip.inner_text()
    assert tip.locator("svg").count() == 1

    turn_to(walker, "versions")
    walker.wait_for_selector("#hs-learn-why .sides")
    walker.click("#hs-learn-why figure:nth-of-type(2) [data-copy]")
    walker.wait_for_selector("#hs-learn-why figure:nth-of-type(2) [data-copy]:has-text('Copied')")

    program = walker.evaluate("navigator.clipboard.readText()")
    names: dict[str, object] = {}
    exec(program, names)
    assert names["kept"] == 3


@pytest.fixture
def browser_clipboard(walker: Page) -> None:
    walker.context.grant_permissions(["clipboard-read", "clipboard-write"])


def test_on_a_phone_nothing_scrolls_sideways(enter: Callable[..., Visit]) -> None:
    visit = begin_with(enter, "which-layer", width=390, height=844)
    page = visit.page
    guess_and_run(page, 1)

    for name in ("what-is-a-head", "versions", "which-layer"):
        turn_to(page, name)
        if name != "versions":  # a card for experts: its code is open
            page.click("#hs-learn-why .codes summary, #hs-learn-predict .quiz summary")
        page.wait_for_selector("#hs-learn-why .sides, #hs-learn-predict .quiz label")
        for width in (390, 320):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate(OVERFLOW) <= 0, (name, width)
    page.wait_for_selector("#hs-learn-see svg.lesson.narrow", state="visible")
    box = page.locator("#hs-next-lesson").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["y"] < 844, "the next action is in sight"
    small = page.evaluate(
        "[...document.querySelectorAll('#hs-learn button, #hs-learn summary, #hs-learn label')]"
        ".filter(one => one.offsetParent).map(one => [one.getBoundingClientRect(), one.innerText])"
        ".filter(([box]) => box.height < 40).map(([, name]) => name)"
    )
    assert small == []
    visit.moved_on()


def test_the_class_room_is_large_on_every_page_and_the_five_steps_lead_to_the_experiments_and_back(
    walker: Page, house: House
) -> None:
    size = "parseFloat(getComputedStyle(document.querySelector('#hs-learn h1')).fontSize)"
    before = walker.evaluate(size)
    walker.click("[data-classroom]")  # which this browser remembers
    walker.wait_for_selector("html.class-room")
    walker.wait_for_function(f"before => {size} > before", arg=before)
    walker.wait_for_selector(".with-class[open]")

    walker.goto(house.url)
    walker.wait_for_selector("#hs-chip .hs-status", timeout=WAIT_MS)
    walker.wait_for_selector("html.class-room [data-classroom][aria-pressed=true]")
    walker.wait_for_selector("#hs-own", state="hidden")
    walker.click("[data-classroom]")
    walker.wait_for_selector("html:not(.class-room)")
    walker.wait_for_selector("#hs-own", state="visible")

    walker.click(".hs-links a[href=learn]")
    walker.wait_for_selector("#hs-learn-predict .answers", timeout=WAIT_MS)
    walker.wait_for_selector(".hs-steplinks a:has-text('Pictures')")
    walker.click(".hs-steplinks a:has-text('Pictures')")
    walker.wait_for_selector("#hs-sample", timeout=WAIT_MS)


def test_a_run_is_stopped_from_the_page_and_starting_over_forgets(walker: Page) -> None:
    turn_to(walker, "everything")
    walker.wait_for_selector("#hs-run[disabled]")
    walker.click("#hs-learn-predict .answers label:nth-of-type(1)")
    walker.click("#hs-run:not([disabled])")
    walker.wait_for_selector("#hs-stop-run, #hs-learn-see svg", timeout=WAIT_MS)
    with contextlib.suppress(NotSeen):  # a run that is over has nothing to stop
        walker.click("#hs-stop-run", timeout=10_000)
    walker.wait_for_selector("#hs-run", timeout=WAIT_MS)
    assert walker.locator("#hs-learn-predict .answers input:disabled").count() == 3, "the guess is kept"

    turn_to(walker, "which-layer")
    guess_and_run(walker, 0)
    walker.click("#hs-learn-shelf [data-do='reset:ask']")
    walker.click("#hs-learn-shelf [data-do='reset:yes']")
    walker.wait_for_selector("#hs-learn-shelf .far:has-text('0 of 11 done')", timeout=WAIT_MS)
    assert walker.locator("#hs-learn-predict .answers input:disabled").count() == 0
