"""The same verbs from a shell.

    headswap models [PATTERN] | inspect MODEL | check DATA | teach DATA | compare DATA --models A B
             | film LINK FOLDER | predict BUNDLE IMAGE... | evaluate BUNDLE DATA | edit BUNDLE OUT
             | export BUNDLE OUT.zip | engines MODEL | lesson [NAME] | serve
             | users add|list|remove FILE [NAME...] | doctor

What each takes is made from the signature of its function (headswap/cli/shell.py).
Progress goes to stderr. With --json the last line of stdout is one JSON object, in ASCII: it
means the same in every encoding. Exit codes: 0 done, 2 something the person can correct (one
sentence on stderr), 1 a fault of headswap.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from headswap.cli.progress import Bars, escape_unprintable
from headswap.cli.shell import Call, WrongCommand, call_of
from headswap.errors import HeadswapError

if TYPE_CHECKING:
    from headswap.cli.answers import Answer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    escape_unprintable()
    try:
        call = call_of(sys.argv[1:] if arguments is None else arguments)
        if call is None:  # help, or the version
            return 0
        answer = _answer_of(call)
    except HeadswapError as error:
        print(error if isinstance(error, WrongCommand) else f"headswap: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("headswap: stopped.", file=sys.stderr)
        return 130
    try:
        print(json.dumps(answer.record) if call.as_json else answer.text, flush=True)
    except BrokenPipeError:  # `headswap models | head`: the reader has read enough
        sys.stderr.close()
    return answer.code


def _answer_of(call: Call) -> Answer:
    """Run the function of a verb and have its result said."""
    takes = inspect.signature(call.function).parameters
    own: dict[str, Any] = {"workspace": workspace_of(os.environ)} if "workspace" in takes else {}
    with Bars() as bars, _launched(call.verb):
        if "listener" in takes:
            own["listener"] = bars
        result = call.function(**call.arguments, **own)
    from headswap.cli import answers, comparison

    if isinstance(result, answers.Answer):
        return result
    show = comparison.compare if call.verb == "compare" else getattr(answers, call.function.__name__)
    shown: Answer = show(result, call.arguments)
    return shown


@contextmanager
def _launched(verb: str) -> Iterator[None]:
    """Of processes that a launcher such as torchrun started to teach together, only the first goes on."""
    if verb != "teach":
        yield
        return
    from headswap.cluster.launched import follow, launched, launched_rank

    with launched():
        if launched_rank():
            follow()  # rank 0 writes and reports
            sys.exit(0)
        yield


def workspace_of(environment: Mapping[str, str]) -> Path:
    """Where features and unpacked zips are kept: HEADSWAP_CACHE, or the system's cache folder."""
    return Path(environment.get("HEADSWAP_CACHE") or user_cache_path("headswap"))


if __name__ == "__main__":
    sys.exit(main())
