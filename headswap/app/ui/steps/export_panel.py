"""How the zip of step 5 looks: how far it is, what is in it, and whether all ways to ask it agree.

Pure HTML from a `ExportView`; every name is escaped.
"""

from __future__ import annotations

from headswap.app.service.exports import ExportView
from headswap.app.ui.widgets.errors import error_html
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import count, file_size, percent, safe
from headswap.exports.parity import ParityCheck, Route

NOTHING_YET = (
    '<div class="hs-panel zip-panel"><div class="hs-empty"><p class="live">Nothing to take home yet.</p>'
    '<p class="hs-soft">Teach a head in step 3; the zip is packed when you come back here.</p></div></div>'
)
PURPOSES = {
    "weights.safetensors": "The numbers of the network, body and new head",
    "model.onnx": "The same network for other programs",
    "predict.py": "Names pictures from the command line, without headswap",
    "predict_onnx.py": "The same with ONNX, without PyTorch",
    "pictures.py": "How both of them read and prepare a picture",
    "decoding_memory.py": "How much memory a picture may take",
    "netpbm.py": "How PPM, PGM and PBM pictures are read",
    "rgb.py": "How every kind of colour becomes red, green and blue",
    "labels.json": "Your names, in the order of the answers",
    "preprocessing.json": "How a picture is cut, shrunk and scaled before it goes in",
    "network.json": "How the network is built by its own library",
    "requirements.txt": "What predict.py needs",
    "README.md": "What it is for, what it was taught on, how well it does, licences",
    "check.json": "How far all of these agree, measured",
}
WAYS = {"page": "This page", "bundle": "headswap elsewhere"}
EXAMPLE_BARS = 5


def zip_panel(view: ExportView) -> str:
    """The left panel: an invitation, progress, a problem, or the contents."""
    if view.state == "ready" and view.zip_file is not None:
        return f'<div class="hs-panel zip-panel">{_head(view)}{_table(view)}</div>'
    if view.state == "failed":
        return f'<div class="hs-panel zip-panel">{error_html(view.problem, view.remedy)}</div>'
    if view.state == "packing":
        return (
            '<div class="hs-panel zip-panel" data-state="packing"><p class="live">'
            f'{safe(view.sentence)}</p><div class="hs-row progress"><div class="bar" role="progressbar" '
            f'aria-valuenow="{100 * view.share:.0f}" aria-valuemin="0" aria-valuemax="100" '
            f'aria-label="Packing"><i style="width:{100 * view.share:.0f}%"></i></div>'
            f'<span class="hs-num">{percent(view.share)}</span></div><p class="hs-soft">Every way to ask the '
            "network is tried before you get it. You may close the page; the zip waits.</p></div>"
        )
    return NOTHING_YET


def _head(view: ExportView) -> str:
    size = sum(entry.size_bytes for entry in view.contents)
    packed = view.zip_file.stat().st_size if view.zip_file else 0
    name = view.zip_file.name if view.zip_file else ""
    return (
        f'<div class="zip-head"><h2 class="hs-title">{safe(name)}</h2><p class="hs-soft">'
        f"{count(len(view.contents), 'file')}, {file_size(size)} unpacked, {file_size(packed)} to "
        "download</p></div>"
    )


def _table(view: ExportView) -> str:
    sizes = {entry.name: entry.size_bytes for entry in view.contents}
    rows = [(name, safe(words), sizes.pop(name)) for name, words in PURPOSES.items() if name in sizes]
    pictures = [name for name in sizes if name.startswith("check/")]
    size = sum(sizes.pop(name) for name in pictures)
    rows.append(("check/", _pictures_words(view.check), size))
    rows.append(("bundle.json …", f"For headswap itself: {count(len(sizes), 'record')}", sum(sizes.values())))
    told = "".join(
        f'<tr><th scope="row"><code>{safe(name)}</code></th><td>{words}</td>'
        f'<td class="hs-num">{file_size(size)}</td></tr>'
        for name, words, size in rows
    )
    return f'<table class="zip"><caption class="hs-vh">What is in the zip</caption>{told}</table>'


def _pictures_words(check: ParityCheck | None) -> str:
    if check is None or not check.pictures:
        return "Pictures to check it with, drawn by headswap"
    yours = count(len(check.pictures), "picture")
    return f"{yours} of yours and {len(check.drawings)} drawn ones, to check it with"


def agreement(check: ParityCheck | None) -> str:
    """The right panel: each way, on how many pictures it says the same, and the largest difference."""
    if check is None:
        return ""
    asked = len(check.pictures) + len(check.drawings)
    rows = "".join(_way(way) for way in check.ways)
    warned = ""
    if not check.agree:
        warned = error_html(
            "They do not all say the same.",
            f"Use the way that agrees, and see check.json: none may differ by more than {check.bound:g}.",
        )
    return (
        '<div class="hs-panel"><h2>Do they all say the same?</h2><p class="hs-soft">Each was run on '
        f"{count(asked, 'picture')}: of odd sizes, turned, see-through and grey ones, too.</p>"
        f'<ul class="agree">{rows}</ul>{warned}<p class="hs-note">Largest difference in any answer: '
        f"{_largest(check)}. Allowed is {check.bound:g}.</p></div>"
    )


def _way(way: Route) -> str:
    name = WAYS.get(way.name, f"<code>{safe(way.name)}</code>")
    if way.largest_difference is None:
        return f'<li>{icon("absent")}<span>{name}</span><span class="hs-soft">not run</span>' + (
            f'<p class="hs-note">{safe(way.problem)}</p></li>'
        )
    mark = icon("good", "good") if way.agrees else icon("warn", "warn")
    same = f"same on {way.same} of {way.pictures}"
    return f'<li>{mark}<span>{name}</span><span class="hs-soft">{same}</span></li>'


def _largest(check: ParityCheck) -> str:
    found = [way.largest_difference for way in check.ways if way.largest_difference is not None]
    largest = max(found, default=0.0)
    return "less than 0.000001" if largest < 1e-6 else f"{largest:.6f}"


def example(view: ExportView) -> str:
    """How it is used in a terminal, with what it really says of the first picture in the zip."""
    check = view.check
    said = check.pictures[0] if check and check.pictures else None
    shares = list(said.probabilities.items())[:EXAMPLE_BARS] if said else []
    wide = max((len(name) for name, _ in shares), default=0)
    lines = "\n".join(f"{safe(name.ljust(wide))}  {round(100 * share):>3} %" for name, share in shares)
    return (
        '<div class="hs-half use"><div><h2 class="hs-title">Use it anywhere</h2><p class="hs-soft reading">'
        "Unpack it, then name a picture from a terminal. It needs PyTorch, Pillow and the network's own "
        'library, nothing of ours.</p></div><pre class="code" tabindex="0" aria-label="Example">'
        f"pip install -r requirements.txt\npython predict.py {safe(said.file) if said else 'picture.jpg'}\n"
        f"{lines}</pre></div>"
    )
