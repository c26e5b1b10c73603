"""The same verbs from a shell.

    headswap models [PATTERN] | inspect MODEL | check DATA | teach DATA | compare DATA --models A B
             | film LINK FOLDER | predict BUNDLE IMAGE... | evaluate BUNDLE DATA | edit BUNDLE OUT
             | export BUNDLE OUT.zip | engines MODEL | lesson [NAME] | serve
             | users add|list|remove FILE [NAME...] | doctor

Each verb is a module of headswap/cli/verbs/; here they are gathered, run and printed.
Progress goes to stderr. With --json the last line of stdout is one JSON object, in ASCII: it
means the same in every encoding. Exit codes: 0 done, 2 something the person can correct (one
sentence on stderr), 1 a fault of headswap.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from platformdirs import user_cache_path

from headswap.cli.progress import Bars, escape_unprintable
from headswap.cli.verb import VerbAnswer
from headswap.cli.verbs import (
    check,
    compare,
    doctor,
    edit,
    engines,
    evaluate,
    export,
    film,
    inspect,
    label,
    lesson,
    models,
    predict,
    serve,
    sort,
    train,
    users,
)
from headswap.errors import HeadswapError
from headswap.version import __version__

VERBS = (
    models,
    inspect,
    check,
    film,
    train,
    compare,
    label,
    predict,
    sort,
    evaluate,
    edit,
    export,
    engines,
    lesson,
    serve,
    users,
    doctor,
)  # as `headswap --help` lists them


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    escape_unprintable()
    choices = new_parser().parse_args(arguments)
    choices.workspace, choices.environment, choices.new_bars = workspace_of(os.environ), os.environ, Bars
    return said_by(choices)


def said_by(choices: argparse.Namespace) -> int:
    """Run the verb that was chosen and print what it says; returns the exit code."""
    run: Callable[[argparse.Namespace], VerbAnswer] = choices.run
    try:
        answer = run(choices)
    except HeadswapError as error:
        print(f"headswap: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("headswap: stopped.", file=sys.stderr)
        return 130
    try:
        print(json.dumps(answer.record) if choices.json else answer.text, flush=True)
    except BrokenPipeError:  # `headswap models | head`: the reader has read enough
        sys.stderr.close()
    return answer.code


def workspace_of(environment: Mapping[str, str]) -> Path:
    """Where features and unpacked zips are kept: HEADSWAP_CACHE, or the system's cache folder."""
    return Path(environment.get("HEADSWAP_CACHE") or user_cache_path("headswap"))


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, with the option or choice that was probably meant."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """As argparse does, but an option that no verb knows is named before what else is missing."""
        if self._subparsers is None:  # a verb, which knows its options
            for word in itertools.takewhile(lambda word: word != "--", args or ()):
                name, options = word.partition("=")[0], [*self._option_string_actions]
                is_known = not name.startswith("--") or any(one.startswith(name) for one in options)
                if not is_known:
                    self.error(f"there is no option {name}{_nearest(name, options)}")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
        if wrong:
            message += _nearest(wrong[1], re.findall(r"[\w-]+", wrong[2]))
        end = "" if message.endswith("?") else "."
        print(f"{self.prog}: {message}{end} See `{self.prog} --help`.", file=sys.stderr)
        sys.exit(2)


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def new_parser() -> argparse.ArgumentParser:
    """All verbs with what they take."""
    parser = _Parser(prog="headswap", description="Teach any pretrained image classifier your own classes.")
    parser.add_argument("--version", action="version", version=f"headswap {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb in VERBS:
        verb.add(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
