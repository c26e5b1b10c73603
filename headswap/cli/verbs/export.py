"""`headswap export BUNDLE OUT`: a zip or a web page that predicts the same anywhere, and the proof."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headswap.cli.verb import VerbAnswer, Verbs, add_bundle, new_verb

if TYPE_CHECKING:
    from headswap.exports.parity import ParityCheck, QuantizedCheck

FORMS = (
    "programs",
    "openvino",
    "litert",
    "site",
    "teachable-machine",
)  # of `headswap.export`, whose module is imported late


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "export", run)
    add_bundle(sub)
    sub.add_argument(
        "out", metavar="OUT", help="where it goes: NAME.zip for programs, NAME.html for one web page"
    )
    sub.add_argument(
        "--form",
        choices=FORMS,
        default="programs",
        help="of a zip: programs, these with OpenVINO or LiteRT, the page for a host, Teachable Machine's",
    )
    sub.add_argument(
        "--data",
        "--pictures",
        metavar="DATA",
        help="what it was taught on: ten of these travel along and are checked; "
        "a smaller LiteRT network is judged on its exam",
    )
    sub.add_argument("--no-onnx", action="store_true", help="leave model.onnx out")


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Pack a bundle as a zip of programs or as a web page, and measure that all of it agrees."""
    from headswap.cli.progress import Bars
    from headswap.exports.export import export

    out = Path(choices.out)
    with Bars() as bars:
        check = export(
            choices.bundle,
            out,
            data=choices.data,
            onnx=not choices.no_onnx,
            form=choices.form,
            allow_code=choices.allow_code,
            listener=bars,
        )
    return VerbAnswer({"zip": str(out), **_record(check)}, "\n".join(_lines(check, out)))


def _record(check: ParityCheck) -> dict[str, Any]:
    return {
        "agree": check.agree,
        "bound": check.bound,
        "pictures": len(check.images),
        "drawings": len(check.drawings),
        "ways": [
            {
                "name": route.name,
                "same": route.same,
                "pictures": route.images,
                "largest_difference": route.largest_difference,
                "problem": route.problem,
                "note": route.note,
            }
            for route in check.routes
        ],
        "int8": _int8(check.int8) if check.int8 else None,
    }


def _int8(check: QuantizedCheck) -> dict[str, Any]:
    return {
        "name": check.name,
        "bytes": check.size_bytes,
        "pictures": check.images,
        "right": check.right,
        "right_full": check.right_full,
        "low": check.low,
        "high": check.high,
        "lost_points": check.lost_points,
        "same": check.same,
        "largest_difference": check.largest_difference,
    }


def _lines(check: ParityCheck, out: Path) -> Iterator[str]:
    for route in check.routes:
        if route.largest_difference is None:
            yield f"{route.name}: not run. {route.problem}"
        else:
            same = f"same answer on {route.same} of {route.images}"
            yield f"{route.name}: {same}, largest difference {route.largest_difference:.1e}"
            if route.note:
                yield route.note
    if check.int8:
        from headswap.exports.quantized import quantization_summary

        yield quantization_summary(check.int8)
    differ = f"they differ by more than {check.bound:g}: see check.json"
    yield f"{out} is ready; {'all of these agree' if check.agree else differ}."
