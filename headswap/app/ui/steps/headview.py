"""The head view: a drawing of body -> features -> old head struck out, new head growing in.

Flow:  Inspection + class names (+ one picture) --head_view--> HTML with two inline SVGs

Pure text: no gradio, no service.
"""

from __future__ import annotations

from headswap.app.ui.steps.headdrawing import numbers_to_learn, old_names, tall_drawing, wide_drawing
from headswap.app.ui.widgets.icons import icon, term
from headswap.app.ui.widgets.text import in_words, number, safe
from headswap.network import NetworkCard
from headswap.pipeline.inspect import Inspection


def head_view(inspection: Inspection, classes: tuple[str, ...], picture: str = "") -> str:
    """Draw a network opened up; `classes` are the person's own, `picture` a data: URI of one of theirs."""
    name = safe(inspection.card.name)
    return (
        f'<div class="hs-row between"><h2>The head of <code>{name}</code></h2>'
        f'<span class="tag good">{icon("good")}found and proved</span></div>'
        '<div class="drawing">'
        f"{wide_drawing(inspection, classes, picture)}{tall_drawing(inspection, classes, picture)}</div>"
        f"{_facts(inspection, classes)}"
    )


def evidence(inspection: Inspection) -> str:
    """How the head was found: the sentences of the search, then the layers that were not chosen."""
    steps = "".join(f"<li><span>{_with_code(sentence)}</span></li>" for sentence in inspection.site.evidence)
    others = "".join(
        f'<p class="hs-note">Other candidate: <code>{safe(other.path)}</code>, {safe(other.kind)} '
        f"{' × '.join(map(str, other.shape))}. Not chosen: {_lower(other.reason)}.</p>"
        for other in inspection.site.candidates[:4]
    )
    return f'<ol class="evidence hs-soft">{steps}</ol>{others}'


def _with_code(sentence: str) -> str:
    """A sentence of the search; what stands between backticks is code."""
    parts = safe(sentence).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _lower(reason: str) -> str:
    """A reason in the middle of a sentence."""
    return safe(f"{reason[:1].lower()}{reason[1:]}".rstrip("."))


def new_head_words(inspection: Inspection, num_classes: int) -> str:
    """`1280 → 4 · 5,124 numbers to learn`."""
    learned = number(numbers_to_learn(inspection, num_classes))
    return f"{inspection.site.in_features[0]} → {num_classes} · {learned} numbers to learn"


def intro(card: NetworkCard | None, inspection: Inspection | None) -> str:
    """What the chosen network already knows, in three sentences."""
    known = card.num_classes if card and card.num_classes else None
    example = old_names(inspection)[:1] if inspection else ()
    such = f" such as “{safe(example[0])}”" if example else ""
    votes = f"votes for {number(known)} names{such}" if known else "turns what it saw into an answer"
    learned = "1.2 million photos" if known == 1000 else "a great many photos"
    return (
        '<div class="hs-intro"><h1>Start from a network that already sees</h1>'
        f"<p>This network already learned to see from {learned}. Its last layer, the head, {votes}. "
        "We cut off only that layer and give it a new one with your names.</p></div>"
    )


def _facts(inspection: Inspection, classes: tuple[str, ...]) -> str:
    site = inspection.site
    paths = "<br>".join(f"<code>{safe(path)}</code>" for path in site.all_paths)
    old = (
        f"{safe(site.kinds[0])} {site.in_features[0]} → {site.num_classes}, "
        f"{number(inspection.head_parameters)} numbers"
    )
    if site.new_head:
        old = "It had no head of its own"
    new = f"{site.in_features[0]} → {len(classes)}" if classes else "as you like"
    learn = f"{number(numbers_to_learn(inspection, len(classes)))} numbers to learn"
    if not classes:
        learn = "one output for every class of your pictures"
    aux = f"; {in_words(len(site.aux_paths))} only speak while it is trained" if site.aux_paths else ""
    return (
        f'<dl class="facts"><div><dt class="tag">{icon("lock")}Kept, frozen '
        f"{term('body')}</dt>"
        f'<dd><b class="hs-num">{number(inspection.body_parameters)}</b>numbers in the body</dd></div>'
        f'<div><dt class="tag">{icon("scissors")}Replaced {term("head")}</dt>'
        f"<dd><b>{paths}</b>{old}{aux}</dd></div>"
        f'<div><dt class="tag acc">{icon("sprout")}New</dt><dd><b class="hs-num">{new}</b>{learn}</dd>'
        "</div></dl>"
    )
