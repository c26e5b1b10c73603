"""A bundle as one web page: it opens from a file, runs without a connection, and answers the same.

Flow:  Bundle --write_onnx--> graph --split into planes, packed--> page.html with the runtime in it
       page + what keeps it on a phone + headswap.mjs --pack_site--> one zip for any web host

The page reads images itself, byte for byte as headswap does, because browsers decode and shrink in ways
of their own. It tries six drawings when it is opened and says whether the answers are the same.
No one's images travel in it: only the drawings, and embeddings of the training images inside the graph.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
import tempfile
import zipfile
from base64 import b64encode
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from headswap.bundle.format import read_dataset, read_report
from headswap.bundle.predictor import Bundle
from headswap.data.transforms import to_float, wanted_px
from headswap.errors import HeadswapError
from headswap.evaluation.report import Report
from headswap.exports.edge_cases import draw_edge_cases
from headswap.exports.graph_names import INPUT, OOD_SCORE, PROBABILITIES
from headswap.exports.home_screen import ICONS, MANIFEST, draw_icon, web_manifest
from headswap.exports.model_card import limit_sentences, result_sentences
from headswap.exports.onnx import write_onnx
from headswap.exports.parity import BOUND, ExpectedAnswer, ParityCheck, check_of, compare, expect
from headswap.plots.svg import shape, written
from headswap.storage.files import replacing, to_plain, write_text

MOST_MB = 40.0  # of weights: a phone fetches and holds the page as a whole
WEB_PAGE = "page.html"
_HOME = files("headswap.exports") / "web"
_VENDOR = {  # written by .ci/runtime
    "runtime.js.gz": "77387d83f6b787f4bb86a1acab3191f41bd0941ab35de6c47cc2b97ee1efe932",
    "runtime.wasm.gz": "9a202915ab712f2ac4504f9fd8c634d244a11e9f9e734361471a1fe6e7f984c0",
}
_IN_WORKER = (
    "undecodable.js", "jpeg-pixels.js", "jpeg-coefficients.js", "jpeg.js", "inflate.js", "png.js",
    "resampling.js", "images.js", "network.js",
)  # fmt: skip
_IN_PAGE = ("client.js", "heat.js", "page.js")
_IMPORTS = re.compile(r"^import .*;\n", re.MULTILINE)
_EXPORTS = re.compile(r"^export (?=async|class|const|function|let)", re.MULTILINE)
_SERVED = {  # in a page that is a file, and in one that has an address
    '<html lang="en">': '<html lang="en" data-offline="">',
    "</title>\n": "</title>\n"
    + "\n".join(
        written(shape("link", {"rel": rel, "href": href}))
        for rel, href in (("manifest", MANIFEST), ("apple-touch-icon", next(iter(ICONS))))
    )
    + "\n",
    "img-src data:": "manifest-src 'self'; img-src 'self' data:",
}
_LEVEL = 6  # of gzip; 9 takes three times as long for three thousandths fewer bytes
_STILL = (1980, 1, 1, 0, 0, 0)  # the time of every file in the zip: the same input gives the same bytes


class NoPage(HeadswapError):
    """This bundle cannot become a web page; the sentence says why."""


def write_page(bundle: Bundle, source: Path, target: Path, *, title: str = "") -> ParityCheck:
    """Write a bundle as one HTML file.

    Args:
        bundle: a trained network.
        source: its folder, for what is known of it.
        target: the file, replaced as a whole.
        title: of the page; "": that of the images it was trained on.

    Returns:
        How far the graph in the page, run here, agrees with the bundle on the drawings.

    Raises:
        NoPage, NoOnnx, DiskFull.
    """
    page, check = _page_of(bundle, source, title)
    write_text(target, page)
    return check


def pack_site(page: Path, target: Path) -> None:
    """Pack a page for any web host: with what keeps it on a phone, and the module for programs."""
    text = kept_offline(page.read_text(encoding="utf-8"))
    module = _text("client.js") + "\n" + _text("open.js")
    guides = {name: _text(name) for name in ("headswap.d.mts", "example.html", "p5.html", "README.md")}
    contents = {"index.html": text, **beside(text), "headswap.mjs": module, **guides}
    with replacing(target) as whole, zipfile.ZipFile(whole, "w") as packed:
        for name, content in sorted(contents.items()):
            info = zipfile.ZipInfo(name, date_time=_STILL)
            info.external_attr, info.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
            packed.writestr(info, content)


def kept_offline(page: str) -> str:
    """The page as it is served from an address, with `beside` next to it: it stays on the device."""
    for found, served in _SERVED.items():
        page = page.replace(found, served, 1)
    return page


def beside(page: str) -> dict[str, str | bytes]:
    """What must lie next to a page that is kept on a device: {file: content}, small ones all of them."""
    title = re.search("<title>(.*?)</title>", page, re.DOTALL)
    return {
        "sw.js": service_worker(page),
        MANIFEST: web_manifest(html.unescape(title[1]) if title else "headswap"),
        **{name: draw_icon(px) for name, px in ICONS.items()},
    }


def service_worker(page: str) -> str:
    """The script that keeps a page on a device; it must lie next to the page, as sw.js."""
    version = hashlib.sha256(page.encode()).hexdigest()[:16]
    return Template(_text("sw.js")).substitute(version=version, files=json.dumps(["./", MANIFEST, *ICONS]))


def _page_of(bundle: Bundle, source: Path, title: str) -> tuple[str, ParityCheck]:
    weights = sum(value.nbytes for value in bundle.network.module.state_dict().values()) / 1e6
    if weights > MOST_MB:
        raise NoPage(
            f"This network has {weights:.0f} MB of weights; a web page holds at most {MOST_MB:.0f} MB.",
            remedy="Take the zip instead, or train a smaller network such as the one marked Fast.",
        )
    with tempfile.TemporaryDirectory(prefix="headswap-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        drawings = draw_edge_cases(folder)
        expected = expect(bundle, folder, {path.name: None for path in drawings})
        outputs = write_onnx(bundle, folder / "model.onnx", for_web=True)
        graph = (folder / "model.onnx").read_bytes()
        check = check_of([compare(WEB_PAGE, expected, *_asked(bundle, graph, drawings))], expected)
        facts = {
            "labels": bundle.classes,
            "thresholds": bundle.card.thresholds or None,
            "preprocessing": to_plain(bundle.card.input) | {"wanted_px": wanted_px(bundle.card.input)},
            "outputs": outputs,
            "modelBytes": len(graph),
            "bound": BOUND,
            "drawings": [_drawing(bundle, folder, one) for one in expected],
        }
    manifest = read_dataset(source)
    title = title or manifest.name or ", ".join(bundle.classes)
    return _filled(bundle, read_report(source), len(manifest.part("train")), facts, graph, title), check


def _asked(
    bundle: Bundle, graph: bytes, drawings: Sequence[Path]
) -> tuple[list[dict[str, float]], list[float | None]]:
    """What the graph itself says of the drawings, prepared here: probabilities and OOD scores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    shares, ood_scores = [], []
    for path in drawings:
        numbers = to_float(bundle.prepare(path)[None], bundle.card.input)
        said = dict(zip(names, session.run(names, {INPUT: numbers}), strict=True))
        shares.append(dict(zip(bundle.classes, map(float, said[PROBABILITIES][0]), strict=True)))
        ood_scores.append(float(said[OOD_SCORE][0]) if OOD_SCORE in said else None)
    return shares, ood_scores


def _drawing(bundle: Bundle, folder: Path, one: ExpectedAnswer) -> dict[str, object]:
    return {
        "bytes": b64encode((folder / one.file).read_bytes()).decode(),
        "probabilities": [one.probabilities[name] for name in bundle.classes],
    }


def _filled(bundle: Bundle, report: Report, trained: int, facts: object, graph: bytes, title: str) -> str:
    """The page, with everything in its place."""
    page, style = '"use strict";\n' + _joined(_IN_PAGE), _text("page.css")
    policy = {
        "default-src": "'none'",
        "script-src": f"{_allowed(page)} blob: 'wasm-unsafe-eval'",
        "worker-src": "blob: 'self'",
        "style-src": _allowed(style),
        "img-src": "data: blob:",
        "media-src": "blob: mediastream:",
        "connect-src": "'none'",  # the browser itself sees to it that nothing leaves the page
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    runtime = gzip.decompress(_vendored("runtime.js.gz")).decode()
    program = f'"use strict";\n{runtime}(() => {{\n{_joined(_IN_WORKER)}}})();\n'
    names = [written(shape("bdi", {}, name)) for name in bundle.classes]  # each may run from right to left
    licence = bundle.card.licence
    texts = {
        "title": title,
        "trained": f"{trained} pictures",
        "network": bundle.card.model.partition("/")[2],
        "licence": f"Licence of its pretrained weights: {licence}." if licence else "",
    }
    return Template(_text("page.html")).substitute(
        {name: html.escape(text) for name, text in texts.items()},
        policy="; ".join(f"{name} {allowed}" for name, allowed in policy.items()),
        lead=_lead(names, is_multi_label=bundle.card.is_multi_label),
        verdict=_items(result_sentences(report)),
        limits=_items(limit_sentences(report)),
        style=style,
        facts=json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c"),
        program=program,
        wasm=b64encode(_vendored("runtime.wasm.gz")).decode(),
        model=b64encode(gzip.compress(_planes(graph), _LEVEL, mtime=0)).decode(),
        page=page,
    )


def _lead(names: Sequence[str], *, is_multi_label: bool) -> str:
    """What it does, in a sentence; the names are HTML."""
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    if is_multi_label:
        return f"It says which of these it sees, none or several: {listed}. Each has a threshold of its own."
    return f"It tells {listed} apart, and says how sure it is."


def _joined(names: Sequence[str]) -> str:
    """Modules as one script: a page that is a file cannot import."""
    return "".join(_EXPORTS.sub("", _IMPORTS.sub("", _text(name))) for name in names)


def _allowed(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _items(sentences: Iterator[str]) -> str:
    return "".join(written(shape("li", {}, sentence)) for sentence in sentences)


def _planes(data: bytes) -> bytes:
    """The first bytes of all numbers, then the second ones, ...: alike bytes pack better side by side."""
    padded = np.frombuffer(data + bytes(-len(data) % 4), np.uint8)
    return padded.reshape(-1, 4).T.tobytes()


def _text(name: str) -> str:
    return (_HOME / name).read_text(encoding="utf-8")


def _vendored(name: str) -> bytes:
    data = (_HOME / "vendor" / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != _VENDOR[name]:
        raise NoPage(f"{name} of this headswap is damaged.", remedy="Install headswap again.")
    return data
