"""Messages of the page become verbs of the service; the service is a recorder here."""

from __future__ import annotations

from typing import Any, cast

import gradio as gr
import pytest

from headswap.app.service.datasets import Pictures
from headswap.app.service.views import ProjectView
from headswap.app.ui.context import Scene, Shared
from headswap.app.ui.steps.edits import LONGEST, Deed, deed_of, do, do_or_tell, look_closer
from headswap.data.manifest import Manifest
from headswap.errors import BadSetting, NotFound


class Recorder:
    """Notes which verb was called with what."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def __getattr__(self, verb: str) -> Any:
        return lambda *words: self.calls.append((verb, *words))


@pytest.fixture
def scene(manifest: Manifest) -> Scene:
    project = ProjectView(
        id="p", name="mugs", model="m", head_path=None, has_own_weights=False, has_pictures=True, job=None,
        done_job=None,
    )  # fmt: skip
    return Scene("ada", project, manifest, None)


class Thumbs:
    """Stands for what the page shares: only pictures are asked of it here."""

    @property
    def service(self) -> Thumbs:
        return self

    @property
    def pictures(self) -> Thumbs:
        return self

    @staticmethod
    def thumbnail(owner: str, project: str, sha256: str, px: int) -> bytes:
        return f"{sha256} {px}".encode()


class Refusing(Thumbs):
    """Every verb of its service is refused."""

    def rename_class(self, *words: object) -> None:
        raise BadSetting("There is a class called <b> already.", remedy="Choose another name.")

    relabel = undo = rename_class


SHARED = cast(Shared, Thumbs())


@pytest.mark.parametrize(
    ("deed", "call"),
    [
        (Deed("rename", "mug", "", "cup"), ("rename_class", "ada", "p", "mug", "cup")),
        (Deed("merge", "mug", "", "cup"), ("merge_classes", "ada", "p", "mug", "cup")),
        (Deed("drop-class", "mug", "", ""), ("drop_class", "ada", "p", "mug")),
        (Deed("relabel", "", "mug/1.png", "cup"), ("relabel", "ada", "p", ("mug/1.png",), "cup")),
        (Deed("drop", "", "mug/1.png", ""), ("drop", "ada", "p", ("mug/1.png",))),
        (Deed("mend", "duplicates", "", ""), ("mend", "ada", "p", "duplicates")),
        (Deed("undo", "", "", ""), ("undo", "ada", "p")),
        (Deed("start-over", "", "", ""), ("start_over", "ada", "p")),
        (Deed("sample", "", "", ""), ("use_sample", "ada", "p")),
    ],
    ids=lambda value: value.verb if isinstance(value, Deed) else "",
)
def test_each_button_is_one_verb(deed: Deed, call: tuple[object, ...]) -> None:
    recorder = Recorder()

    do(deed, cast(Pictures, recorder), "ada", "p")

    assert recorder.calls == [call]


def test_what_no_button_says_does_nothing() -> None:
    recorder = Recorder()

    do(Deed("__init__", "x", "y", "z"), cast(Pictures, recorder), "ada", "p")

    assert recorder.calls == []


def test_a_message_is_read_as_text_and_never_longer_than_a_name() -> None:
    event = gr.EventData(None, {"deed": "drop", "name": 7, "file": "x" * 9999})

    deed = deed_of(event)

    assert deed == Deed("drop", "", "x" * LONGEST, "")


def test_a_closer_look_opens_the_dialog_it_names(scene: Scene) -> None:
    assert "12 pictures" in look_closer(Deed("open", "mug", "", ""), scene, SHARED)
    assert 'data-file="mug/1.png"' in look_closer(Deed("look", "", "mug/1.png", ""), scene, SHARED)
    assert "1 picture<" in look_closer(Deed("show", "few", "", ""), scene, SHARED)
    assert "Take all 24 pictures out?" in look_closer(Deed("ask-start-over", "", "", ""), scene, SHARED)
    assert "place of your 24 pictures?" in look_closer(Deed("ask-sample", "", "", ""), scene, SHARED)


def test_what_is_gone_is_said(scene: Scene) -> None:
    with pytest.raises(NotFound, match="no such class any more"):
        look_closer(Deed("open", "fork", "", ""), scene, SHARED)
    with pytest.raises(NotFound, match="no such picture any more"):
        look_closer(Deed("look", "", "fork.png", ""), scene, SHARED)
    with pytest.raises(NotFound, match="no pictures any more"):
        look_closer(Deed("open", "mug", "", ""), Scene("ada", scene.project, None, None), SHARED)


def test_a_mistake_stays_in_the_dialog_where_it_was_made(scene: Scene) -> None:
    refusing = cast(Shared, Refusing())

    of_class = do_or_tell(Deed("rename", "mug", "", "<b>"), scene, refusing)
    of_picture = do_or_tell(Deed("relabel", "", "mug/1.png", ""), scene, refusing)

    for dialog in (of_class, of_picture):
        assert "There is a class called &lt;b&gt; already." in dialog
        assert "Choose another name." in dialog
    with pytest.raises(BadSetting, match="called <b> already"):
        do_or_tell(Deed("undo", "", "", ""), scene, refusing)
    assert do_or_tell(Deed("nothing", "", "", ""), scene, refusing) == ""
