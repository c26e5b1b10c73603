"""Tried pictures as a grid: the doubtful first, a page at a time, and no name that becomes markup."""

from __future__ import annotations

from headswap.app.service.batch_files import BatchView
from headswap.app.service.batches import BatchAnswers
from headswap.app.ui.steps.batch_grid import (
    PAGE,
    GridChoice,
    GridContext,
    choice_of,
    filtered,
    grid,
    large_dialog,
    progress,
    sections_of,
)
from headswap.app.ui.widgets.html import rendered
from headswap.bundle.prediction import Prediction
from headswap.data.manifest import ImageRecord, Manifest, SkippedFile

CLASSES = ("mug", "pen")


def answers(*said: tuple[str, float, bool], left_out: tuple[str, ...] = ()) -> BatchAnswers:
    """(label, how sure, unlike) of each picture."""
    images = tuple(
        ImageRecord(
            file=f"photo {i}.jpg", source="x.jpg", class_name="", sha256=f"{i:064x}"[::-1], width=9, height=9,
            fingerprint="0" * 64, brightness=0.5,
        )
        for i in range(len(said))
    )  # fmt: skip
    predictions = tuple(
        Prediction(
            file=image.file, label=label, ood_score=2.0 if is_ood else 0.5,
            probabilities={label: sure, next(name for name in CLASSES if name != label): 1 - sure},
        )
        for image, (label, sure, is_ood) in zip(images, said, strict=True)
    )  # fmt: skip
    broken = tuple(SkippedFile(file=file, reason=f"{file} is not a picture.") for file in left_out)
    manifest = Manifest(name="tried", root="/", classes=("",), images=images, left_out=broken)
    return BatchAnswers(job="job", manifest=manifest, predictions=predictions)


def context(names: tuple[str, ...] = CLASSES, *, is_old: bool = False, **named: str) -> GridContext:
    view = BatchView(state="done", job="job")
    by_hash = {f"{int(place[1:]):064x}"[::-1]: name for place, name in named.items()}
    return GridContext(view=view, classes=CLASSES, names=names, named=by_hash, is_old=is_old)


def test_each_class_shows_its_doubtful_and_unlike_pictures_first() -> None:
    found = answers(("pen", 0.99, False), ("pen", 0.6, False), ("mug", 0.9, False), ("pen", 0.95, True))

    mugs, pens = sections_of(found, GridChoice(), CLASSES)

    assert [one.image.file for one in mugs.shown] == ["photo 2.jpg"]
    assert [one.image.file for one in pens.shown] == ["photo 3.jpg", "photo 1.jpg", "photo 0.jpg"]


def test_filters_show_what_they_say() -> None:
    found = answers(("pen", 0.99, False), ("pen", 0.6, False), ("mug", 0.9, True))

    files = {
        key: [one.image.file for one in filtered(found, key, CLASSES)]
        for key in ("all", "doubtful", "unlike", "class-0", "class-1", "class-9", "class-x", "nonsense")
    }

    everything = ["photo 2.jpg", "photo 1.jpg", "photo 0.jpg"]
    assert files["doubtful"] == ["photo 1.jpg"]
    assert files["unlike"] == files["class-0"] == ["photo 2.jpg"]
    assert files["class-1"] == ["photo 1.jpg", "photo 0.jpg"]
    assert files["all"] == files["class-9"] == files["class-x"] == files["nonsense"] == everything


def test_no_more_than_a_page_of_thumbnails_is_drawn_at_once() -> None:
    found = answers(*[("pen", 0.99, False)] * 100, *[("mug", 0.99, False)] * 50)

    assert sum(len(one.shown) for one in sections_of(found, GridChoice(), CLASSES)) == PAGE
    first, second = (sections_of(found, GridChoice("class-1", page), CLASSES)[0] for page in (0, 1))
    assert (len(first.shown), len(second.shown), len(second.all)) == (60, 40, 100)
    beyond = sections_of(found, GridChoice("class-1", 99), CLASSES)[0]
    assert beyond.shown == second.shown
    more, before = (rendered(grid(found, GridChoice("class-1", page), context(), {})) for page in (0, 1))
    assert "Show 40 more" in more
    assert "Show the 60 before" in before
    assert "61–100 of 100" in before


def test_what_a_page_remembers_is_read_and_nonsense_shows_all() -> None:
    assert choice_of(GridChoice("doubtful", 2).text) == GridChoice("doubtful", 2)
    for text in ("", " ", "all", "all x", "all 99999999999"):
        assert choice_of(text) == GridChoice("all", 0)


def test_names_of_files_and_classes_are_text(hostile: str) -> None:
    found = answers(("pen", 0.6, True), left_out=(hostile,))

    drawn = rendered(grid(found, GridChoice(), context((hostile, "pen"), n0=hostile), {}))
    large = rendered(large_dialog(found.tried[0], "", None, context((hostile, "pen"), n0=hostile), None))

    for html in (drawn, large):
        assert hostile not in html
        assert "&lt;img src=x" in html
    assert "It is not sure of 1, and 1 is unlike anything it has practised on." in drawn
    assert "1 file could not be tried" in drawn


def test_a_picture_says_in_words_what_its_marks_say() -> None:
    html = rendered(grid(answers(("pen", 0.6, True)), GridChoice(), context(n0="mug"), {}))

    assert 'aria-label="photo 0.jpg: it says pen, 60\u00a0% sure, unlike, not sure"' in html
    assert "it is mug" in html
    assert 'aria-label="Tick photo 0.jpg"' in html


def test_many_classes_are_a_list_and_few_are_buttons() -> None:
    found = answers(("pen", 0.6, False))

    few = rendered(grid(found, GridChoice(), context(), {}))
    many = rendered(grid(found, GridChoice(), context(tuple(f"class {i}" for i in range(40))), {}))

    assert 'aria-label="It is mug"' in few
    assert "<select" not in few
    assert many.count("<option>") == 40


def test_answers_of_another_run_can_be_asked_for_again() -> None:
    found = answers(("pen", 0.6, False))

    assert "try-again" not in rendered(grid(found, GridChoice(), context(), {}))
    assert "try-again" in rendered(grid(found, GridChoice(), context(is_old=True), {}))


def test_how_far_it_is_is_said_in_figures() -> None:
    predicting = rendered(progress(BatchView(state="predicting", done=37, total=400)))

    assert "37 of 400" in predicting
    assert 'aria-valuenow="9"' in predicting
    assert "12 pictures read" in rendered(progress(BatchView(state="reading", done=12)))
    assert "stop-tried" in predicting
