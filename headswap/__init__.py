"""headswap turns any pretrained image classifier into your own.

    import headswap

    network = headswap.load_network("tf_efficientnet_lite0")
    print(headswap.find_head(network).paths)        # ('classifier',)
    outcome = headswap.teach("pictures/")           # a folder of class folders, or a zip
    bundle = headswap.load_bundle(outcome.bundle)
    print(bundle.predict("new.jpg").label)

Importing headswap loads no torch; the first call that needs it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headswap.errors import HeadswapError

if TYPE_CHECKING:
    from headswap.bundle.predictor import Bundle, load_bundle
    from headswap.heads.detect import find_head
    from headswap.heads.site import HeadSite
    from headswap.heads.swap import SwapRecord, swap_head
    from headswap.lessons.catalogue import lesson
    from headswap.pipeline.compare import Comparison, compare
    from headswap.pipeline.run import Outcome, run_experiment, teach
    from headswap.zoos.catalogue import load_network

__version__ = "0.1.0"

__all__ = [
    "Bundle",
    "Comparison",
    "HeadSite",
    "HeadswapError",
    "Outcome",
    "SwapRecord",
    "compare",
    "find_head",
    "lesson",
    "load_bundle",
    "load_network",
    "run_experiment",
    "swap_head",
    "teach",
]

_HOMES = {
    "Bundle": "headswap.bundle.predictor",
    "Comparison": "headswap.pipeline.compare",
    "HeadSite": "headswap.heads.site",
    "Outcome": "headswap.pipeline.run",
    "SwapRecord": "headswap.heads.swap",
    "compare": "headswap.pipeline.compare",
    "find_head": "headswap.heads.detect",
    "lesson": "headswap.lessons.catalogue",
    "load_bundle": "headswap.bundle.predictor",
    "load_network": "headswap.zoos.catalogue",
    "run_experiment": "headswap.pipeline.run",
    "swap_head": "headswap.heads.swap",
    "teach": "headswap.pipeline.run",
}


def __getattr__(name: str) -> Any:  # PEP 562: load a room when somebody enters it
    if name not in _HOMES:
        raise AttributeError(f"module 'headswap' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
