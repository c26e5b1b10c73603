"""Blocks of gradio that do nothing for what an answer leaves as it is.

For each output of a listener that an answer does not name, gradio makes a component of the same settings and
describes it twice, and a page draws its HTML again: a look at a run took 0.16 s of a processor, whatever came
back. For each page that is opened it describes all components again, for links into the middle of a page,
which we do not have; and twice for each `with`, though it does so again when the page is launched.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import gradio as gr
from gradio.blocks import BlockFunction, BlocksConfig
from gradio.state_holder import SessionState


class QuickBlocks(gr.Blocks):  # type: ignore[misc]  # gradio has no types
    """`gradio.Blocks`, with the same answers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config: Any = _Config(self)
        vars(config).update(vars(vars(self)["default_config"]))
        self.default_config = config

    def __exit__(self, *args: Any) -> None:
        """Leave it, or one of its pages; gradio would describe all components twice, as at the launch."""
        self.__dict__["get_config_file"] = dict
        try:
            super().__exit__(*args)
        finally:
            del self.__dict__["get_config_file"]

    def get_block_name(self) -> str:
        """What the browser knows it as."""
        return "blocks"

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> list[Any]:
        """As gradio's, for the outputs that an answer names; the others stay as they are."""
        named = _named(block_fn, predictions)
        if not named:
            whole: list[Any] = await super().postprocess_data(block_fn, predictions, state)
            return whole
        part = copy(block_fn)
        part.outputs = named
        given = iter(await super().postprocess_data(part, predictions, state))
        return [
            next(given) if output in named else None if output.stateful else gr.skip()
            for output in block_fn.outputs
        ]


def _named(block_fn: BlockFunction, predictions: object) -> list[Any]:
    """Outputs that an answer gives something; none: another kind of answer, or one that gradio refuses."""
    if not isinstance(predictions, dict):
        return []
    named = [output for output in block_fn.outputs if output in predictions]
    return named if len(named) == len(predictions) else []


class _Config(BlocksConfig):  # type: ignore[misc]
    """Each page that is opened gets a copy of the settings, which describes nothing."""

    def __copy__(self) -> BlocksConfig:
        copied = super().__copy__()
        vars(copied)["config_for_block"] = _nothing
        return copied


def _nothing(*_: object, **__: object) -> dict[str, Any]:
    return {}
