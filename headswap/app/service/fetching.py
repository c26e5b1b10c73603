"""Which networks may be fetched here, and how much room fetched weights may take.

Flow:  names of networks --FetchPolicy.check--> nothing, or one sentence: what is not here,
           and who may change it

A network whose weights are on this machine is always allowed. The others come from the internet, some of them
by the gigabyte, to everyone's cost: the person who starts the server says which ("here": none, "any", or
names).
Asks for cards and sizes; fetches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from headswap.errors import TooMuch, WeightsNotHere
from headswap.network import NetworkCard

ANY, HERE = "any", "here"
Cards = Callable[[tuple[str, ...]], tuple[NetworkCard, ...]]


@dataclass(frozen=True, kw_only=True)
class FetchPolicy:
    """The rule of one installation."""

    networks: tuple[str, ...] = (ANY,)  # "any", "here", or names with or without their zoo
    weights_gb: float = 0.0  # of everything fetched, for everyone together; 0: no limit
    cards: Cards
    fetched_bytes: Callable[[], int]

    def check(self, *models: str) -> None:
        """Whether these networks may be taught: their weights are here, or may be fetched.

        Raises:
            ModelNotFound: no zoo has one of them.
            WeightsNotHere: it would have to be fetched, and no one allowed that.
            TooMuch: there is no room for its weights.
        """
        if ANY in self.networks and not self.weights_gb:
            return
        for card in self.cards(models):
            if card.weights.state == "to fetch":
                self._check_allowed(card)
                self._check_room(card)

    def may_fetch(self, card: NetworkCard) -> bool:
        """Whether the rule allows this network, room or not."""
        return bool({ANY, card.name, card.full_name} & set(self.networks))

    def reasons_against(self) -> Callable[[NetworkCard], str]:
        """Why a network that is not here cannot be had, in a few words; empty where it can, or is here.

        What fetched weights take is asked once, so that a long list can be gone through.
        """
        room = self.weights_gb * 1e9 - self.fetched_bytes() if self.weights_gb else math.inf

        def reason(card: NetworkCard) -> str:
            size = card.weights.size_bytes or 0
            if card.weights.state != "to fetch":
                return ""
            if not self.may_fetch(card):
                return "may not be downloaded here"
            return f"no room left here for its {size / 1e6:,.0f} MB" if size > max(room, 0) else ""

        return reason

    def _check_allowed(self, card: NetworkCard) -> None:
        if not self.may_fetch(card):
            raise WeightsNotHere(
                f"{card.name} is not on this machine, and it may not be downloaded here.",
                remedy="Pick one marked ✓, or ask the person who started the server to allow it with "
                "--networks.",
            )

    def _check_room(self, card: NetworkCard) -> None:
        coming, most = card.weights.size_bytes or 0, self.weights_gb * 1e9
        if most and (there := self.fetched_bytes()) + coming > most:
            raise TooMuch(
                f"The weights of {card.name} have {coming / 1e6:,.0f} MB; downloaded weights take "
                f"{there / 1e9:.1f} of the {self.weights_gb:g} GB that they may take here.",
                remedy="Pick one marked ✓, or ask the person who started the server for more with "
                "--weights-gb.",
            )


def networks_text(networks: tuple[str, ...]) -> str:
    """What may be fetched, for the lines that the server prints when it starts."""
    if ANY in networks:
        return "any"
    named = ", ".join(name for name in networks if name != HERE)
    return f"{named}; else only those on this machine" if named else "none: only those on this machine"
