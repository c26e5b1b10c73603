"""`headswap doctor`: is this installation well, and if not, what to do."""

from __future__ import annotations

import argparse
from pathlib import Path

from headswap.cli.verb import VerbAnswer, Verbs, new_verb


def add(verbs: Verbs) -> None:
    """Say what the verb takes."""
    sub = new_verb(verbs, "doctor", run)
    sub.add_argument(
        "--workspace",
        dest="app_workspace",
        type=Path,
        metavar="FOLDER",
        help="where the page keeps projects and runs; default: as for `headswap serve`",
    )


def run(choices: argparse.Namespace) -> VerbAnswer:
    """Look this installation over; exit code 2 when something needs attention."""
    from headswap.app.service.doctor import diagnose
    from headswap.storage.locations import default_workspace

    named = choices.app_workspace or choices.environment.get("HEADSWAP_WORKSPACE")
    workspace = Path(named or default_workspace()).resolve()
    checkup = diagnose(workspace, choices.environment.get("HEADSWAP_CLUSTER", ""))
    width = max(len(part.name) for part in checkup.parts)
    lines = []
    for part in checkup.parts:
        lines.append(f"{'ok ' if part.is_well else 'FIX'}  {part.name:<{width}}  {part.finding}")
        lines += [f"     {'':<{width}}  -> {part.remedy}"] * (not part.is_well)
    lines.append("All is well." if checkup.is_well else "Something needs fixing.")
    parts = [
        {"name": part.name, "well": part.is_well, "finding": part.finding, "remedy": part.remedy}
        for part in checkup.parts
    ]
    record = {"well": checkup.is_well, "parts": parts}
    return VerbAnswer(record, "\n".join(lines), code=0 if checkup.is_well else 2)
