"""How the zip of step 5 looks: how far it is, what is in it, and whether all ways to ask it agree.

Elements from an `ExportView`.
"""

from __future__ import annotations

import htpy as h

from headswap.app.service.exports import ExportView
from headswap.app.ui.widgets.errors import error_html
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import file_size, percent
from headswap.counted import counted
from headswap.exports.parity import ParityCheck, Route

PANEL = h.div(".hs-panel.zip-panel")
NOTHING_YET = PANEL[
    h.div(".hs-empty")[
        h.p(".live")["Nothing to take home yet."],
        h.p(".hs-soft")["Teach a head in step 3; the zip is packed when you come back here."],
    ]
]
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
ROUTE_NAMES = {"page": "This page", "bundle": "headswap elsewhere"}
EXAMPLE_BARS = 5


def zip_panel(view: ExportView) -> h.Renderable:
    """The left panel: an invitation, progress, a problem, or the contents."""
    if view.state == "ready" and view.zip_file is not None:
        return PANEL[_head(view), _table(view)]
    if view.state == "failed":
        return PANEL[error_html(view.problem, view.remedy)]
    return _packing(view) if view.state == "packing" else NOTHING_YET


def _packing(view: ExportView) -> h.Renderable:
    done = f"{100 * view.share:.0f}"
    bar = h.div(
        ".bar",
        role="progressbar",
        aria_valuenow=done,
        aria_valuemin=0,
        aria_valuemax=100,
        aria_label="Packing",
    )
    return h.div(".hs-panel.zip-panel", data_state="packing")[
        h.p(".live")[view.sentence],
        h.div(".hs-row.progress")[bar[h.i(style=f"width:{done}%")], h.span(".hs-num")[percent(view.share)]],
        h.p(".hs-soft")[
            "Every way to ask the network is tried before you get it. You may close the page; the zip waits."
        ],
    ]


def _head(view: ExportView) -> h.Renderable:
    size = sum(entry.size_bytes for entry in view.contents)
    packed = view.zip_file.stat().st_size if view.zip_file else 0
    name = view.zip_file.name if view.zip_file else ""
    files = counted(len(view.contents), "file")
    return h.div(".zip-head")[
        h.h2(".hs-title")[name],
        h.p(".hs-soft")[f"{files}, {file_size(size)} unpacked, {file_size(packed)} to download"],
    ]


def _table(view: ExportView) -> h.Renderable:
    sizes = {entry.name: entry.size_bytes for entry in view.contents}
    rows = [(name, purpose, sizes.pop(name)) for name, purpose in PURPOSES.items() if name in sizes]
    images = [name for name in sizes if name.startswith("check/")]
    size = sum(sizes.pop(name) for name in images)
    rows.append(("check/", _images_text(view.check), size))
    rows.append(
        ("bundle.json …", f"For headswap itself: {counted(len(sizes), 'record')}", sum(sizes.values()))
    )
    return h.table(".zip")[
        h.caption(".hs-vh")["What is in the zip"],
        [
            h.tr[h.th(scope="row")[h.code[name]], h.td[purpose], h.td(".hs-num")[file_size(size)]]
            for name, purpose, size in rows
        ],
    ]


def _images_text(check: ParityCheck | None) -> str:
    if check is None or not check.images:
        return "Pictures to check it with, drawn by headswap"
    yours = counted(len(check.images), "picture")
    return f"{yours} of yours and {len(check.drawings)} drawn ones, to check it with"


def agreement(check: ParityCheck | None) -> h.Renderable | None:
    """The right panel: each way, on how many pictures it says the same, and the largest difference."""
    if check is None:
        return None
    asked = counted(len(check.images) + len(check.drawings), "picture")
    warned = None
    if not check.agree:
        warned = error_html(
            "They do not all say the same.",
            f"Use the way that agrees, and see check.json: none may differ by more than {check.bound:g}.",
        )
    return h.div(".hs-panel")[
        h.h2["Do they all say the same?"],
        h.p(".hs-soft")[f"Each was run on {asked}: of odd sizes, turned, see-through and grey ones, too."],
        h.ul(".agree")[[_route_line(route) for route in check.routes]],
        warned,
        h.p(".hs-note")[f"Largest difference in any answer: {_largest(check)}. Allowed is {check.bound:g}."],
    ]


def _route_line(route: Route) -> h.Renderable:
    name = h.span[ROUTE_NAMES[route.name] if route.name in ROUTE_NAMES else h.code[route.name]]
    if route.largest_difference is None:
        problem = h.p(".hs-note")[route.problem]
        return h.li[icon("absent"), name, h.span(".hs-soft")["not run"], problem]
    mark = icon("good", "good") if route.agrees else icon("warn", "warn")
    return h.li[mark, name, h.span(".hs-soft")[f"same on {route.same} of {route.images}"]]


def _largest(check: ParityCheck) -> str:
    found = [route.largest_difference for route in check.routes if route.largest_difference is not None]
    largest = max(found, default=0.0)
    return "less than 0.000001" if largest < 1e-6 else f"{largest:.6f}"


def example(view: ExportView) -> h.Renderable:
    """How it is used in a terminal, with what it really says of the first picture in the zip."""
    check = view.check
    said = check.images[0] if check and check.images else None
    shares = list(said.probabilities.items())[:EXAMPLE_BARS] if said else []
    wide = max((len(name) for name, _ in shares), default=0)
    lines = "\n".join(f"{name.ljust(wide)}  {round(100 * share):>3} %" for name, share in shares)
    file = said.file if said else "picture.jpg"
    return h.div(".hs-half.use")[
        h.div[
            h.h2(".hs-title")["Use it anywhere"],
            h.p(".hs-soft.reading")[
                "Unpack it, then name a picture from a terminal. It needs PyTorch, Pillow and the network's "
                "own library, nothing of ours."
            ],
        ],
        h.pre(".code", tabindex="0", aria_label="Example")[
            f"pip install -r requirements.txt\npython predict.py {file}\n{lines}"
        ],
    ]
