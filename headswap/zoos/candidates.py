"""Which networks may race against each other: those whose weights are here, and a short list to be fetched.

Flow:  NetworkLimits --candidates--> Candidates: the cards of all that race, and who is left out and why

What the library states of a network (its licence, what it weighs) is asked first and costs nothing; how
fast it is can only be measured, and is measured elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from headswap.errors import BadSetting
from headswap.field_types import check_fields
from headswap.network import NetworkCard
from headswap.zoos.catalogue import DEFAULT_SETTINGS, describe_network, list_networks
from headswap.zoos.zoo import ZooSettings

SHORT_LIST = (  # good ones of every size; all of them Apache-2.0 by timm's own statement
    "timm/mobilenetv3_large_100",
    "timm/mobilenetv4_conv_medium",
    "timm/tiny_vit_11m_224",
    "timm/convnext_tiny",
    "timm/tiny_vit_21m_224",
)
ANY_USE = frozenset(  # licences that allow any use, sale included
    {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "isc", "unlicense"}
)
MOST_RACED = 16  # networks at once; smaller ones come first
_MB = 1e6


@dataclass(frozen=True, kw_only=True)
class NetworkLimits:
    """What a network has to keep to. The defaults let every network in whose weights are here."""

    most_ms: float | None = None  # milliseconds of one prediction on this machine
    most_mb: float | None = None  # of its weights, in millions of bytes
    any_use: bool = False  # only where the library states a licence that allows any use
    fetch: bool = False  # the short list may be fetched

    def __post_init__(self) -> None:
        check_fields(self)
        for name, value, example in (("most_ms", self.most_ms, "50"), ("most_mb", self.most_mb, "100")):
            if value is not None and not 0 < value < math.inf:
                raise BadSetting(f"{name} is {value}.", remedy=f"Choose a number above 0, such as {example}.")

    def reason_against(self, card: NetworkCard) -> str:
        """Why a network is out by what its library states; empty when nothing is against it."""
        size = card.weights.size_bytes or 4 * (card.parameters or 0)
        if self.most_mb is not None and size > self.most_mb * _MB:
            return f"its weights have {size / _MB:.0f} MB, more than {self.most_mb:g}"
        if self.any_use and card.licence not in ANY_USE:
            stated = f"its licence is {card.licence}" if card.licence else "its library states no licence"
            return f"{stated}, which may not allow any use"
        return ""

    def reason_against_pace(self, ms: float) -> str:
        """Why a network is out by its measured milliseconds of one prediction; empty when it is not."""
        if self.most_ms is None or ms <= self.most_ms:
            return ""
        return f"one prediction takes {ms:.1f} ms here, more than {self.most_ms:g}"


@dataclass(frozen=True, kw_only=True)
class LeftOutNetwork:
    """A network that does not race."""

    model: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Who races."""

    cards: tuple[NetworkCard, ...]  # the smallest first
    left_out: tuple[LeftOutNetwork, ...]


def candidates(
    limits: NetworkLimits,
    *,
    may_fetch: Iterable[str] = SHORT_LIST,
    settings: ZooSettings = DEFAULT_SETTINGS,
) -> Candidates:
    """Everyone whose weights are here, and of the short list those that may be fetched, within the limits.

    Args:
        limits: what they have to keep to.
        may_fetch: full names of the short list that this installation allows.
        settings: where weights are looked for; offline ones fetch nothing.
    """
    found = [card for card in list_networks(settings=settings) if card.weights.state == "here"]
    if limits.fetch:
        listed = [describe_network(name, settings=settings) for name in may_fetch]
        found += [card for card in listed if card.weights.state == "to fetch"]
    found.sort(key=lambda card: (card.weights.size_bytes or 4 * (card.parameters or 0), card.full_name))
    cards: list[NetworkCard] = []
    left_out: list[LeftOutNetwork] = []
    for card in found:
        reason = limits.reason_against(card)
        if not reason and len(cards) == MOST_RACED:
            reason = f"{MOST_RACED} smaller ones race already; name it to compare it"
        if reason:
            left_out.append(LeftOutNetwork(model=card.full_name, reason=reason))
        else:
            cards.append(card)
    return Candidates(cards=tuple(cards), left_out=tuple(left_out))
