"""Handlers are plain functions: first what they know, then what gradio fills in.

Flow:  on_press(step, page, project_id, request) --bound--> (project_id, request), as a listener takes it
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

Updates = dict[Any, Any]  # a component -> its new value; what is not named stays as it is
# Of a listener: the page itself says what goes on. gradio would tell every output of all events so far that
# it waits, at each event again: a page that only looked once a second kept a fifth of a processor busy.
QUIET: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": [], "api_visibility": "private"}


def bound(handler: Callable[..., Updates], *known: object) -> Callable[..., Updates]:
    """A handler that knows its first arguments; the rest of its signature is gradio's to fill in.

    `functools.partial` has no types of its own, and gradio gives the request and the event to parameters of
    these types.
    """
    whole = signature(handler)

    @wraps(handler)
    def handle(*args: Any, **kwargs: Any) -> Updates:
        return handler(*known, *args, **kwargs)

    left = whole.replace(parameters=list(whole.parameters.values())[len(known) :])
    handle.__signature__ = left  # type: ignore[attr-defined]
    return handle
