"""Two people, every verb of the service, every handler of the page: nobody gets at another one's work.

A verb or handler that takes something of which nothing stands in `VALUES` fails here: whoever adds one says
what a stranger would send. "Not yours" and "does not exist" must read the same, letter by letter.
"""

from __future__ import annotations

import inspect
import re
import shutil
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import _GeneratorContextManager
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from headswap.errors import HeadswapError, NotFound
from headswap.service.facade import Service
from headswap.service.settings import Settings
from headswap.ui.page import build_page

SECRET = "Adas geheimes Projekt"  # her project's name; it must never be seen by Bob
NOBODY = "0123456789abcdef" * 2  # a well-formed id that was never given
OPEN = {  # verbs that take no owner, because they show nothing of anybody
    "Service.health", "Service.inspect", "Service.models", "Service.three_to_start", "Service.warm",
    "Networks.cards", "Networks.inspect", "Networks.lesson_seconds", "Networks.models", "Networks.picture_ms",
    "Networks.warm", "TakeHome.close", "Archive.close",
    "History.current", "History.newest", "History.shown",  # take a Project, which only its owner can get
}  # fmt: skip
MAKE = {"Service.new_project", "Archive.open"}  # verbs that make something new for whoever asks
HANDLERS_OF_THE_PAGE_ALONE = {
    "on_list",
    "on_networks",
    "<lambda>",
    "_on_tab",
    "on_way",
}  # show or ask nothing of anybody
DEEDS_AND_LONG_WORK = re.compile(
    r"cancel|delete|drop|start_over|undo|replace_all|use_|add|rename|merge|relabel|mend|choose|start_teaching"
    r"|compare|export|TakeHome|save|settle|known"
)


@dataclass(frozen=True)
class Work:
    """What Ada has, or what nobody has."""

    project: str
    job: str
    sha256: str
    picture: Path
    upload: Path

    @property
    def values(self) -> dict[str, Any]:
        """What is sent, by the name of the argument."""
        return {
            "project": self.project, "project_id": self.project, "projects": (self.project,),
            "job": self.job, "jobs": (self.job,), "run": self.job, "runs": (self.job,), "key": self.project,
            "sha256": self.sha256, "sha256s": (self.sha256,), "files": (f"bird/{self.picture.name}",),
            "upload": self.upload, "file": self.upload, "picture": self.picture, "pictures": (self.picture,),
            "frame": b64encode(self.picture.read_bytes()).decode(), "folder": self.upload.parent,
            "name": "bird", "new": "crow", "into": "fruit", "code": "few", "label": "bird", "px": 96,
            "model": "tf_efficientnet_lite0", "models": ("tf_efficientnet_lite0",), "path": "classifier",
            "where": "test", "teach": None, "test_share": 0.2, "seed": 0,
            "known": [self.project], "ids": [self.project], "sort": "", "asking": self.job,
        }  # fmt: skip


@pytest.fixture(scope="module")
def service(few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(Settings(workspace=tmp_path_factory.mktemp("isolation"), sample=few_drawings)) as running:
        yield running


@pytest.fixture(scope="module")
def adas(
    service: Service, sample: Path, few_drawings: Path, tmp_path_factory: pytest.TempPathFactory
) -> Work:
    project = service.new_project("ada").id
    manifest = service.use_sample("ada", project)
    service.rename_project("ada", project, SECRET)
    job = service.start_teaching("ada", project)
    deadline = time.monotonic() + 300
    while not (view := service.job("ada", job)).is_over:
        assert time.monotonic() < deadline, view
        time.sleep(0.2)
    assert view.state == "done", (view.problem, view.remedy)
    upload = shutil.make_archive(str(tmp_path_factory.mktemp("upload") / "upload"), "zip", few_drawings)
    picture = sample / "try" / "vehicle_rocket.png"
    return Work(project, job, manifest.pictures[0].sha256, picture, Path(upload))


@pytest.fixture(scope="module")
def nobodys(adas: Work) -> Work:
    return Work(NOBODY, NOBODY, adas.sha256, adas.picture, adas.upload)


def verbs(service: Service) -> dict[str, Callable[..., Any]]:
    """Every public method of the service and of its nouns."""
    nouns = [service, *(getattr(service, name) for name in vars(service) if not name.startswith("_"))]
    return {
        f"{type(noun).__name__}.{name}": getattr(noun, name)
        for noun in nouns
        if not is_dataclass(noun)
        for name, _ in inspect.getmembers(type(noun), inspect.isfunction)
        if not name.startswith("_")
    }


def arguments(name: str, verb: Callable[..., Any], work: Work) -> dict[str, Any]:
    taken = [one for one in inspect.signature(verb).parameters if one != "owner"]
    missing = [one for one in taken if one not in work.values]
    assert not missing, f"{name} takes {missing}: say in VALUES what a stranger would send"
    return {one: work.values[one] for one in taken}


def outcome(deed: Callable[[], Any]) -> tuple[str, str]:
    """What a person hears, with all ids made equal."""
    try:
        said = deed()
        if isinstance(said, _GeneratorContextManager):
            with said as inner:
                said = inner
    except HeadswapError as error:
        return type(error).__name__, str(error)
    if isinstance(said, dict):
        said = sorted((str(getattr(one, "_id", one)), plain(value)) for one, value in said.items())
    return "answer", re.sub(r"[0-9a-f]{32}|proj-\S+", "ID", repr(plain(said)))


def plain(value: Any) -> Any:
    return repr(value.constructor_args) if hasattr(value, "constructor_args") else value


def everything(service: Service) -> dict[str, bytes]:
    """All that is kept of Ada's, byte by byte."""
    root = service.settings.workspace
    kept = [path for folder in ("projects", "jobs") for path in (root / folder).rglob("*") if path.is_file()]
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

        heard = outcome(lambda verb=verb, given=theirs: verb("bob", **given))

        assert heard == outcome(lambda verb=verb, given=nothing: verb("bob", **given)), name
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
        if name in OPEN | MAKE or DEEDS_AND_LONG_WORK.search(name):
            continue
        given = arguments(name, verb, adas)

        heard = outcome(lambda verb=verb, given=given: verb("ada", **given))

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
    """What a press may say: a place, an id, a deed with an id."""
    deeds = ("delete", "stop", "open", "ask", "sort", "drop", "undo", "settle")
    return ("0:0", work.project, work.job, *(f"{deed}:{work.job}" for deed in deeds))


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
            sent.append(str(value) if isinstance(value, Path) else value)
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
