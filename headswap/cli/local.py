"""Verbs of the shell that are for this machine, or that need other words there than in Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from headswap.app.service.limits import Limits, Profile
from headswap.cli.answers import Answer
from headswap.counted import counted
from headswap.errors import BadSetting
from headswap.events import Listener, silent
from headswap.storage.files import to_plain
from headswap.storage.locations import default_workspace, folder_of_copies, writable
from headswap.zoos.catalogue import DEFAULT_MODEL

if TYPE_CHECKING:
    from headswap.features.autotune import EngineTimings
    from headswap.lessons.lesson import Lesson, LessonResult

_IMAGES = 16  # on which an engine is timed


def engines(model: str, *, workspace: str | Path | None = None) -> EngineTimings:
    """Time every engine of this machine on a network's backbone; later runs take the fastest.

    Args:
        model: a network; see `headswap models`.
        workspace: the cache folder, where the result is remembered.
    """
    import numpy as np

    from headswap.features.autotune import measure
    from headswap.heads.detect import find_head
    from headswap.zoos.catalogue import load_network

    network = load_network(model)
    spec = network.input
    shape = (_IMAGES, spec.height, spec.width, spec.channels)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return measure(network, find_head(network), noise, folder_of_copies(workspace) / "features")


def lesson(
    name: str | None = None,
    *,
    data: str = "",
    model: str = DEFAULT_MODEL,
    seed: int = 0,
    notebook: str | None = None,
    workspace: str | Path | None = None,
    listener: Listener = silent,
) -> Answer:
    """Run an experiment about what goes wrong when a head is swapped.

    Args:
        name: of a lesson, or its number; without it they are listed.
        data: your own pictures: a folder of class folders, or a zip; default: the sample set.
        model: a network whose head is one linear layer.
        seed: another seed, another draw.
        notebook: write all of them as a notebook (.ipynb) instead.
        workspace: where features are kept.
        listener: hears every step.
    """
    from headswap.lessons.catalogue import LESSONS, find_lesson, run_lesson
    from headswap.lessons.config import LessonConfig

    setting = LessonConfig(data=data, model=model, seed=seed)
    if notebook:
        from headswap.lessons.notebook import write_notebook

        path = write_notebook(Path(notebook), setting, name)
        return Answer({"notebook": str(path)}, f"{path} is ready. Open it with Jupyter and run all cells.")
    if not name:
        rows = [{"name": one.name, "title": one.title, "question": one.question} for one in LESSONS]
        lines = [f"{number:2} {one.name:16} {one.title}" for number, one in enumerate(LESSONS, start=1)]
        return Answer({"lessons": rows}, "\n".join([*lines, "Run one with `headswap lesson NAME`."]))
    found = find_lesson(name).lesson
    result = run_lesson(name, setting, workspace=folder_of_copies(workspace), listener=listener)
    return Answer(to_plain(result), _lesson_text(found, result))


def _lesson_text(lesson: Lesson, result: LessonResult) -> str:
    """Question, what happened, the numbers, the reason, the lines that did it."""
    lines = [lesson.title, "", lesson.question]
    lines += [f"  {'*' if at == lesson.right else '-'} {choice}" for at, choice in enumerate(lesson.choices)]
    lines += ["", *result.sentences, *result.texts, ""]
    for number in result.numbers:
        between = f" ({number.low:.3g} to {number.high:.3g})" if number.low is not None else ""
        lines.append(f"  {number.value:12.6g}  {number.text}{between}")
    lines += ["", *lesson.why]
    for code in lesson.codes:
        lines += ["", code.before, "", f"# wrong: {code.wrong_text}", code.wrong]
        lines += ["", f"# right: {code.right_text}", code.right]
    lines += [
        "",
        f"{counted(result.images, 'picture')} of {result.data}, {result.model}, {result.seconds:.1f} s.",
    ]
    return "\n".join(lines)


def serve(  # noqa: PLR0913
    *,
    host: str | None = None,
    port: int | None = None,
    app_workspace: Path | None = None,
    on: str | None = None,
    auth: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    profile: Profile = "me",
    browser: bool | None = None,
    networks: list[str] | None = None,
    local_links: bool = False,
    limits: Annotated[dict[str, float | bool] | None, Limits] = None,
) -> Answer:
    """Open the page in a browser; Ctrl-C ends it.

    Args:
        host: 0.0.0.0: the whole network, with --auth; default: this machine only.
        port: default: the first free one from 7860.
        app_workspace: where projects and runs are kept; default: the system's folder for a person's data.
        on: "auto": the machines of the Ray cluster that this one has joined see the pictures of runs; or the
            HOST:PORT of its head; default: HEADSWAP_CLUSTER, or else this machine alone.
        auth: class codes, made by `headswap users`.
        certificate: serve over TLS (PEM).
        key: of the certificate (PEM).
        profile: whose limits.
        browser: open the page in a browser; default: for one person at a machine with a screen.
        networks: which may be fetched: here (none, the default for a class), any, or their names.
        local_links: let links to films lead to this machine and its network, which others may not see.
        limits: each changes one figure of --for; 0: none, where that is said.
    """
    from headswap.app.serve import serve
    from headswap.app.service.options import ServeChoices, choices_of

    said = ServeChoices(
        host=host, port=port, app_workspace=app_workspace, on=on, auth=auth, certificate=certificate, key=key,
        profile=profile, browser=browser, networks=networks, local_links=local_links, limits=limits or {},
    )  # fmt: skip
    serve(choices_of(said, os.environ), os.environ)
    return Answer({"ended": True}, "headswap has ended.")


def users(action: Literal["add", "list", "remove"], file: Path, names: list[str] | None = None) -> Answer:
    """Make codes for people, see who has one, take one back.

    Args:
        action: what to do.
        file: the file that `headswap serve --auth FILE` reads.
        names: of people.
    """
    from headswap.app.service import accounts as codes

    if action != "list" and not names:
        raise BadSetting("No name was given.", remedy=f"headswap users {action} {file} NAME.")
    if action != "list":
        writable(file, "file")
    if action == "add":
        made = codes.add(file, tuple(names or ()))
        width = max(map(len, made))
        lines = [f"{name:<{width}}  {code}" for name, code in made.items()]
        lines.append(f"These codes are shown once; {file} keeps only what proves them.")
        return Answer({"codes": made}, "\n".join(lines))
    if action == "remove":
        codes.remove(file, tuple(names or ()))
    found = [person.name for person in codes.read_people(file).people]
    return Answer({"names": found}, "\n".join(found) or "No one.")


def doctor(*, app_workspace: Path | None = None) -> Answer:
    """Is this installation well, and if not, what to do; exit code 2 when something needs attention.

    Args:
        app_workspace: where the page keeps projects and runs; default: as for `headswap serve`.
    """
    from headswap.app.service.doctor import diagnose

    named = app_workspace or os.environ.get("HEADSWAP_WORKSPACE")
    checkup = diagnose(Path(named or default_workspace()).resolve(), os.environ.get("HEADSWAP_CLUSTER", ""))
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
    return Answer(record, "\n".join(lines), code=0 if checkup.is_well else 2)
