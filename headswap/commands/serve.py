"""`headswap serve`: the page, for one person, a class or a lab."""

from __future__ import annotations

import argparse

from headswap.commands.verb import Answer, Verbs, new_verb
from headswap.service.choices import add_options, choices_of


def add(verbs: Verbs) -> None:
    add_options(new_verb(verbs, "serve", run))


def run(choices: argparse.Namespace) -> Answer:
    """Open the page in a browser; Ctrl-C ends it."""
    from headswap.serving import serve

    serve(choices_of(choices, choices.environment), choices.environment)
    return Answer({"ended": True}, "headswap has ended.")
