"""What a shell says of what a verb gave: lines for people, and the one object of --json.

Flow:  result of a function + its arguments --the function here of the same name--> Answer
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headswap.counted import counted
from headswap.storage.files import to_plain

if TYPE_CHECKING:
    from headswap.bundle.evaluate import BundleEvaluation, Tally
    from headswap.bundle.prediction import Prediction
    from headswap.data.film_link import FetchedFilm
    from headswap.data.manifest import Manifest, SkippedFile
    from headswap.exports.parity import ParityCheck, QuantizedCheck
    from headswap.features.autotune import EngineTimings
    from headswap.heads.site import HeadLayer
    from headswap.network import NetworkCard
    from headswap.pipeline.api import Predictions
    from headswap.pipeline.edit import EditOutcome
    from headswap.pipeline.inspect import Inspection
    from headswap.pipeline.label import LabelTable
    from headswap.pipeline.many import SortedImages
    from headswap.pipeline.run import Outcome

Given = dict[str, Any]  # the arguments of the verb


@dataclass(frozen=True)
class Answer:
    """What a verb says."""

    record: dict[str, Any]  # the one object that --json prints
    text: str  # what people read
    code: int = 0  # of the process


def models(cards: Sequence[NetworkCard], _given: Given) -> Answer:
    """A row for each architecture."""
    rows = [
        {
            "name": card.name,
            "zoo": card.zoo,
            "parameters": card.parameters,
            "input_size": list(card.input.size),
            "weights": card.weights.text,
            "licence": card.licence,
        }
        for card in cards
    ]
    lines = [f"{'name':44} {'zoo':12} {'parameters':>12} {'input':>11}  weights"]
    for card in cards:
        count = f"{card.parameters:,}" if card.parameters else "not stated"
        size = f"{card.input.height}x{card.input.width}"
        lines.append(f"{card.name:44} {card.zoo:12} {count:>12} {size:>11}  {card.weights.text}")
    return Answer({"models": rows}, "\n".join(lines))


def inspect(found: Inspection, _given: Given) -> Answer:
    """Where the head is, and how that is known."""
    card, site = found.card, found.site
    heads = _heads(site.layers, site.num_classes)
    aux_heads = _heads(site.aux_layers, site.num_classes)
    record = {
        "model": card.name,
        "zoo": card.zoo,
        "heads": heads,
        "aux_heads": aux_heads,
        "input_size": list(card.input.size),
        "mean": list(card.input.mean),
        "std": list(card.input.std),
        "parameters": found.backbone_parameters + found.head_parameters,
        "head_parameters": found.head_parameters,
        "weights": card.weights.text,
        "licence": card.licence,
        "new_head": site.new_head,
        "evidence": list(site.evidence),
        "candidates": [
            {"path": other.path, "kind": other.kind, "reason": other.reason} for other in site.candidates
        ],
        "metadata": site.metadata,
        "metadata_agrees": site.metadata_agrees,
    }
    lines = [f"{card.full_name}: {record['parameters']:,} parameters, {card.weights.text}"]
    lines += [f"  head {_arrow(head)}" for head in heads]
    lines += [f"  head {_arrow(head)} (only while it is trained)" for head in aux_heads]
    lines += [f"  - {sentence}" for sentence in site.evidence]
    return Answer(record, "\n".join(lines))


def _heads(layers: Sequence[HeadLayer], classes: int) -> list[dict[str, Any]]:
    return [
        {"path": one.path, "kind": one.kind, "in_features": one.in_features, "out_features": classes}
        for one in layers
    ]


def _arrow(head: dict[str, Any]) -> str:
    return f"{head['path']}: {head['kind']} {head['in_features']} -> {head['out_features']}"


def check(manifest: Manifest, _given: Given) -> Answer:
    """What would be left out, and what is odd about the images."""
    problems = _left_out_record(manifest.left_out)
    warnings = [finding.sentence for finding in manifest.findings]
    lines = [f"{count:6} {name}" for name, count in manifest.counts.items()]
    lines += left_out_lines(manifest.left_out)
    lines += [f"- {sentence}" for sentence in warnings]
    return Answer({"classes": manifest.counts, "problems": problems, "warnings": warnings}, "\n".join(lines))


def film(found: FetchedFilm, _given: Given) -> Answer:
    """How much came, and how many frames it gives."""
    size = f"{found.size / 1e6:.1f} MB"
    return Answer(to_plain(found), f"{found.path} has {size} and gives {counted(found.frames, 'picture')}.")


def train(outcome: Outcome, _given: Given) -> Answer:
    """How good the new head is, and where the bundle lies."""
    from headswap.evaluation.summary import summary_of

    lines = [
        *summary_of(outcome.report),
        *left_out_lines(outcome.left_out),
        f"{outcome.bundle} is ready after {outcome.seconds['total']:.1f} s.",
    ]
    return Answer(_trained(outcome), "\n".join(lines))


def _trained(outcome: Outcome) -> dict[str, Any]:
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
        "exam_right": report.test_right,
        "interval": list(report.interval),
        "baseline_accuracy": report.baseline_accuracy,
        **({} if not report.is_multi_label else {"labels": [to_plain(one) for one in report.label_scores]}),
        "left_out": _left_out_record(outcome.left_out),
        "engine": outcome.engine,
        "advice": [one.sentence for one in report.advice],
        "seconds": outcome.seconds,
    }


def label(found: LabelTable, given: Given) -> Answer:
    """Which images to name next."""
    asked = [row for row in found.rows if row.ask]
    lines = left_out_lines(found.left_out)
    lines += [f"{row.ask:>3}  {row.file}{_guess(row.suggested, row.sure)}" for row in asked]
    images = counted(len(found.rows), "picture")
    lines.append(f"{found.labelled} of {images} have a label. {_next(given.get('csv'), bool(asked))}")
    return Answer(to_plain(found), "\n".join(lines))


def _guess(suggested: str, sure: float | None) -> str:
    return f"  {suggested}? {sure:.0%}" if suggested and sure is not None else ""


def _next(target: str | None, is_open: bool) -> str:
    if target is None:
        return "Give --csv FILE for a table of them, in which you name them."
    if not is_open:
        return f"Put {target} next to the pictures, and teach."
    return f"Fill in the column label of {target}, the numbered ones first, and give the same line again."


def predict(said: Predictions, _given: Given) -> Answer:
    """What each image shows."""
    record = {
        "predictions": [_fields(one) for one in said.answers],
        "left_out": _left_out_record(said.left_out),
    }
    lines = [
        f"{one.file}: {_said(one)}{' — unlike all practice pictures' * one.is_ood}" for one in said.answers
    ]
    lines += left_out_lines(said.left_out)
    return Answer(record, "\n".join(lines))


def _fields(said: Prediction) -> dict[str, object]:
    """An answer for `--json`."""
    return {
        "file": said.file,
        "label": said.label,
        **({} if said.labels is None else {"labels": list(said.labels)}),
        "probabilities": said.probabilities,
        "unlike": said.ood_score,
        "is_unlike": said.is_ood,
        "nearest": list(said.nearest),
        "old_head": said.old_head,
    }


def _said(one: Prediction) -> str:
    """Its class, or each of its labels, and how sure that is."""
    if one.labels is None:
        return f"{one.label} ({one.sure:.0%})"
    return ", ".join(f"{name} ({one.probabilities[name]:.0%})" for name in one.labels) or one.label


def sort(done: SortedImages, _given: Given) -> Answer:
    """How many copies each folder has."""
    from headswap.pipeline.many import TABLE

    lines = [f"{count:>6}  {folder}" for folder, count in done.counts.items()]
    lines += left_out_lines(done.left_out)
    lines.append(f"{done.out} holds {counted(sum(done.counts.values()), 'copy', 'copies')} and {TABLE}.")
    return Answer(to_plain(done), "\n".join(lines))


_HEADINGS: dict[str, str] = {
    "train": "Not counted, it was trained on them",
    "near-train": "Not counted, they look almost the same as pictures it was trained on",
    "test": "Not counted, they were in its test part, seen but not trained on",
    "near-test": "Not counted, they look almost the same as pictures of its test part",
}


def evaluate(result: BundleEvaluation, _given: Given) -> Answer:
    """How often it was right, on what it had not seen and on what it had."""
    from headswap.evaluation.summary import label_line

    record = {
        **_figures(result.unseen),
        **({"labels": [to_plain(one) for one in result.label_scores]} if result.label_scores else {}),
        "seen": {how: _figures(tally) for how, tally in result.seen.items()},
        "seen_files": [{"file": one.file, "how": one.how} for one in result.seen_files],
        "left_out": _left_out_record(result.left_out),
    }
    lines = [_headline(result), *map(label_line, result.label_scores)]
    lines += [
        f"{_HEADINGS[how]}: {tally.right} of {tally.images} right." for how, tally in result.seen.items()
    ]
    if result.seen:
        lines.append("--json names each of these pictures.")
    lines += left_out_lines(result.left_out)
    return Answer(record, "\n".join(lines))


def _headline(result: BundleEvaluation) -> str:
    """The figure for pictures that the network had not seen, or that there is none."""
    if result.accuracy is None or result.interval is None:
        return (
            "Every picture here was seen before, so these figures do not say how good the network is. "
            "Give pictures that it was not taught with."
        )
    low, high = result.interval
    new = "" if not result.seen else " of the pictures that it had not seen"
    every = "Every label right on " * bool(result.label_scores)
    return (
        f"{every}{result.right} of {result.images}{' right' * (not every)}{new} "
        f"({result.accuracy:.1%}; probably {low:.0%} to {high:.0%})."
    )


def _figures(tally: Tally) -> dict[str, object]:
    return {
        "accuracy": tally.accuracy,
        "images": tally.images,
        "right": tally.right,
        "interval": list(tally.interval) if tally.interval else None,
    }


def edit(done: EditOutcome, _given: Given) -> Answer:
    """How good the changed head is."""
    from headswap.evaluation.summary import summary_of

    lines = [
        *summary_of(done.report),
        *left_out_lines(done.left_out),
        f"{done.bundle} is ready after {done.seconds:.1f} s; it answers {', '.join(done.report.classes)}.",
    ]
    return Answer(_edited(done), "\n".join(lines))


def _edited(done: EditOutcome) -> dict[str, Any]:
    report = done.report
    return {
        "bundle": done.bundle,
        "changes": list(done.changes),
        "classes": done.counts,
        "added": done.added,
        "train_images": done.train_images,
        "accuracy": report.accuracy,
        **({"mean_average_precision": report.mean_average_precision} if report.is_multi_label else {}),
        "method": report.method,
        "interval": list(report.interval),
        "left_out": _left_out_record(done.left_out),
        "advice": [one.sentence for one in report.advice],
        "seconds": done.seconds,
    }


def export(check: ParityCheck, given: Given) -> Answer:
    """How closely every way to ask agrees."""
    out = Path(given["out"])
    return Answer({"zip": str(out), **_agreement(check)}, "\n".join(_export_lines(check, out)))


def _agreement(check: ParityCheck) -> dict[str, Any]:
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


def _export_lines(check: ParityCheck, out: Path) -> Iterator[str]:
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


def engines(found: EngineTimings, _given: Given) -> Answer:
    """How long each engine takes."""
    lines = [f"{'engine':32} ms per picture"]
    lines += [
        f"{name:32} {took:8.1f}{'  fastest' if name == found.fastest else ''}"
        for name, took in sorted(found.milliseconds.items(), key=lambda item: item[1])
    ]
    return Answer({"fastest": found.fastest, "milliseconds": found.milliseconds}, "\n".join(lines))


def _left_out_record(left_out: Iterable[SkippedFile]) -> list[dict[str, str]]:
    """Files that were left out, with their reasons, for --json."""
    return [{"file": left.file, "reason": left.reason} for left in left_out]


def left_out_lines(left_out: Iterable[SkippedFile]) -> list[str]:
    """The same for people."""
    return [f"left out: {left.file}: {left.reason}" for left in left_out]
