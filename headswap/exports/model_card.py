"""README.md of the zip: what it is, how good, what it was trained on, its limits, how to use it.

Flow:  BundleCard + Report + Manifest + ParityCheck --model_card--> Markdown, with metadata for the Hub
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from headswap.bundle.format import BundleCard
from headswap.counted import counted
from headswap.data.manifest import Manifest
from headswap.data.split import crossing
from headswap.evaluation.report import Report
from headswap.evaluation.summary import baseline_of, headline, label_line
from headswap.exports.parity import ParityCheck
from headswap.exports.quantized import quantization_summary

_MOST_NAMED = 20  # images with a doubted label that are named
_PACKAGES = {"timm": "timm", "torchvision": "torchvision", "transformers": "transformers"}


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """Everything that the card speaks of."""

    title: str  # the project's name
    card: BundleCard
    report: Report
    manifest: Manifest
    check: ParityCheck
    kept: int = 0  # images whose features the bundle keeps


def model_card(facts: CardFacts) -> str:
    """The whole text."""
    card = facts.card
    library, _, network = card.model.partition("/")
    parts = [
        f"{_metadata(facts)}\n\n# {plain(facts.title)}",
        f"{_what(card)} The body is `{network}` of {library} with "
        f"{card.parameters:,} numbers in all; its head was replaced"
        f"{' by one that reads every layer' if card.site.taps else ''} and taught with headswap.",
        "## Use it",
        _use(facts),
        "## How good it is",
        "\n".join(f"- {plain(sentence)}" for sentence in result_sentences(facts.report)),
        _class_table(facts),
        "## What it was taught on",
        _data(facts.manifest),
        *_kept(facts),
        *_edits(facts.card),
        "## Limits",
        "\n".join(f"- {plain(sentence)}" for sentence in (*limit_sentences(facts.report), *_advice(facts))),
        *_label_issues(facts.report),
        "## Do all ways to ask it say the same?",
        _agreement(facts.check),
        "## Licence and versions",
        _licence(card),
    ]
    return "\n\n".join(parts) + "\n"


def _what(card: BundleCard) -> str:
    if card.is_multi_label:
        return (
            f"It says which of {_names(card.classes)} a picture shows: none, one or several, each by a "
            "threshold of its own (`thresholds.json`)."
        )
    return f"A picture classifier for {_names(card.classes)}."


def _advice(facts: CardFacts) -> tuple[str, ...]:
    """What may be done about it in the next training."""
    return tuple(one.sentence for one in facts.report.advice)


def _metadata(facts: CardFacts) -> str:
    """What the Hub of Hugging Face reads at the top of a card: task, library, licence, figures."""
    from huggingface_hub import EvalResult, ModelCardData

    library = facts.card.model.partition("/")[0]
    report = facts.report
    measured: list[tuple[str, float, str | None]] = [("accuracy", report.accuracy, None)]
    if report.is_multi_label:  # the share of images with every label right has another name there
        measured = [("exact_match", report.accuracy, "Every label of a picture right")]
        if report.mean_average_precision is not None:
            name = "Mean average precision over labels"
            measured.insert(0, ("mean_average_precision", report.mean_average_precision, name))
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type="imagefolder",
            dataset_name=facts.title,
            metric_type=kind,
            metric_value=round(value, 4),
            metric_name=name,
        )
        for kind, value, name in measured
    ]
    data = ModelCardData(
        model_name=facts.title,
        pipeline_tag="image-classification",
        library_name="headswap",  # neither timm nor transformers loads this folder
        license=facts.card.licence or "unknown",
        tags=[
            "image-classification",
            *(["multi-label"] if report.is_multi_label else []),
            "headswap",
            library,
        ],
        eval_results=results,
    )
    return f"---\n{data.to_yaml().strip()}\n---"


def requirements(card: BundleCard) -> str:
    """requirements.txt: what predict.py was run with."""
    library = card.model.partition("/")[0]
    needed = ("torch", _PACKAGES.get(library, ""), "numpy", "pillow")
    lines = [f"{name}>={card.versions[name].split('+')[0]}" for name in needed if name in card.versions]
    extra = "# pillow-heif  (only to read HEIC pictures)\n# onnxruntime  (only for predict_onnx.py)\n"
    own = "# and the file that defines your own network, next to predict.py\n" if library == "own" else ""
    return "\n".join(lines) + "\n" + own + extra


def plain(text: str) -> str:
    """Any name as text: no HTML, no table cell, no line of its own."""
    cleaned = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return "".join(letter for letter in cleaned if letter.isprintable())


def _names(classes: tuple[str, ...]) -> str:
    shown = [f"**{plain(name)}**" for name in classes]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def _use(facts: CardFacts) -> str:
    own = ""
    if facts.card.model.startswith("own/"):
        module = facts.card.model.partition("/")[2].partition(":")[0]
        own = f"\n\nThe network is your own code: put `{module.replace('.', '/')}.py` next to `predict.py`."
    onnx = ""
    if any(route.name == "model.onnx" and not route.problem for route in facts.check.routes):
        onnx = "python predict_onnx.py picture.jpg     # onnxruntime, pillow and numpy; no torch\n"
    if any(route.name == "model.xml" and not route.problem for route in facts.check.routes):
        onnx += "python predict_openvino.py picture.jpg # openvino, pillow and numpy; no torch\n"
    if any(route.name == "model.tflite" and not route.problem for route in facts.check.routes):
        onnx += (
            "python predict_litert.py picture.jpg   # ai-edge-litert, pillow, numpy; --int8: the smaller\n"
        )
    return (
        "```sh\npip install -r requirements.txt\npython predict.py picture.jpg          # or several, or a "
        f"folder; --json for machines\n{onnx}headswap predict . picture.jpg         # where headswap is "
        f"installed\n```{own}\n\n`preprocessing.json` says how a picture is made into numbers, "
        "`labels.json` holds the names in the order of the answers."
    )


def result_sentences(report: Report) -> Iterator[str]:
    """How good it is."""
    yield headline(report)
    yield baseline_of(report)
    yield from (label_line(one) for one in report.label_scores)
    yield f"Of the pictures it practised on it gets {report.train_right} of {report.train_total} right."
    if report.reliability:
        yield report.reliability


def _class_table(facts: CardFacts) -> str:
    counts = facts.manifest.counts
    judged = {score.name: score for score in facts.report.class_scores}
    rows = ["| class | pictures | judged | found | right when said |", "|---|--:|--:|--:|--:|"]
    for name in facts.report.classes:
        score = judged.get(name)
        found = f"{score.recall:.0%}" if score and score.recall is not None else "not known"
        right = f"{score.precision:.0%}" if score and score.precision is not None else "not known"
        judged_images = score.images if score else 0
        rows.append(f"| {plain(name)} | {counts.get(name, 0)} | {judged_images} | {found} | {right} |")
    return "\n".join(rows)


def _data(manifest: Manifest) -> str:
    train, test = len(manifest.part("train")), len(manifest.part("test"))
    left = f" Left out: {counted(len(manifest.left_out), 'file')}." if manifest.left_out else ""
    across = len(crossing(manifest))
    near = "Near duplicates that were found stand in one of them."
    if across:
        near = f"{across} of the exam (a folder of its own) are near duplicates of practice pictures."
    return (
        f"{len(manifest.images)} pictures: {train} to practise on, {test} locked away for the exam. "
        f"{near}{left} `dataset.json` names every picture by its sha256."
    )


def _kept(facts: CardFacts) -> Iterator[str]:
    """What the bundle keeps of its images."""
    if facts.kept:
        size = facts.kept * sum(facts.card.site.in_features) / 1e6
        yield (
            f"`features.safetensors` keeps the features of {facts.kept} of these pictures ({size:.1f} MB): "
            "what the body makes of each, so that classes can be added, removed or merged later without the "
            "pictures (`headswap edit`). No picture can be seen in them, but they tell roughly what each "
            "showed. Where that is too much, teach with `--no-features`."
        )


def _edits(card: BundleCard) -> Iterator[str]:
    """What became of it since."""
    if card.edits:
        rows = "\n".join(f"- {plain(one)}" for one in card.edits)
        yield f"Its classes were changed after it was taught, without the pictures of before:\n\n{rows}"


def limit_sentences(report: Report) -> Iterator[str]:
    """What it cannot do."""
    if report.is_multi_label:
        yield "It knows nothing but its labels, and may say some of them of a picture of something else."
    else:
        yield "It answers with one of its names whatever it is shown, also for a picture of something else."
    yield "The figures hold for pictures like those it was taught on: same camera, same surroundings."
    for shortcut in report.shortcuts:
        yield (
            f"Its classes can be told by {shortcut.name} alone in {shortcut.right} of {shortcut.total} "
            f"pictures: {shortcut.lesson}"
        )


def _label_issues(report: Report) -> Iterator[str]:
    if not report.label_issues:
        return
    rows = [
        f"- {plain(issue.file)}: sorted as {plain(report.classes[issue.label])}, looks like "
        f"{plain(report.classes[issue.suggested])}"
        for issue in report.label_issues[:_MOST_NAMED]
    ]
    rest = len(report.label_issues) - len(rows)
    more = [f"- and {rest} more"] if rest > 0 else []
    yield "## Labels worth a second look"
    yield "\n".join([*rows, *more])


def _agreement(check: ParityCheck) -> str:
    total = len(check.images) + len(check.drawings)
    rows = [
        f"Each was run on the {total} pictures in `check/` ({len(check.drawings)} of them are drawings with "
        "odd sizes, rotation, transparency or deep grey) and compared with the bundle. No probability may "
        f"differ by more than {check.bound:g}.",
        "| way | same answer | largest difference |\n|---|--:|--:|",
    ]
    for route in check.routes:
        if route.largest_difference is None:
            rows[-1] += f"\n| {route.name} | not run | {plain(route.problem)} |"
        else:
            rows[-1] += (
                f"\n| {route.name} | {route.same} of {route.images} | {route.largest_difference:.1e} |"
            )
    if check.int8:
        rows.append(
            f"The smaller network is another one, judged by itself. {quantization_summary(check.int8)}"
        )
    return "\n\n".join(rows)


def _licence(card: BundleCard) -> str:
    stated = f"is {plain(card.licence)}" if card.licence else "is not stated by its library"
    weights_hash = f" Its file has sha256 `{card.backbone_sha256}`." if card.backbone_sha256 else ""
    versions = ", ".join(f"{name} {version}" for name, version in card.versions.items())
    return (
        f"The licence of the pretrained weights {stated}: see to it that your use is allowed.{weights_hash} "
        f"The programs (the files that end in `.py`) are under "
        f"Apache-2.0.\n\nMade with {versions}."
    )
