"""Model cards: a few networks to start with, as radio buttons that look like cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import htpy as h

from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import file_size, millions
from headswap.network import NetworkCard
from headswap.threads import machine_text

OWN_WEIGHTS = h.span(".tag.good")[icon("good"), "your own weights"]
ReasonAgainst = Callable[
    [NetworkCard], str
]  # why this installation does not fetch it, in a few words; "": it does
MARKS = "✓⬇✕"  # in this order in the list
MARKS_TEXT = "✓ on this machine, ⬇ must be downloaded, ✕ not available here."
LEGEND = h.legend(".hs-eyebrow")["To start with"]


def model_cards(
    few: tuple[tuple[str, str], ...],
    known: tuple[NetworkCard, ...],
    chosen: str,
    speeds: Mapping[str, float | None] = MappingProxyType({}),
    *,
    has_own_weights: bool = False,
    reason_against: ReasonAgainst = lambda _: "",
) -> h.Renderable:
    """Draw them; a chosen network that is none of them gets a card of its own below.

    Args:
        few: (word, name of the network), as the service gives them.
        known: every card; empty while the list is still being made.
        chosen: name of the project's network, with or without its zoo.
        speeds: milliseconds of a picture on this machine, of those that were opened up here.
        has_own_weights: the chosen network has the person's own weights, not the published ones.
        reason_against: the rule for those that are not on this machine.
    """
    by_name = {card.name: card for card in reversed(known)} | {card.full_name: card for card in known}
    drawn = []
    for word, name in shown_rows(few, chosen):
        is_chosen = name.split("/")[-1] == chosen.split("/")[-1]
        card = by_name.get(name)
        tag = weights_tag(card, reason_against) if card else None
        if is_chosen and has_own_weights:
            tag = OWN_WEIGHTS
        drawn.append(_card(word, name, card, speeds.get(name), is_chosen=is_chosen, tag=tag))
    measured = any(ms is not None for ms in speeds.values())
    machine = measured and h.p(".hs-note")[f"Here: {machine_text()}, when nothing else was taught."]
    return h.fieldset(".cards")[LEGEND, drawn, machine]


def shown_rows(few: tuple[tuple[str, str], ...], chosen: str) -> tuple[tuple[str, str], ...]:
    """The few, and the person's own choice below when it is none of them."""
    if chosen.split("/")[-1] in {name.split("/")[-1] for _, name in few}:
        return few
    return (*few, ("Your choice", chosen))


def search_choices(known: tuple[NetworkCard, ...], reason_against: ReasonAgainst) -> list[tuple[str, str]]:
    """(what the search box shows, full name) of every network, those on this machine first."""

    def mark(card: NetworkCard) -> str:
        if card.weights.state == "here":
            return "✓"
        return "⬇" if card.weights.state == "to fetch" and not reason_against(card) else "✕"

    ranked = sorted(known, key=lambda card: (MARKS.index(mark(card)), card.name))
    return [(f"{mark(card)} {card.name}  ({card.zoo})", card.full_name) for card in ranked]


def weights_tag(card: NetworkCard, reason_against: ReasonAgainst) -> h.Renderable:
    """Where the weights are, with an icon and words."""
    state = card.weights.state
    if state == "here":
        return h.span(".tag.good")[icon("good"), "on this machine"]
    if state == "to fetch" and (reason := reason_against(card)):
        return h.span(".tag.hs-soft")[icon("absent"), reason]
    if state == "to fetch":
        size = card.weights.size_bytes
        said = f"{file_size(size)} to download" if size else "to download, size not stated"
        return h.span(".tag.hs-soft")[icon("fetch"), said]
    return h.span(".tag.hs-soft")[icon("absent"), "not available offline"]


def _card(
    word: str,
    name: str,
    card: NetworkCard | None,
    ms: float | None,
    *,
    is_chosen: bool,
    tag: h.Renderable | None,
) -> h.Renderable:
    facts: tuple[str, ...] = ("looking it up …",)
    if card is not None:
        speed = f"{ms:.0f}\u00a0ms a picture here" if ms is not None else "speed not measured yet"
        said = ", ".join(str(fact) for fact in (card.licence, card.year) if fact)
        facts = (millions(card.parameters), speed, said and f"{said}, says {card.zoo}")
    return h.label(".card")[
        h.input(type="radio", name="hs-network", value=name, checked=is_chosen),
        h.strong[word],
        h.code[name.split("/")[-1]],
        h.ul[[h.li[fact] for fact in facts if fact]],  # what is not known is not listed
        tag and h.div(".state")[tag],
    ]
