"""Record what a person gets from headswap as files, and replay it after a change that must change nothing.

    python -m tests.record BEFORE                   # on the old commit
    python -m tests.record AFTER --against BEFORE   # on the new one, same machine: prints what differs
    python -m tests.record AFTER --only shell       # a part: shell, bad, old, exports, page, screens

Each verb on the sample and on two sets, bad input, bundles and projects of before, exported files with their
answers, the page's states, its endpoints and its screens. What differs from run to run (times, ids, dates,
folders) is masked; figures and weights are not, so both runs need the same machine and the same libraries.
Only the shell, HTTP and the browser are used: headswap is not imported, so that names may change.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image, ImageChops
from playwright.sync_api import Browser, sync_playwright

from tests.e2e import screenshots
from tests.e2e.house import FLAGS, STEPS, Visit, app_running, chromium_path, visiting

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "assets" / "sample"
SHARED = ROOT.parent / "shared"
WEIGHTS = SHARED / "weights" / "torchvision_squeezenet1_1.safetensors"
SETS = {"sample": SAMPLE / "train", "cells": SHARED / "data/blood_cells", "pets": SHARED / "data/cats_dogs"}
OLD = tuple(sorted((ROOT / "tests").glob("version_*/")))
DIFFERENT_PIXELS = 0.002  # share of a screen above which it is named: a text, not the edge of a letter

RUNS = {  # of `teach` on the sample
    "head": (),
    "flip": ("--mirror",),
    "squash": ("--fit", "squash"),
    "small": ("--px", "160", "--seed", "3", "--test-share", "0.3"),
    "plain": ("--head", "last", "--no-features"),
    "norms": ("--depth", "norms"),
    "auto": ("--depth", "auto"),
    "convolution": ("--model", "squeezenet1_1", "--weights", str(WEIGHTS)),
}
VERBS = {
    "models": ("models", "efficientnet_lite"),
    "inspect": ("inspect", "resnet18"),
    "inspect-two": ("inspect", "deit_tiny_distilled_patch16_224"),
    "inspect-convolution": ("inspect", "squeezenet1_1", "--weights", str(WEIGHTS)),
    "inspect-named": ("inspect", "resnet18", "--head", "fc"),
    "lessons": ("lesson",),
    "lesson": ("lesson", "two-heads"),
    "engines": ("engines", "tf_efficientnet_lite0"),
    "race": ("compare", str(SAMPLE / "train"), "--models", "auto", "--folds", "3"),
}
BAD = {  # each is one sentence and exit code 2
    "no-verb": (),
    "verb": ("tech", "{data}"),
    "option": ("teach", "{data}", "--modle", "resnet18"),
    "choice": ("teach", "{data}", "--depth", "deep"),
    "number": ("teach", "{data}", "--seed", "one"),
    "negative-seed": ("teach", "{data}", "--seed", "-1"),
    "test-share": ("teach", "{data}", "--test-share", "3"),
    "budget": ("teach", "{data}", "--budget", "-2"),
    "px": ("teach", "{data}", "--px", "3"),
    "model": ("teach", "{data}", "--model", "resnet81"),
    "weights": ("teach", "{data}", "--weights", "{room}/none.safetensors"),
    "layer": ("teach", "{data}", "--head", "no.such.layer"),
    "there": ("teach", "{data}", "--out", "{bundle}"),
    "no-data": ("teach", "{room}/nothing"),
    "empty": ("teach", "{room}/empty"),
    "one-class": ("teach", "{room}/one-class"),
    "again-and-more": ("teach", "{data}", "--from", "{bundle}", "--seed", "2"),
    "no-bundle": ("predict", "{room}/nothing", "{image}"),
    "cut-bundle": ("predict", "{room}/cut.zip", "{image}"),
    "no-image": ("predict", "{bundle}", "{room}/nothing.png"),
    "empty-folder": ("predict", "{bundle}", "{room}/empty"),
    "text-as-image": ("predict", "{bundle}", "{room}/text.png"),
    "csv-nowhere": ("predict", "{bundle}", "{image}", "--csv", "{room}/no/where.csv"),
    "evaluate-nothing": ("evaluate", "{bundle}", "{room}/empty"),
    "sort-there": ("sort", "{bundle}", "{data}", "{room}/empty"),
    "edit-unknown": ("edit", "{bundle}", "{room}/edited", "--remove", "dragon"),
    "edit-nothing": ("edit", "{bundle}", "{room}/edited"),
    "merge": ("edit", "{bundle}", "{room}/edited", "--merge", "one"),
    "export-ending": ("export", "{bundle}", "{room}/x.rar"),
    "export-form": ("export", "{bundle}", "{room}/x.zip", "--form", "paper"),
    "compare-one": ("compare", "{data}", "--models", "tf_efficientnet_lite0"),
    "compare-unknown": ("compare", "{data}", "--models", "resnet81", "resnet82"),
    "plot": ("compare", "{data}", "--models", "resnet18", "resnet34", "--plot", "{room}/x.png"),
    "lesson": ("lesson", "no-such"),
    "inspect": ("inspect", "resnet81"),
    "film": ("film", "ftp://nowhere/film.mp4", "{room}/film"),
    "users": ("users", "add", "{room}/users.json"),
    "on": ("predict", "{bundle}", "{image}", "--on", "nowhere"),
}
HELP = (
    "check", "compare", "doctor", "edit", "engines", "evaluate", "export", "film", "inspect", "label",
    "lesson", "models", "predict", "serve", "sort", "teach", "users",
)  # fmt: skip
RUNNING = (
    "seconds", "_ms", "time", "date", "created", "started", "finished", "pace", "speed", "elapsed",
    "bytes", "engine", "versions", "memory", "path", "bundle", "folder", "file_", "machine", "when",
)  # fmt: skip
MASKS = (
    (re.compile(r"data:[a-z]+/[a-z+-]+;base64,[A-Za-z0-9+/=]+"), "DATA"),
    (re.compile(r"\b[0-9a-f]{32,64}\b"), "ID"),
    (re.compile(r"(html|component|input|tooltip|range|svelte|label|listbox)-[0-9a-z_-]+"), r"\1-N"),
    (re.compile(r"127\.0\.0\.1:\d+"), "HOST"),
    (
        re.compile(
            re.escape(tempfile.gettempdir()) + r"/[^\"'\s<,;:]+?(?=/[\w.]+[\"'\s<,;:]|[\"'\s<,;:.]|$)"
        ),
        "PLACE",
    ),
    (re.compile(re.escape(str(ROOT.parent))), "ROOT"),
    (re.compile(r"\d+(\.\d+)?(?=(\s|&nbsp;)*(ms|s|seconds?|minutes?|pictures a second|MB|GB)\b)"), "N"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]?[\d:.]*|[A-Z][a-z]{2} \d+, \d+:\d\d [AP]M"), "DATE"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--against", type=Path, help="a record of before; what differs is printed")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=tuple(PARTS))
    choices = parser.parse_args()
    choices.out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        room = _room(Path(folder))
        for part in (one for one in PARTS if one in choices.only):
            PARTS[part](room, choices.out / part)
    if choices.against is None:
        return 0
    found = list(differences(choices.against, choices.out, choices.only))
    sys.stdout.write("\n".join([*found, f"{len(found)} lines differ.", ""]))
    return 1 if found else 0


def _room(folder: Path) -> Path:
    """What the cases read: a bundle, and input that is wrong."""
    for name in ("empty", "one-class/only"):
        (folder / name).mkdir(parents=True)
    for image in sorted((SAMPLE / "train" / "bird").iterdir())[:5]:
        shutil.copy(image, folder / "one-class/only")
    (folder / "text.png").write_text("no picture")
    _verb("teach", str(SAMPLE / "train"), "--out", str(folder / "bundle"))
    packed = Path(shutil.make_archive(str(folder / "whole"), "zip", folder / "bundle"))
    (folder / "cut.zip").write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    return folder


# ---- the shell ----------------------------------------------------------------------------------------


def record_shell(room: Path, out: Path) -> None:
    """Every verb, as JSON and as text; what it writes."""
    for name, words in VERBS.items():
        _write(out / f"{name}.json", _verb(*words))
    for verb in HELP:
        found = sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", _said(verb, "--help")["stdout"])))
        _write(out / "help" / f"{verb}.json", found)
    for name, options in RUNS.items():
        _taught(SETS["sample"], room / f"{name}.run", options, out / "sample" / name)
    for name in ("cells", "pets"):
        _taught(SETS[name], room / f"{name}.run", (), out / name)
        _compared(name, out / name)
    again = _verb(
        "teach", str(SETS["cells"]), "--from", str(room / "cells.run"), "--out", str(room / "again.run")
    )
    _write(out / "again.json", again)
    _write(out / "again-weights.json", _files(room / "again.run"))
    _changed(room, out / "edit")
    _several_labels(room, out / "several")
    _unsorted(room, out / "label")


def _taught(data: Path, bundle: Path, options: tuple[str, ...], out: Path) -> None:
    """Train once; keep its answer, its bundle's records and weights, and what it predicts."""
    _write(out / "check.json", _verb("check", str(data)))
    _write(out / "teach.json", _verb("teach", str(data), "--out", str(bundle), *options))
    _write(out / "bundle.json", _files(bundle))
    for file in sorted(bundle.glob("*.json")):
        _write(out / "bundle" / file.name, json.loads(file.read_text(encoding="utf-8")))
    images = [str(path) for path in _images(data)[::9]]
    _write(out / "predict.json", _verb("predict", str(bundle), *images))
    _write(out / "predict.txt", _said("predict", str(bundle), *images)["stdout"])
    _write(out / "evaluate.json", _verb("evaluate", str(bundle), str(data)))
    table = bundle.with_suffix(".csv")
    _said("predict", str(bundle), str(data), "--csv", str(table))
    _write(out / "predict.csv", table.read_text(encoding="utf-8"))
    copies = bundle.with_suffix(".sorted")
    _write(out / "sort.json", _verb("sort", str(bundle), str(data), str(copies), "--least-sure", "0.9"))
    _write(out / "sorted.json", sorted(str(path.relative_to(copies)) for path in copies.rglob("*")))


def _compared(name: str, out: Path) -> None:
    words = ("compare", str(SETS[name]), "--models", "tf_efficientnet_lite0", "tf_efficientnet_lite1")
    _write(out / "compare.json", _verb(*words))


def _changed(room: Path, out: Path) -> None:
    """A class later, of each kind."""
    more = room / "more" / "cell"
    shutil.copytree(SETS["cells"] / "WBC", more)
    changes = {
        "remove": ("--remove", "bug"),
        "merge": ("--merge", "bird", "bug", "alive"),
        "rename": ("--rename", "vehicle", "machine"),
        "add": ("--add", str(more.parent)),
    }
    for name, words in changes.items():
        bundle = room / f"{name}.edited"
        _write(out / f"{name}.json", _verb("edit", str(room / "bundle"), str(bundle), *words))
        _write(out / f"{name}-bundle.json", _files(bundle))


def _several_labels(room: Path, out: Path) -> None:
    """Pictures of two drawings each, and a table that names both."""
    folder = room / "pairs"
    folder.mkdir()
    kinds = sorted(path for path in SETS["sample"].iterdir() if path.is_dir())
    rows = [("file", "labels")]
    for number in range(60):
        left, right = kinds[number % len(kinds)], kinds[number // len(kinds) % len(kinds)]
        sheet = Image.new("RGB", (448, 224), "white")
        for place, kind in enumerate((left, right)):
            images = _images(kind)
            with Image.open(images[number % len(images)]) as image:
                sheet.paste(image.convert("RGB").resize((224, 224)), (224 * place, 0))
        sheet.save(folder / f"{number:02}.png")
        rows.append((f"{number:02}.png", ";".join(sorted({left.name, right.name}))))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    bundle = room / "pairs.run"
    _write(out / "check.json", _verb("check", str(folder)))
    _write(out / "teach.json", _verb("teach", str(folder), "--out", str(bundle)))
    _write(out / "bundle.json", _files(bundle))
    _write(out / "predict.json", _verb("predict", str(bundle), *map(str, _images(folder)[::10])))
    _write(out / "evaluate.json", _verb("evaluate", str(bundle), str(folder)))
    _write(
        out / "edit.json", _verb("edit", str(bundle), str(room / "pairs2"), "--merge", "bird", "bug", "alive")
    )
    models = ("--models", "tf_efficientnet_lite0", "tf_efficientnet_lite1")
    _write(out / "compare.json", _verb("compare", str(folder), *models))


def _unsorted(room: Path, out: Path) -> None:
    """Label with help: the table, filled in once."""
    heap, table = room / "heap", room / "heap.csv"
    heap.mkdir()
    for kind in ("bird", "fruit"):
        for image in _images(SETS["sample"] / kind)[:10]:
            shutil.copy(image, heap / f"{kind} {image.name}")
    _write(out / "first.json", _verb("label", str(heap), "--csv", str(table)))
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:6]:
        row["label"] = row["file"].partition(" ")[0]
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    _write(out / "second.json", _verb("label", str(heap), "--csv", str(table)))


def record_bad(room: Path, out: Path) -> None:
    """Bad input: exit code and sentence; stdout stays empty."""
    places = {
        "data": SETS["sample"], "room": room, "bundle": room / "bundle", "image": _images(SAMPLE / "try")[0],
    }  # fmt: skip

    def tried(words: tuple[str, ...]) -> Any:
        return _said(*(word.format(**places) for word in words))

    with ThreadPoolExecutor(2) as pool:
        for name, said in zip(BAD, pool.map(tried, BAD.values()), strict=True):
            _write(out / f"{name}.json", said)


def record_old(room: Path, out: Path) -> None:
    """Bundles and projects that earlier versions left on people's disks."""
    images = [str(path) for path in _images(SAMPLE / "try")]
    for version in OLD:
        for bundle in sorted(path for path in version.iterdir() if (path / "bundle.json").exists()):
            name = f"{version.name}-{bundle.name}"
            _write(out / f"{name}.json", _verb("predict", str(bundle), *images))
            _write(out / f"{name}-evaluate.json", _verb("evaluate", str(bundle), str(SETS["sample"])))
    with app_running(room / "old") as house, browsing() as browser:
        for version in OLD:
            for file in sorted(version.glob("*.headswap.zip")):
                with visiting(browser, house) as visit:
                    visit.open_project(file)
                    _steps(visit, out / "page" / version.name)


# ---- what is taken home -------------------------------------------------------------------------------


def record_exports(room: Path, out: Path) -> None:
    """Every form of an export, and what it answers without headswap."""
    images = _images(SAMPLE / "try")
    for name in ("bundle", "plain.run"):
        bundle = room / name
        if not bundle.exists():
            _verb("teach", str(SETS["sample"]), "--out", str(bundle), *RUNS["plain"])
        place = out / bundle.stem
        for form in ("programs", "site", "teachable-machine", "openvino"):
            file = room / f"{bundle.stem}-{form}.zip"
            _write(place / f"{form}.json", _verb("export", str(bundle), str(file), "--form", form))
            if file.exists():
                with zipfile.ZipFile(file) as packed:
                    _write(place / f"{form}-files.json", sorted(packed.namelist()))
        _write(place / "predict.txt", _answers_of_zip(room / f"{bundle.stem}-programs.zip", images))
        page = room / f"{bundle.stem}.html"
        _write(place / "page.json", _verb("export", str(bundle), str(page)))
        _write(place / "page-answers.json", _answers_of_page(page, images))


def _answers_of_zip(file: Path, images: list[Path]) -> str:
    """What `predict.py` of the zip prints, run away from this project."""
    folder = file.with_suffix("")
    with zipfile.ZipFile(file) as packed:
        packed.extractall(folder)
    program = next(folder.rglob("predict.py"))
    done = subprocess.run(
        [sys.executable, "-P", program.name, *map(str, images)],
        cwd=program.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def _answers_of_page(page: Path, images: list[Path]) -> dict[str, Any]:
    """What the exported page says of each picture; probabilities to five digits."""
    said: dict[str, Any] = {}
    with browsing() as browser:
        tab = browser.new_page()
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready]", state="attached", timeout=600_000)
        for image in images:
            tab.evaluate("delete document.querySelector('#result').dataset.label")
            tab.set_input_files("input[type=file] >> nth=0", image)
            tab.wait_for_selector("#result[data-label]", state="attached", timeout=600_000)
            found = tab.evaluate("({...document.querySelector('#result').dataset})")
            shares = json.loads(found["probabilities"])
            said[image.name] = [found["label"], {name: round(share, 5) for name, share in shares.items()}]
    return said


# ---- the page -----------------------------------------------------------------------------------------


def record_page(room: Path, out: Path) -> None:
    """The HTML of each step, before and after training; the lessons; the runs; the six endpoints."""
    with app_running(room / "workspace") as house, browsing() as browser:
        with visiting(browser, house) as visit:
            visit.wait("#hs-head svg.wide")
            _steps(visit, out / "first")
            visit.page.click("#hs-model-button")
            visit.use_sample()
            visit.teach()
            visit.wait("#hs-grid table")
            _steps(visit, out / "taught")
            for path in ("learn", "runs"):
                visit.page.goto(f"{house.url}{path}")
                visit.page.wait_for_load_state("networkidle")
                visit.page.wait_for_timeout(4000)
                _html(visit, "body", out / f"{path}.html")
        _endpoints(Client(house.url, verbose=False), room, out / "api")


def _endpoints(client: Client, room: Path, out: Path) -> None:
    """Each endpoint once as it should be called, and once as it should not."""
    image = handle_file(str(_images(SAMPLE / "try")[0]))

    def ask(name: str, *words: Any, api_name: str) -> Any:
        try:
            said = client.predict(*words, api_name=api_name)
        except (AppError, ValueError) as error:
            said = {"refused": str(error)}
        if isinstance(said, str) and Path(said).exists():
            with zipfile.ZipFile(said) as packed:
                said = sorted(packed.namelist())
        _write(out / f"{name}.json", said)
        return said

    _write(out / "list.json", client.view_api(return_format="dict", print_info=False))
    ask("inspect", "tf_efficientnet_lite0", "", api_name="/inspect")
    ask("inspect-bad", "resnet81", "", api_name="/inspect")
    packed = shutil.make_archive(str(room / "sample"), "zip", SETS["sample"])
    started = ask("start", handle_file(packed), api_name="/start")
    ask("start-bad", handle_file(str(room / "cut.zip")), api_name="/start")
    job = started["job"]
    while client.predict(job, api_name="/status")["state"] not in ("done", "failed", "cancelled"):
        continue  # an answer takes its time
    ask("status", job, api_name="/status")
    ask("status-bad", "no-such-job", api_name="/status")
    ask("predict", job, image, api_name="/predict")
    ask("predict-bad", job, handle_file(str(room / "text.png")), api_name="/predict")
    ask("export", job, api_name="/export")
    ask("cancel-late", job, api_name="/cancel")


def record_screens(room: Path, out: Path) -> None:
    """The journey at a desk and on a phone, light and dark."""
    screenshots.main(out)


@contextmanager
def browsing() -> Iterator[Browser]:
    """A real Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(playwright), args=FLAGS)
        yield browser
        browser.close()


PARTS = {
    "shell": record_shell,
    "bad": record_bad,
    "old": record_old,
    "exports": record_exports,
    "page": record_page,
    "screens": record_screens,
}


def _steps(visit: Visit, out: Path) -> None:
    for step in STEPS:
        visit.open_step(step)
        visit.page.wait_for_timeout(1500)  # what a step draws when it opens
        _html(visit, f"#hs-{step}", out / f"{step}.html")


def _html(visit: Visit, selector: str, file: Path) -> None:
    html = visit.page.locator(selector).first.inner_html()
    _write(file, html.replace("><", ">\n<"))


# ---- files --------------------------------------------------------------------------------------------


def _said(*words: str) -> dict[str, Any]:
    """What a verb prints, and its exit code."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-m", "headswap", *words],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {"exit": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


def _verb(*words: str) -> Any:
    """The JSON that a verb prints last."""
    said = _said(words[0], "--json", *words[1:])
    lines = said["stdout"].strip().splitlines()
    return {"exit": said["exit"], "answer": json.loads(lines[-1]) if lines else said["stderr"]}


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))


def _files(folder: Path) -> dict[str, str]:
    """The hash of each file that is not text."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:20]
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".json"
    }


def _write(file: Path, value: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(value, str):
        value = _without(value, lambda key: any(word in key for word in RUNNING))
        value = json.dumps(value, indent=1, sort_keys=True) + "\n"
    for pattern, instead in MASKS:
        value = pattern.sub(instead, value)
    file.write_text(value, encoding="utf-8")


def _without(value: Any, is_running: Callable[[str], bool]) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, is_running) for key, inner in value.items() if not is_running(key)}
    if isinstance(value, list):
        return [_without(inner, is_running) for inner in value]
    return value


def differences(before: Path, after: Path, parts: tuple[str, ...]) -> Iterator[str]:
    """A unified diff of each text that changed, and the share of pixels of each screen that did."""
    recorded = {
        (folder, path) for folder in (before, after) for part in parts for path in (folder / part).rglob("*")
    }
    for name in sorted({str(path.relative_to(folder)) for folder, path in recorded if path.is_file()}):
        if not (before / name).exists() or not (after / name).exists():
            yield f"{name}: only {'after' if (after / name).exists() else 'before'}"
        elif name.endswith(".png"):
            share = _changed_pixels(before / name, after / name)
            if share > DIFFERENT_PIXELS:
                yield f"{name}: {share:.1%} of the screen differs"
        else:
            old, new = (
                (folder / name).read_text(encoding="utf-8").splitlines() for folder in (before, after)
            )
            yield from difflib.unified_diff(old, new, f"before/{name}", f"after/{name}", lineterm="", n=1)


def _changed_pixels(before: Path, after: Path) -> float:
    with Image.open(before) as old, Image.open(after) as new:
        if old.size != new.size:
            return 1.0
        different = ImageChops.difference(old.convert("L"), new.convert("L")).point(
            lambda value: 255 * (value > 24)
        )
        return different.histogram()[255] / (old.width * old.height)


if __name__ == "__main__":
    raise SystemExit(main())
