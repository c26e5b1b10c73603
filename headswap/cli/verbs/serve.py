"""`headswap serve`: the page, for one person, a class or a lab."""

from __future__ import annotations

import argparse

from headswap.app.service.options import add_options, choices_of
from headswap.cli.verb import VerbAnswer, Verbs, new_verb


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    add_options(new_verb(verbs, "serve", run))


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Open the page in a browser; Ctrl-C ends it."""
    from headswap.app.serve import serve

    serve(choices_of(choices, choices.environment), choices.environment)
    return VerbAnswer({"ended": True}, "headswap has ended.")
