"""A handler is a plain function; gradio sees of its signature what it has to fill in."""

from __future__ import annotations

from inspect import signature
from typing import Any

import gradio as gr
from gradio.helpers import special_args

from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import bound


def on_press(step: str, project_id: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
    """What gradio filled in, by the name of a step."""
    return {step: (project_id, event, request)}


def test_what_a_handler_knows_is_no_business_of_gradio() -> None:
    left = bound(on_press, "step 1")

    assert list(signature(left).parameters) == ["project_id", "event", "request"]


def test_the_request_and_the_event_find_their_places_behind_an_error_line_too() -> None:
    status, event, request = gr.HTML(), gr.EventData(None, {}), gr.Request()

    for handler in (bound(on_press, "step 1"), errors_as_text(status)(on_press, "step 1")):
        filled, *_ = special_args(handler, ["mugs"], request, event)

        assert handler(*filled)["step 1"][0] == "mugs"
        assert isinstance(handler(*filled)["step 1"][1], gr.EventData)
        assert handler(*filled)["step 1"][2] is request
