"""`headswap film LINK FOLDER`: fetch a film into a class folder."""

from __future__ import annotations

import argparse

from headswap.cli.progress import Bars
from headswap.cli.verb import VerbAnswer, Verbs, new_verb
from headswap.counted import counted


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "film", run)
    sub.add_argument("link", help="an address that begins with https:// or http://, such as …/film.mp4")
    sub.add_argument("folder", help="a class folder, such as mugs/cup; it is made if it is not there")


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Fetch a film from a link into a class folder, whose frames `teach` then takes."""
    from headswap.data.film_link import film
    from headswap.storage.files import to_plain

    with Bars() as bars:
        found = film(choices.link, choices.folder, listener=bars)
    size = f"{found.size / 1e6:.1f} MB"
    return VerbAnswer(
        to_plain(found), f"{found.path} has {size} and gives {counted(found.frames, 'picture')}."
    )
