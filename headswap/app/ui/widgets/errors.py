"""A mistake becomes two sentences, with details one press away, where it happened; a bug shows as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any

import gradio as gr
import htpy as h

from headswap.app.ui.widgets.handlers import Updates, bound
from headswap.app.ui.widgets.html import written
from headswap.app.ui.widgets.icons import icon
from headswap.errors import HeadswapError

Decorator = Callable[..., Callable[..., Updates]]


def errors_as_text(
    status: Any, otherwise: Mapping[Any, Any] = MappingProxyType({}), *, clears: bool = True
) -> Decorator:
    """Show a `HeadswapError` of a handler in the component `status`, and clear it when all is well.

    A handler returns {component: value}, so nothing but the status line changes on a mistake
    (`gr.Error` would stamp every output). `otherwise` is what else to show on a mistake.
    What no one pressed must not clear (`clears=False`): it may end after a person's mistake was told.
    It is never empty: gradio takes an empty dictionary for a value of the first output.

    What is given back takes a handler and what it knows, as `bound` does.
    """

    def decorate(handler: Callable[..., Updates], *known: object) -> Callable[..., Updates]:
        bare = bound(handler, *known)

        @wraps(bare)
        def handle(*args: Any, **kwargs: Any) -> Updates:
            try:
                return written({status: None if clears else gr.skip()} | bare(*args, **kwargs))
            except HeadswapError as mistake:
                said = error_html(mistake.problem, mistake.remedy, kinds_of(mistake))
                return written({status: said, **otherwise})

        return handle

    return decorate


def error_html(problem: str, remedy: str, details: str = "") -> h.Renderable:
    """What happened, then what to do; `details` are for anyone who looks after the machine."""
    return h.div(".callout.warn.mistake", role="alert")[
        icon("warn"), h.div[h.p[h.b[problem], " ", remedy], details_html(details)]
    ]


def details_html(details: str) -> h.Renderable | None:
    """Folded away: one press opens them."""
    if not details:
        return None
    return h.details[h.summary["Details"], h.p(".hs-note")[details]]


def kinds_of(mistake: BaseException) -> str:
    """What a mistake is called inside, and what it came from; no paths, no pictures."""
    kinds, cause = [type(mistake).__name__], mistake.__cause__
    while cause is not None:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__
    return f"Kind of error: {', caused by '.join(kinds)}."
