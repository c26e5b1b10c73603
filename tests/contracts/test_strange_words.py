"""Every text that a verb takes, replaced by one that hurts: there is an answer or one plain sentence.

A page may send any text at all: half of a letter, a byte that ends strings elsewhere, a megabyte. What it
does to one's own work is tried here, on a project of one's own with a finished run in it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from headswap.app.service.service import Service
from tests.contracts.house import Work, arguments, outcome, verbs

STRANGE = (
    "a\x00b", "\ud800", "x" * 100_000, "", "\n", "\u202eexe", "../../x", "<img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0", "\U0001f408", "e\u0301", "{0}%s%n", "'; DROP TABLE job; --", "con",
)  # fmt: skip
SENT = (
    "project", "job", "run", "sha256", "name", "new", "into", "code", "label", "model", "path", "key",
    "frame", "link", "progress", "lesson", "voter",
)  # fmt: skip
DEAR = {  # another process is asked, or a network opened: a few texts each, and over all of them each text
    "LaterClasses.call_class", "Networks.inspect", "Service.choose_model", "Results.heat_map",
}  # fmt: skip
EACH = 4
LISTS = ("names", "projects", "jobs", "runs", "sha256s", "files", "models")


@pytest.fixture
def eves(service: Service, adas: Work, tmp_path: Path) -> Iterator[Work]:
    """Eve opens what Ada saved for her: a project and a run of her own.

    The runs that she starts wait and never begin: a worker takes seconds, and no text of hers is for one.
    """
    saved = service.archive.save("ada", adas.project, tmp_path / "saved")
    project = service.archive.open("eve", saved)
    job = service.project("eve", project).job
    assert job is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service._queue, "_hand_out", lambda: None)
        yield replace(adas, project=project, job=job)
        for row in service.history.rows("eve", (project,)):
            if not row.is_over:
                service.cancel("eve", row.id)


def questions(service: Service, work: Work) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Verb, argument, text, and all that is sent."""
    dear = cycle(STRANGE)
    for name, verb in verbs(service).items():
        takes = inspect.signature(verb).parameters
        for argument, taken in takes.items():
            if argument not in (*SENT, *LISTS) or "str" not in str(taken.annotation):
                continue
            for text in islice(dear, EACH) if name in DEAR else STRANGE:
                given = arguments(name, verb, work)
                given[argument] = (text,) if argument in LISTS else text
                yield name, argument, text, given | ({"owner": "eve"} if "owner" in takes else {})


def test_no_text_does_more_than_earn_a_sentence(service: Service, eves: Work) -> None:
    asked, wrong, before = 0, [], service.images.manifest("eve", eves.project)
    for name, argument, text, given in questions(service, eves):
        asked += 1
        try:
            said = outcome(partial(verbs(service)[name], **given))
        except Exception as error:  # noqa: BLE001  a crash is the finding
            wrong.append(f"{name}({argument}={text[:20]!a}): {error!r:.80}")
            continue
        if "The program has a fault" in said[1]:
            wrong.append(f"{name}({argument}={text[:20]!a}): {said[1]:.80}")
        if said[0] != "answer" and len(said[1]) > 5_000:
            wrong.append(f"{name}({argument}={text[:20]!a}): {len(said[1])} letters of refusal")

    assert asked > 500
    assert not wrong, "\n".join(wrong)
    assert service.project("eve", eves.project).id == eves.project
    assert service.job("eve", eves.job).state == "done"
    after = service.images.manifest("eve", eves.project)
    assert before is not None
    assert after is not None
    assert len(after.images) <= len(before.images)
    assert all(len(name) <= 300 for name in after.classes)
