"""The same verbs from a shell.

    headswap models [PATTERN] | inspect MODEL | check DATA | teach DATA | predict BUNDLE IMAGE...
             | evaluate BUNDLE DATA

Progress goes to stderr. With --json the last line of stdout is one JSON object. Exit codes:
0 done, 2 something the person can mend (one sentence on stderr), 1 a fault of headswap.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from headswap.errors import HeadswapError
from headswap.terminal import Bars
from headswap.training.config import Depth, TeachConfig
from headswap.zoos.catalogue import DEFAULT_MODEL

if TYPE_CHECKING:
    from headswap.pipeline import Outcome

Answer = tuple[dict[str, Any], str]  # what --json prints, what people read


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    options = _parser().parse_args(arguments)
    verb: Callable[[argparse.Namespace], Answer] = options.verb
    try:
        record, words = verb(options)
    except HeadswapError as error:
        print(f"headswap: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("headswap: stopped.", file=sys.stderr)
        return 130
    try:
        print(json.dumps(record, ensure_ascii=False) if options.json else words, flush=True)
    except BrokenPipeError:  # `headswap models | head`: whoever read has read enough
        sys.stderr.close()
    return 0


def models(options: argparse.Namespace) -> Answer:
    """Every architecture that the zoos know."""
    from headswap.zoos.catalogue import list_networks

    cards = list_networks(options.pattern)
    rows = [
        {
            "name": card.name,
            "zoo": card.zoo,
            "parameters": card.parameters,
            "input_size": list(card.input.size),
            "weights": card.weights.words,
            "licence": card.licence,
        }
        for card in cards
    ]
    lines = [f"{'name':44} {'zoo':12} {'parameters':>12} {'input':>11}  weights"]
    for card in cards:
        count = f"{card.parameters:,}" if card.parameters else "not stated"
        size = f"{card.input.height}x{card.input.width}"
        lines.append(f"{card.name:44} {card.zoo:12} {count:>12} {size:>11}  {card.weights.words}")
    return {"models": rows}, "\n".join(lines)


def inspect(options: argparse.Namespace) -> Answer:
    """Find the head of a network and say how."""
    from headswap.inspection import inspect_network

    found = inspect_network(options.model, path=options.head, weights=options.weights, allow_code=True)
    card, site = found.card, found.site
    heads = _heads(site.paths, site.kinds, site.in_features, site.num_classes)
    aux_heads = _heads(site.aux_paths, site.aux_kinds, site.aux_in_features, site.num_classes)
    record = {
        "model": card.name,
        "zoo": card.zoo,
        "heads": heads,
        "aux_heads": aux_heads,
        "input_size": list(card.input.size),
        "mean": list(card.input.mean),
        "std": list(card.input.std),
        "parameters": found.body_parameters + found.head_parameters,
        "head_parameters": found.head_parameters,
        "weights": card.weights.words,
        "licence": card.licence,
        "new_head": site.new_head,
        "evidence": list(site.evidence),
        "candidates": [
            {"path": other.path, "kind": other.kind, "reason": other.reason} for other in site.candidates
        ],
        "metadata": site.metadata,
        "metadata_agrees": site.metadata_agrees,
    }
    lines = [f"{card.full_name}: {record['parameters']:,} parameters, {card.weights.words}"]
    lines += [f"  head {_arrow(head)}" for head in heads]
    lines += [f"  head {_arrow(head)} (only while it is trained)" for head in aux_heads]
    lines += [f"  - {sentence}" for sentence in site.evidence]
    return record, "\n".join(lines)


def _heads(
    paths: Sequence[str], kinds: Sequence[str], widths: Sequence[int], classes: int
) -> list[dict[str, Any]]:
    return [
        {"path": path, "kind": kind, "in_features": width, "out_features": classes}
        for path, kind, width in zip(paths, kinds, widths, strict=True)
    ]


def _arrow(head: dict[str, Any]) -> str:
    return f"{head['path']}: {head['kind']} {head['in_features']} -> {head['out_features']}"


def check(options: argparse.Namespace) -> Answer:
    """Read pictures and say what is wrong with them."""
    from headswap.data.intake import take_in

    data = Path(options.data)
    with Bars() as bars:
        manifest = take_in(
            data, store=_workspace() / "unpacked" if data.is_file() else None, listener=bars
        ).manifest
    problems = [{"file": left.file, "reason": left.reason} for left in manifest.left_out]
    warnings = [finding.sentence for finding in manifest.findings]
    lines = [f"{count:6} {name}" for name, count in manifest.counts.items()]
    lines += [f"left out: {problem['file']}: {problem['reason']}" for problem in problems]
    lines += [f"- {sentence}" for sentence in warnings]
    return {"classes": manifest.counts, "problems": problems, "warnings": warnings}, "\n".join(lines)


def teach(options: argparse.Namespace) -> Answer:
    """Replace the head of a network and teach it."""
    from headswap.again import teach_again
    from headswap.evaluation.words import words_of
    from headswap.pipeline import teach as run

    with Bars() as bars:
        if options.again:
            outcome = teach_again(
                options.again,
                options.data,
                out=options.out,
                weights=options.weights,
                workspace=_workspace(),
                listener=bars,
            )
        else:
            outcome = run(
                options.data,
                model=options.model,
                out=options.out,
                test_share=options.test_share,
                seed=options.seed,
                weights=options.weights,
                head_path=options.head,
                config=TeachConfig(depth=options.depth, budget_s=options.budget),
                workspace=_workspace(),
                listener=bars,
            )
    lines = [
        *words_of(outcome.report),
        *(f"left out: {left.file}: {left.reason}" for left in outcome.left_out),
        f"{outcome.bundle} is ready after {outcome.seconds['total']:.1f} s.",
    ]
    return _record_of(outcome), "\n".join(lines)


def _record_of(outcome: Outcome) -> dict[str, Any]:
    report = outcome.report
    return {
        "bundle": outcome.bundle,
        "model": outcome.model.partition("/")[2],
        "zoo": outcome.model.partition("/")[0],
        "classes": outcome.counts,
        "train_images": outcome.train_images,
        "test_images": outcome.test_images,
        "test_accuracy": report.accuracy,
        "method": report.method,
        "exam_right": report.exam_right,
        "interval": list(report.interval),
        "baseline_accuracy": report.baseline_accuracy,
        "left_out": [{"file": left.file, "reason": left.reason} for left in outcome.left_out],
        "engine": outcome.engine,
        "advice": list(report.advice),
        "seconds": outcome.seconds,
    }


def predict(options: argparse.Namespace) -> Answer:
    """Say what pictures show."""
    from headswap.artefacts.predictor import load_bundle
    from headswap.errors import UnreadablePicture

    bundle = load_bundle(options.bundle, allow_code=options.allow_code)
    predictions, left_out, problem = [], [], None
    for image in options.images:
        try:
            predictions.append(bundle.predict(image))
        except UnreadablePicture as error:
            problem = error
            left_out.append({"file": image, "reason": str(error)})
    if problem is not None and not predictions:
        raise problem
    record = {
        "predictions": [
            {
                "file": one.file,
                "label": one.label,
                "probabilities": one.probabilities,
                "unlike": one.unlike,
                "is_unlike": one.is_unlike,
                "nearest": list(one.nearest),
                "old_head": one.old_head,
            }
            for one in predictions
        ],
        "left_out": left_out,
    }
    lines = [
        f"{one.file}: {one.label} ({one.sure:.0%}){' — unlike all practice pictures' * one.is_unlike}"
        for one in predictions
    ]
    lines += [f"left out: {left['file']}: {left['reason']}" for left in left_out]
    return record, "\n".join(lines)


def evaluate(options: argparse.Namespace) -> Answer:
    """Measure a bundle on any labelled folder."""
    from headswap.artefacts.evaluate import evaluate_bundle
    from headswap.artefacts.predictor import load_bundle

    bundle = load_bundle(options.bundle, allow_code=options.allow_code)
    with Bars() as bars:
        result = evaluate_bundle(bundle, Path(options.data), workspace=_workspace(), listener=bars)
    low, high = result.interval
    record = {
        "accuracy": result.accuracy,
        "images": result.images,
        "right": result.right,
        "interval": [low, high],
        "left_out": [{"file": left.file, "reason": left.reason} for left in result.left_out],
    }
    lines = [
        f"{result.right} of {result.images} right ({result.accuracy:.1%}; probably {low:.0%} to {high:.0%})."
    ]
    lines += [f"left out: {left.file}: {left.reason}" for left in result.left_out]
    return record, "\n".join(lines)


def _workspace() -> Path:
    """Where features and unpacked zips are kept: HEADSWAP_CACHE, or the system's cache folder."""
    import os

    from platformdirs import user_cache_path

    return Path(os.environ.get("HEADSWAP_CACHE") or user_cache_path("headswap"))


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}. See `{self.prog} --help`.", file=sys.stderr)
        sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="headswap", description="Teach any pretrained image classifier your own classes.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, function: Callable[[argparse.Namespace], Answer]) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=(function.__doc__ or "").strip(), description=function.__doc__)
        sub.add_argument("--json", action="store_true", help="one JSON object on the last line of stdout")
        sub.set_defaults(verb=function)
        return sub

    def add_network(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--weights", metavar="FILE", help="your own weights: .safetensors, .pt or .pth")
        sub.add_argument("--head", metavar="PATH", help="take this layer as the head instead of finding it")

    def add_bundle(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("bundle", help="the folder or zip that `headswap teach` wrote")
        sub.add_argument(
            "--allow-code", action="store_true", help="let a bundle taught on your own code import that code"
        )

    sub = verb("models", models)
    sub.add_argument("pattern", nargs="?", help="part of a name, or a pattern such as 'resnet*'")
    sub = verb("inspect", inspect)
    sub.add_argument("model")
    add_network(sub)
    sub = verb("check", check)
    sub.add_argument("data", help="a folder of class folders, or a zip")
    sub = verb("teach", teach)
    _add_teaching(sub)
    add_network(sub)
    sub = verb("predict", predict)
    add_bundle(sub)
    sub.add_argument("images", nargs="+", metavar="IMAGE")
    sub = verb("evaluate", evaluate)
    add_bundle(sub)
    sub.add_argument("data")
    return parser


def _add_teaching(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("data", help="a folder of class folders, or a zip")
    sub.add_argument("--model", default=DEFAULT_MODEL, help="default: %(default)s")
    sub.add_argument(
        "--out", metavar="BUNDLE", help="where the bundle goes; default: beside you, named after DATA"
    )
    sub.add_argument(
        "--test-share", type=float, default=0.2, help="locked away for the exam; default: %(default)s"
    )
    sub.add_argument(
        "--from", dest="again", metavar="BUNDLE", help="repeat the run that left BUNDLE, choice by choice"
    )
    sub.add_argument("--seed", type=int, default=0, help="drives the split; default: %(default)s")
    sub.add_argument(
        "--depth",
        choices=get_args(Depth),
        default="head",
        help="what may move: the head alone, also the norms, the last blocks or everything; auto: further "
        "than the head only where validation pictures say that it helps; default: %(default)s",
    )
    sub.add_argument(
        "--budget", type=float, metavar="SECONDS", help="for the whole run; the best found by then is kept"
    )


if __name__ == "__main__":
    sys.exit(main())
