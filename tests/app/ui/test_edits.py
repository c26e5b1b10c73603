"""Messages of the page become verbs of the service; the service is a recorder here."""

from __future__ import annotations

from typing import Any, cast

import gradio as gr
import pytest

from headswap.app.service.datasets import Datasets
from headswap.app.service.views import ProjectView
from headswap.app.ui.context import PageContext, PageParts
from headswap.app.ui.steps.edits import LONGEST, Edit, dialog_of, do, do_or_tell, edit_of
from headswap.app.ui.widgets.html import rendered
from headswap.data.manifest import Manifest
from headswap.errors import BadSetting, NotFound


class Recorder:
    """Notes which verb was called with what."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def __getattr__(self, verb: str) -> Any:
        return lambda *words: self.calls.append((verb, *words))


@pytest.fixture
def context(manifest: Manifest) -> PageContext:
    project = ProjectView(
        id="p", name="mugs", model="m", head_path=None, has_own_weights=False, has_images=True, job=None,
        done_job=None,
    )  # fmt: skip
    return PageContext("ada", project, manifest, None)


class Thumbs:
    """Stands for what the page shares: only pictures are asked of it here."""

    @property
    def service(self) -> Thumbs:
        return self

    @property
    def images(self) -> Thumbs:
        return self

    @staticmethod
    def thumbnail(owner: str, project: str, sha256: str, px: int) -> bytes:
        return f"{sha256} {px}".encode()


class Refusing(Thumbs):
    """Every verb of its service is refused."""

    def rename_class(self, *words: object) -> None:
        raise BadSetting("There is a class called <b> already.", remedy="Choose another name.")

    relabel = undo = rename_class


SHARED = cast(PageParts, Thumbs())


@pytest.mark.parametrize(
    ("edit", "call"),
    [
        (Edit("rename", "mug", "", "cup"), ("rename_class", "ada", "p", "mug", "cup")),
        (Edit("merge", "mug", "", "cup"), ("merge_classes", "ada", "p", "mug", "cup")),
        (Edit("drop-class", "mug", "", ""), ("drop_class", "ada", "p", "mug")),
        (Edit("relabel", "", "mug/1.png", "cup"), ("relabel", "ada", "p", ("mug/1.png",), "cup")),
        (Edit("drop", "", "mug/1.png", ""), ("drop", "ada", "p", ("mug/1.png",))),
        (Edit("mend", "duplicates", "", ""), ("mend", "ada", "p", "duplicates")),
        (Edit("undo", "", "", ""), ("undo", "ada", "p")),
        (Edit("start-over", "", "", ""), ("start_over", "ada", "p")),
        (Edit("sample", "", "", ""), ("use_sample", "ada", "p")),
    ],
    ids=lambda value: value.verb if isinstance(value, Edit) else "",
)
def test_each_button_is_one_verb(edit: Edit, call: tuple[object, ...]) -> None:
    recorder = Recorder()

    do(edit, cast(Datasets, recorder), "ada", "p")

    assert recorder.calls == [call]


def test_what_no_button_says_does_nothing() -> None:
    recorder = Recorder()

    do(Edit("__init__", "x", "y", "z"), cast(Datasets, recorder), "ada", "p")

    assert recorder.calls == []


def test_a_message_is_read_as_text_and_never_longer_than_a_name() -> None:
    event = gr.EventData(None, {"edit": "drop", "name": 7, "file": "x" * 9999})

    edit = edit_of(event)

    assert edit == Edit("drop", "", "x" * LONGEST, "")


def test_a_closer_look_opens_the_dialog_it_names(context: PageContext) -> None:
    assert "12 pictures" in rendered(dialog_of(Edit("open", "mug", "", ""), context, SHARED))
    assert 'data-file="mug/1.png"' in rendered(dialog_of(Edit("look", "", "mug/1.png", ""), context, SHARED))
    assert "1 picture<" in rendered(dialog_of(Edit("show", "few", "", ""), context, SHARED))
    assert "Take all 24 pictures out?" in rendered(
        dialog_of(Edit("ask-start-over", "", "", ""), context, SHARED)
    )
    assert "place of your 24 pictures?" in rendered(
        dialog_of(Edit("ask-sample", "", "", ""), context, SHARED)
    )


def test_what_is_gone_is_said(context: PageContext) -> None:
    with pytest.raises(NotFound, match="no such class any more"):
        dialog_of(Edit("open", "fork", "", ""), context, SHARED)
    with pytest.raises(NotFound, match="no such picture any more"):
        dialog_of(Edit("look", "", "fork.png", ""), context, SHARED)
    with pytest.raises(NotFound, match="no pictures any more"):
        rendered(
            dialog_of(Edit("open", "mug", "", ""), PageContext("ada", context.project, None, None), SHARED)
        )


def test_a_mistake_stays_in_the_dialog_where_it_was_made(context: PageContext) -> None:
    refusing = cast(PageParts, Refusing())

    of_class = rendered(do_or_tell(Edit("rename", "mug", "", "<b>"), context, refusing))
    of_image = rendered(do_or_tell(Edit("relabel", "", "mug/1.png", ""), context, refusing))

    for dialog in (of_class, of_image):
        assert "There is a class called &lt;b&gt; already." in dialog
        assert "Choose another name." in dialog
    with pytest.raises(BadSetting, match="called <b> already"):
        rendered(do_or_tell(Edit("undo", "", "", ""), context, refusing))
    assert rendered(do_or_tell(Edit("nothing", "", "", ""), context, refusing)) == ""
