"""`headswap export BUNDLE OUT.zip`: one zip that predicts the same anywhere, and the proof in it."""

from __future__ import annotations

import argparse
from pathlib import Path

from headswap.commands.verb import Answer, Verbs, add_bundle, new_verb


def add(verbs: Verbs) -> None:
    sub = new_verb(verbs, "export", run)
    add_bundle(sub)
    sub.add_argument("out", metavar="OUT.zip", help="where the zip goes")
    sub.add_argument(
        "--pictures", metavar="DATA", help="what it was taught on: ten of these travel along and are checked"
    )
    sub.add_argument("--no-onnx", action="store_true", help="leave model.onnx out")


def run(choices: argparse.Namespace) -> Answer:
    """Pack a bundle with predict.py, ONNX and a model card, and measure that they agree."""
    from headswap.artefacts.bundle import opened, read_dataset
    from headswap.artefacts.take_home import located, take_home
    from headswap.errors import BadSetting
    from headswap.terminal import Bars

    out = Path(choices.out)
    if out.suffix.lower() != ".zip" or out.is_dir():
        raise BadSetting(f"{out} is not the name of a zip.", remedy="Let it end in .zip.")
    if not out.resolve().parent.is_dir():
        raise BadSetting(f"There is no folder {out.resolve().parent}.", remedy="Make it first.")
    manifest = None
    if choices.pictures:
        with opened(Path(choices.bundle)) as folder:
            manifest = located(read_dataset(folder), Path(choices.pictures))
    with Bars() as bars:
        check = take_home(
            Path(choices.bundle),
            out,
            manifest=manifest,
            onnx=not choices.no_onnx,
            allow_code=choices.allow_code,
            listener=bars,
        )
    record = {
        "zip": str(out),
        "agree": check.agree,
        "bound": check.bound,
        "pictures": len(check.pictures),
        "drawings": len(check.drawings),
        "ways": [
            {
                "name": way.name,
                "same": way.same,
                "pictures": way.pictures,
                "largest_difference": way.largest_difference,
                "problem": way.problem,
            }
            for way in check.ways
        ],
    }
    lines = [
        f"{way.name}: not run. {way.problem}"
        if way.largest_difference is None
        else f"{way.name}: same answer on {way.same} of {way.pictures}, "
        f"largest difference {way.largest_difference:.1e}"
        for way in check.ways
    ]
    verdict = (
        "all of these agree" if check.agree else f"they differ by more than {check.bound:g}: see check.json"
    )
    return Answer(record, "\n".join([*lines, f"{out} is ready; {verdict}."]))
