"""Two people, every verb of the service, every handler of the page: no one gets at another one's work.

A verb or handler that takes something of which nothing stands in `VALUES` fails here: the person who adds
it says what a stranger would send. "Not yours" and "does not exist" must read the same, letter by letter.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from headswap.app.service.service import Service
from headswap.app.ui.page import build_page
from headswap.errors import NotFound
from tests.contracts.house import NOBODY, SECRET, Work, arguments, outcome, verbs

OPEN = {  # verbs that take no owner, because they show nothing of anyone
    "Service.health", "Service.begin_to_end", "Service.to_start_with",
    "Service.warm", "Networks.cards", "Networks.inspect", "Networks.training_seconds", "Networks.models",
    "Networks.out_of_reach", "Networks.image_ms", "Networks.fetched_bytes", "Service.room_of",
    "Uploads.note", "Uploads.taken", "Uploads.waiting_bytes",  # the gate knows who asks
    "Networks.after_the_first", "Networks.warm", "Exports.close", "ProjectArchive.close",
    "Lessons.close", "Lessons.warm", "Labelling.close", "Batches.close", "Batches.tidy", "Races.close",
    "FilmLinks.close", "Races.fetchable",
    "Sharing.view", "Sharing.vote", "Sharing.tidy", "Sharing.page_of", "Service.exported_page",  # by a key
    "History.current", "History.is_stale", "History.newest",
    "History.shown", "Labelling.folder_of",  # these take a Project, which only its owner can get
}  # fmt: skip
MAKE = {
    "Service.new_project",
    "ProjectArchive.open",
    "Lessons.open",
}  # verbs that make something new for anyone who asks
HANDLERS_OF_THE_PAGE_ALONE = {
    "_on_tab",
    "on_list",
    "on_networks",
    "<lambda>",
}  # show or ask nothing of anyone
ACTIONS_AND_LONG_WORK = re.compile(
    r"cancel|finish_early|delete|drop|start_over|undo|replace_|use_|add|rename|merge|relabel|mend|choose|start_teaching"
    r"|compare|export|Exports|save|dismiss|restore|known|Lessons.run|Lessons.stop|reset|go_to|share|vote|Batches|label|Labelling|FilmLinks|Races.begin|take_winner|LaterClasses"
)


def everything(service: Service) -> dict[str, bytes]:
    """All that is kept of Ada's, byte by byte."""
    root = service.settings.workspace
    kept = [
        path
        for folder in ("projects", "jobs", "lessons")
        for path in (root / folder).rglob("*")
        if path.is_file()
    ]
    return {str(path): path.read_bytes() for path in kept}


def test_every_verb_refuses_what_is_not_ones_own_as_if_it_did_not_exist(
    service: Service, adas: Work, nobodys: Work
) -> None:
    before, crossed = everything(service), 0
    for name, verb in verbs(service).items():
        takes = inspect.signature(verb).parameters
        if name in OPEN | MAKE:
            continue
        assert "owner" in takes, f"{name} takes no owner: it must, or be named in OPEN with a reason"
        theirs, nothing = (arguments(name, verb, work) for work in (adas, nobodys))

        heard = outcome(partial(verb, "bob", **theirs))

        assert heard == outcome(partial(verb, "bob", **nothing)), name
        assert heard[0] == "NotFound" or heard[1] in ("()", "{}"), (name, heard)
        crossed += 1
    assert crossed >= 40
    assert everything(service) == before


def test_the_same_verbs_answer_the_owner(service: Service, adas: Work) -> None:
    refusals = [
        outcome(lambda: service.project("bob", NOBODY))[1],
        outcome(lambda: service.job("bob", NOBODY))[1],
    ]
    asked = 0
    for name, verb in verbs(service).items():
        if name in OPEN | MAKE or ACTIONS_AND_LONG_WORK.search(name):
            continue
        given = arguments(name, verb, adas)

        heard = outcome(partial(verb, "ada", **given))

        assert heard[1] not in refusals, name
        asked += 1
    assert asked >= 12


def test_ids_that_are_no_ids_read_the_same_too(service: Service) -> None:
    up = ("../", "..\\", "%2e%2e%2f", "..%2f", "%2e%2e/", "..;/", "....//", "..%5c", "%c0%ae%c0%ae/", "‥/")
    tails = ("jobs.sqlite", NOBODY)
    strange = [
        *(spelling + rest for spelling in up for rest in tails),
        "", ".", "..", "/", "/etc/passwd", "C:\\", "\\\\server\\share", "\x00", f"{NOBODY}\x00",
        f"{NOBODY}\n", f" {NOBODY}", NOBODY.upper(), NOBODY[:-1], f"{NOBODY}0", "０" * 32, "~", "con",
        "' OR 1=1 --", "a" * 5000,
    ]  # fmt: skip
    assert len(strange) >= 30
    for text in strange:
        with pytest.raises(NotFound, match="There is no such project"):
            service.project("bob", text)
        with pytest.raises(NotFound, match="There is no such run"):
            service.job("bob", text)


class Happened:
    """Any event: a press on whatever a stranger says was pressed."""

    index = 0

    def __init__(self, work: Work, chosen: str) -> None:
        self._said = {**work.values, "chosen": chosen}

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["_said"].get(name, "0")


def presses(work: Work) -> tuple[str, ...]:
    """What a press may say: a place, an id, an operation with an id."""
    operations = ("delete", "stop", "open", "ask", "sort", "drop", "undo", "settle")
    learned = ("open:norms", "run", "vote:open", "vote:close", "share", "unshare", "reset:yes", "summary")
    return (
        "0:0",
        work.project,
        work.job,
        *(f"{operation}:{work.job}" for operation in operations),
        *learned,
        "make",
        "take",
        "head-wide",
        "stop",
    )


def call(block: Any, who: str, work: Work, chosen: str) -> Callable[[], Any]:
    """A handler with what a stranger would send in the place of every input."""
    inputs, sent = iter(block.inputs), []
    for name, taken in inspect.signature(block.fn).parameters.items():
        if "Request" in str(taken.annotation):
            sent.append(gr.Request(username=who, query_params={}, headers={}, session_hash="s"))
        elif "Data" in str(taken.annotation):
            sent.append(Happened(work, chosen))
        elif taken.kind is inspect.Parameter.VAR_POSITIONAL:
            sent.extend(one.value for one in inputs)
        else:
            next(inputs)
            assert name in work.values, (
                f"{block.fn.__qualname__} takes {name!r}: say what a stranger would send"
            )
            value = work.values[name]
            value = str(value) if isinstance(value, Path) else value
            unopened = "dict" in str(
                taken.annotation
            )  # an upload as gradio hands it on, checked but not decoded
            sent.append({"path": value} if unopened else value)
    return lambda: block.fn(*sent)


def test_every_handler_shows_a_stranger_what_it_shows_of_nothing(
    service: Service, adas: Work, nobodys: Work
) -> None:
    page = build_page(service, secret="s" * 32)
    before, crossed = everything(service), set()
    for block in page.fns.values():
        if block.fn is None or block.fn.__name__ in HANDLERS_OF_THE_PAGE_ALONE:
            continue
        names = inspect.signature(block.fn).parameters
        assert "request" in names, f"{block.fn.__qualname__} does not ask who it is"

        name = block.fn.__qualname__
        is_press = any("Data" in str(taken.annotation) for taken in names.values())
        pairs = list(zip(presses(adas), presses(nobodys), strict=True))
        for theirs, nothing in pairs if is_press else pairs[:1]:
            seen = outcome(call(block, "bob", adas, theirs))

            assert seen == outcome(call(block, "bob", nobodys, nothing)), (name, theirs)
            assert not any(secret in seen[1] for secret in (SECRET, adas.project, adas.job)), (name, theirs)
        crossed.add(block.fn.__qualname__)
    assert len(crossed) >= 20
    assert {path: data for path, data in everything(service).items() if path in before} == before
