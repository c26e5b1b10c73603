"""`headswap users add|list|remove FILE [NAME...]`: who may come in, for a class or a lab."""

from __future__ import annotations

import argparse
from pathlib import Path

from headswap.cli.verb import VerbAnswer, Verbs, new_verb


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "users", run)
    sub.add_argument("action", choices=("add", "list", "remove"))
    sub.add_argument("file", type=Path, help="the file that `headswap serve --auth FILE` reads")
    sub.add_argument("names", nargs="*", metavar="NAME")


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Make codes for people, see who has one, take one back."""
    from headswap.app.service import accounts as codes
    from headswap.errors import BadSetting
    from headswap.storage.locations import why_not_writable

    if choices.action != "list" and not choices.names:
        raise BadSetting("No name was given.", remedy=f"headswap users {choices.action} {choices.file} NAME.")
    reason = "" if choices.action == "list" else why_not_writable(choices.file)
    if reason:
        raise BadSetting(
            f"{choices.file} cannot be written: {reason}.", remedy="Choose another place for it."
        )
    if choices.action == "add":
        made = codes.add(choices.file, tuple(choices.names))
        width = max(map(len, made))
        lines = [f"{name:<{width}}  {code}" for name, code in made.items()]
        lines.append(f"These codes are shown once; {choices.file} keeps only what proves them.")
        return VerbAnswer({"codes": made}, "\n".join(lines))
    if choices.action == "remove":
        codes.remove(choices.file, tuple(choices.names))
    names = [person.name for person in codes.read_people(choices.file).people]
    return VerbAnswer({"names": names}, "\n".join(names) or "No one.")
