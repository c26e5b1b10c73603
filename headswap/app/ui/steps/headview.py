"""The head view: a drawing of body -> features -> old head struck out, new head growing in.

Flow:  Inspection + class names (+ one picture) --head_view--> elements with two inline SVGs

Elements only: no gradio, no service.
"""

from __future__ import annotations

import htpy as h

from headswap.app.ui.steps.headdrawing import numbers_to_learn, old_names, tall_drawing, wide_drawing
from headswap.app.ui.widgets.icons import icon, term
from headswap.app.ui.widgets.text import in_words, number
from headswap.counted import counted
from headswap.network import NetworkCard
from headswap.pipeline.inspect import Inspection


def head_view(inspection: Inspection, classes: tuple[str, ...], image: str = "") -> h.Renderable:
    """Draw a network opened up; `classes` are the person's own, `image` a data: URI of one of theirs."""
    return h.fragment[
        h.div(".hs-row.between")[
            h.h2["The head of ", h.code[inspection.card.name]],
            h.span(".tag.good")[icon("good"), "found and proved"],
        ],
        h.div(".drawing")[wide_drawing(inspection, classes, image), tall_drawing(inspection, classes, image)],
        _facts(inspection, classes),
    ]


def evidence(inspection: Inspection) -> h.Renderable:
    """How the head was found: the sentences of the search, then the layers that were not chosen."""
    steps = [h.li[h.span[_with_code(sentence)]] for sentence in inspection.site.evidence]
    others = [
        h.p(".hs-note")[
            "Other candidate: ", h.code[other.path],
            f", {other.kind} {' × '.join(map(str, other.shape))}. Not chosen: {_lower(other.reason)}.",
        ]
        for other in inspection.site.candidates[:4]
    ]  # fmt: skip
    return h.fragment[h.ol(".evidence.hs-soft")[steps], others]


def _with_code(sentence: str) -> h.Node:
    """A sentence of the search; what stands between backticks is code."""
    return [h.code[part] if i % 2 else part for i, part in enumerate(sentence.split("`"))]


def _lower(reason: str) -> str:
    """A reason in the middle of a sentence."""
    return f"{reason[:1].lower()}{reason[1:]}".rstrip(".")


def new_head_text(inspection: Inspection, num_classes: int) -> str:
    """`1280 features → 4 names · 5,124 numbers to learn`."""
    learned = counted(numbers_to_learn(inspection, num_classes), "number")
    return f"{_size(inspection, num_classes)} · {learned} to learn"


def _size(inspection: Inspection, num_classes: int) -> str:
    return (
        f"{inspection.site.in_features[0]} features → {num_classes} {'name' if num_classes == 1 else 'names'}"
    )


def intro(card: NetworkCard | None, inspection: Inspection | None) -> h.Renderable:
    """What the chosen network already knows, in three sentences."""
    known = card.num_classes if card and card.num_classes else None
    example = old_names(inspection)[:1] if inspection else ()
    such = f" such as “{example[0]}”" if example else ""
    does = f"gives scores to {counted(known, 'name')}{such}" if known else "turns what it saw into an answer"
    learned = "1.2 million pictures" if known == 1000 else "a great many pictures"
    return h.div(".hs-intro")[
        h.h1["Start from a network that already sees"],
        h.p[
            f"This network already learned to see from {learned}. Its last layer, the head, {does}. We cut "
            "off only that layer and give it a new one with your names."
        ],
    ]


def _facts(inspection: Inspection, classes: tuple[str, ...]) -> h.Renderable:
    site = inspection.site
    new: h.Node = "as you like"
    learn = "one output for every class of your pictures"
    if classes:
        new = _explained_size(inspection, len(classes)) if site.new_head else _size(inspection, len(classes))
        learn = f"{counted(numbers_to_learn(inspection, len(classes)), 'number')} to learn"
    return h.dl(".facts")[
        h.div[
            h.dt(".tag")[icon("lock"), "Kept, frozen ", term("body")],
            h.dd[h.b(".hs-num")[number(inspection.backbone_parameters)], "numbers in the body"],
        ],
        h.div[
            h.dt(".tag")[icon("scissors"), "Replaced ", term("head")],
            h.dd[h.b[_lines(site.all_paths)], _old_head(inspection)],
        ],
        h.div[h.dt(".tag.acc")[icon("sprout"), "New"], h.dd[h.b(".hs-num")[new], learn]],
    ]


def _lines(paths: tuple[str, ...]) -> h.Node:
    """Each path on a line of its own."""
    return [(h.br if i else None, h.code[path]) for i, path in enumerate(paths)]


def _explained_size(inspection: Inspection, num_classes: int) -> h.Node:
    """The size where it is said first: with the `?` of features."""
    features, arrow, names = _size(inspection, num_classes).partition(" → ")
    return features, " ", term("features"), f"{arrow}{names}"


def _old_head(inspection: Inspection) -> h.Node:
    site = inspection.site
    numbers = f", {counted(inspection.head_parameters, 'number')} ({site.layers[0].kind})"
    old = (_explained_size(inspection, site.num_classes), numbers)
    speak = "speaks" if len(site.aux_paths) == 1 else "speak"
    aux = f"; {in_words(len(site.aux_paths))} only {speak} while it is taught" if site.aux_paths else ""
    return "It had no head of its own" if site.new_head else old, aux
