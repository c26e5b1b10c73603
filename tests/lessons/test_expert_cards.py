"""The cards for experts: their code runs as it is shown, their verbs exist."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from headswap.cli.shell import call_of
from headswap.lessons.expert_cards import CARDS, TUNED, VERSIONED, ExpertCard


def ran(card: ExpertCard, version: str) -> dict[str, Any]:
    import torch

    names: dict[str, Any] = {}
    with torch.random.fork_rng():
        exec(f"{card.code.before}\n\n{getattr(card.code, version)}", names)
    return names


def test_only_saves_with_names_of_their_own_are_all_kept() -> None:
    assert ran(VERSIONED, "wrong")["kept"] == 1
    right = ran(VERSIONED, "right")
    assert right["kept"] == 3
    assert (right["again"]["weight"] == right["head"].weight).all()


def test_choosing_by_the_test_makes_coins_look_learned() -> None:
    assert ran(TUNED, "wrong")["share"] >= 0.75
    assert 0.2 <= ran(TUNED, "right")["share"] <= 0.7


@pytest.mark.parametrize("line", [verb for card in CARDS for verb in card.verbs])
def test_every_line_for_the_shell_is_one_that_headswap_knows(line: str) -> None:
    program, *words = shlex.split(line)

    assert program == "headswap"
    assert call_of(words) is not None
