"""A person's mistake becomes two sentences in the step where it happened; everything else is a bug and "
"shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, ParamSpec

from headswap.errors import HeadswapError
from headswap.ui.icons import icon
from headswap.ui.words import safe

Inputs = ParamSpec("Inputs")
Handler = Callable[Inputs, dict[Any, Any]]


def errors_as_words(
    status: Any, otherwise: Mapping[Any, Any] = MappingProxyType({}), *, clears: bool = True
) -> Callable[[Handler[Inputs]], Handler[Inputs]]:
    """Show a `HeadswapError` of a handler in the component `status`, and clear it when all is well.

    A handler returns {component: value}, so nothing but the status line changes on a mistake
    (`gr.Error` would stamp every output). `otherwise` is what else to show on a mistake.
    What nobody pressed must not clear (`clears=False`): it may end after a person's mistake was told.
    """

    def decorate(handler: Handler[Inputs]) -> Handler[Inputs]:
        @wraps(handler)
        def handle(*args: Inputs.args, **kwargs: Inputs.kwargs) -> dict[Any, Any]:
            try:
                return ({status: ""} if clears else {}) | handler(*args, **kwargs)
            except HeadswapError as mistake:
                return {status: mistake_words(mistake.problem, mistake.remedy), **otherwise}

        return handle

    return decorate


def mistake_words(problem: str, remedy: str) -> str:
    """What happened, then what to do."""
    return (
        f'<div class="callout warn mistake" role="alert">{icon("warn")}<p><b>{safe(problem)}</b> '
        f"{safe(remedy)}</p></div>"
    )
