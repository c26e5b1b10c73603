"""What may move, in the words of the page: the choices of step 3, the runs and the report read one table.

Elements only: no gradio, no service.
"""

from __future__ import annotations

from typing import cast

from headswap.training.config import Depth

DEPTHS: dict[Depth, str] = {
    "head": "Only the head",
    "norms": "Head and a bit more",
    "last": "Head and last part",
    "everything": "All of it, step by step",
    "auto": "Try them for me",
}


def depth_name(depth: str) -> str:
    """What the page calls a depth; one that it does not know keeps the name it has on the disk."""
    return DEPTHS.get(cast(Depth, depth), depth)
