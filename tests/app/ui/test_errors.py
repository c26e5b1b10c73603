from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from headswap.app.ui.widgets.errors import errors_as_text
from headswap.errors import BadUpload


def test_a_mistake_becomes_words_in_the_status_line_and_nothing_else_changes(hostile: str) -> None:
    status, drawing = gr.HTML(), gr.HTML()

    @errors_as_text(status, {drawing: None})
    def handler() -> dict[Any, Any]:
        raise BadUpload(f"{hostile} is not a zip.", remedy="Choose a folder or a zip.")

    shown = handler()

    assert shown[drawing] == ""
    assert set(shown) == {status, drawing}
    assert "&lt;img src=x onerror=alert(1)&gt; is not a zip.</b> Choose a folder or a zip." in shown[status]


def test_when_all_is_well_an_old_mistake_is_cleared() -> None:
    status = gr.HTML()

    @errors_as_text(status)
    def handler(name: str) -> dict[Any, Any]:
        return {"name": name}

    assert handler("mug") == {status: "", "name": "mug"}


def test_what_nobody_pressed_leaves_an_earlier_mistake_on_the_page() -> None:
    status = gr.HTML()

    @errors_as_text(status, clears=False)
    def handler() -> dict[Any, Any]:
        return {"cards": "drawn"}

    assert handler() == {status: gr.skip(), "cards": "drawn"}


def test_a_bug_is_not_hidden() -> None:
    status = gr.HTML()

    @errors_as_text(status)
    def handler() -> dict[Any, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        handler()


def test_details_are_one_press_away_and_name_the_kinds_of_error_but_no_path() -> None:
    status = gr.HTML()

    @errors_as_text(status)
    def handler() -> dict[Any, Any]:
        try:
            open("/nowhere/secret.zip")  # noqa: SIM115
        except OSError as error:
            raise BadUpload("It is not a zip.", remedy="Choose another.") from error
        return {}

    shown = handler()[status]

    assert "<details><summary>Details</summary>" in shown
    assert "Kind of error: BadUpload, caused by FileNotFoundError." in shown
    assert "secret" not in shown
