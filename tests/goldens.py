"""Everything a person can see of headswap, as files: compared before and after a change of names only.

    python -m tests.goldens before/        # on the old commit
    python -m tests.goldens after/         # on the new one, on the same machine
    diff -r before/ after/

What differs from run to run (times, ids, dates, folders) is masked; figures and weights are not, so both runs
need the same machine and the same libraries. Only the shell, HTTP and the browser are used: no import of
headswap, so that names may change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gradio_client import Client, handle_file
from playwright.sync_api import sync_playwright

from tests.e2e.house import STEPS, Visit, app_running, chromium_path, visiting

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "assets" / "sample"
WEIGHTS = ROOT.parent / "shared" / "weights" / "torchvision_squeezenet1_1.safetensors"
RUNS = {
    "head": (),
    "flip": ("--mirror",),
    "squash": ("--fit", "squash"),
    "last": ("--depth", "last"),
    "auto": ("--depth", "auto"),
    "convolution": ("--model", "squeezenet1_1", "--weights", str(WEIGHTS)),
}
VERBS = {
    "models": ("models", "efficientnet_lite"),
    "inspect": ("inspect", "resnet18"),
    "inspect-two": ("inspect", "deit_tiny_distilled_patch16_224"),
    "check": ("check", str(SAMPLE)),
    "lesson": ("lesson", "two-heads"),
    "compare": ("compare", str(SAMPLE), "--models", "tf_efficientnet_lite0", "tf_efficientnet_lite1"),
}
RUNNING = (
    "seconds", "_ms", "time", "date", "created", "started", "finished", "pace", "speed", "elapsed",
    "bytes", "engine", "versions", "memory", "path", "bundle", "folder", "file_", "machine", "when",
)  # fmt: skip
MASKS = (
    (re.compile(r"data:[a-z]+/[a-z+-]+;base64,[A-Za-z0-9+/=]+"), "DATA"),
    (re.compile(r"\b[0-9a-f]{32,64}\b"), "ID"),
    (re.compile(r"(html|component|input|tooltip|range|svelte|label|listbox)-[0-9a-z_-]+"), r"\1-N"),
    (re.compile(r"127\.0\.0\.1:\d+"), "HOST"),
    (re.compile(r"/tmp/[^\"'\s<]+"), "PLACE"),
    (re.compile(r"\d+(\.\d+)?(?=(\s|&nbsp;)*(ms|s|seconds?|minutes?|pictures a second|MB|GB)\b)"), "N"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]?[\d:.]*|[A-Z][a-z]{2} \d+, \d+:\d\d [AP]M"), "DATE"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        for name, options in RUNS.items():
            _run(name, options, room, out)
        for name, words in VERBS.items():
            _write(out / "verbs" / f"{name}.json", _verb(*words))
        _page(room / "workspace", out)
    return 0


def _run(name: str, options: tuple[str, ...], room: Path, out: Path) -> None:
    """Train once; keep its answer, its bundle's records and weights, and what it predicts and exports."""
    bundle = room / f"{name}.headswap"
    _write(out / name / "teach.json", _verb("teach", str(SAMPLE), "--out", str(bundle), *options))
    for file in sorted(path for path in bundle.rglob("*") if path.is_file()):
        kept = out / name / "bundle" / file.relative_to(bundle)
        if file.suffix == ".json":
            _write(kept, json.loads(file.read_text(encoding="utf-8")))
        else:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.with_name(kept.name + ".sha256").write_text(hashlib.sha256(file.read_bytes()).hexdigest())
    images = [str(path) for path in sorted(SAMPLE.rglob("*.jpg"))[::9]]
    _write(out / name / "predict.json", _verb("predict", str(bundle), *images))
    _write(out / name / "evaluate.json", _verb("evaluate", str(bundle), str(SAMPLE)))
    if name == "head":
        _write(out / name / "export.json", _verb("export", str(bundle), str(room / "home.zip"), "--no-onnx"))


def _verb(*words: str) -> Any:
    """The JSON that a verb prints last."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-m", "headswap", words[0], "--json", *words[1:]],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = done.stdout.strip().splitlines()
    return {"exit": done.returncode, "answer": json.loads(lines[-1]) if lines else done.stderr}


def _page(workspace: Path, out: Path) -> None:
    """The HTML of each step, before and after training; the lessons; the runs; the six endpoints."""
    with app_running(workspace) as house, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(playwright), args=["--no-sandbox"])
        with visiting(browser, house) as visit:
            visit.wait("#hs-head svg.wide")
            _steps(visit, out / "page" / "first")
            visit.page.click("#hs-model-button")
            visit.use_sample()
            visit.teach()
            visit.wait("#hs-grid table")
            _steps(visit, out / "page" / "taught")
            for path in ("learn", "runs"):
                visit.page.goto(f"{house.url}{path}")
                visit.page.wait_for_timeout(4000)
                _html(visit, "body", out / "page" / f"{path}.html")
        browser.close()
        client = Client(house.url, verbose=False)
        _write(out / "page" / "api.json", client.view_api(return_format="dict", print_info=False))
        _write(
            out / "page" / "inspect.json", client.predict("tf_efficientnet_lite0", "", api_name="/inspect")
        )
        packed = shutil.make_archive(str(workspace / "sample"), "zip", SAMPLE)
        started = client.predict(handle_file(packed), api_name="/start")
        _write(out / "page" / "start.json", started)


def _steps(visit: Visit, out: Path) -> None:
    for step in STEPS:
        visit.open_step(step)
        visit.page.wait_for_timeout(1500)  # what a step draws when it opens
        _html(visit, f"#hs-{step}", out / f"{step}.html")


def _html(visit: Visit, selector: str, file: Path) -> None:
    html = visit.page.locator(selector).first.inner_html()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_masked(html).replace("><", ">\n<"), encoding="utf-8")


def _write(file: Path, value: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(
        _without(value, lambda key: any(word in key for word in RUNNING)), indent=1, sort_keys=True
    )
    file.write_text(_masked(text) + "\n", encoding="utf-8")


def _without(value: Any, is_running: Callable[[str], bool]) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, is_running) for key, inner in value.items() if not is_running(key)}
    if isinstance(value, list):
        return [_without(inner, is_running) for inner in value]
    return value


def _masked(text: str) -> str:
    for pattern, instead in MASKS:
        text = pattern.sub(instead, text)
    return text


if __name__ == "__main__":
    raise SystemExit(main())
