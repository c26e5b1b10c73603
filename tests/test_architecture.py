"""The house of docs/architecture.md, held: who imports whom, how large things grow, what must not exist."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "headswap"

STEPS = {
    "errors": 0, "events": 0, "disk": 0, "files": 0, "records": 0, "hush": 0, "images": 0, "network": 0,
    "threads": 0,
    "zoos": 1, "heads": 1, "data": 1,
    "evaluation": 2, "features": 2,
    "training": 3, "artefacts": 3,
    "runners": 4, "pipeline": 4, "reading": 4, "project_file": 4, "comparison": 4, "binding": 4, "again": 4,
    "experiment": 4, "inspection": 4, "lessons": 4,
    "jobs": 5,
    "service": 6,
    "ui": 7, "commands": 7, "cli": 7, "terminal": 7, "app": 7, "__main__": 7,
}  # fmt: skip
MOST_LINES, MOST_UI_LINES, MOST_APP_LINES, MOST_FUNCTION_LINES = 400, 200, 40, 45
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "shared"}


def modules() -> list[Path]:
    return sorted([*PACKAGE.rglob("*.py"), *([ROOT / "app.py"] if (ROOT / "app.py").exists() else [])])


def room(path: Path) -> str:
    return "app" if path.name == "app.py" else path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def top_level_imports(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imports(node)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_and_packages_of_one_step_stay_apart(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return  # the front door opens every room
    here = room(path)
    for name in imports(ast.parse(path.read_text())):
        if not name.startswith("headswap."):
            continue
        there = name.split(".")[1]
        if there == here:
            continue
        assert STEPS[there] <= STEPS[here], (
            f"{here} (step {STEPS[here]}) imports {there} (step {STEPS[there]})"
        )
        both_packages = (PACKAGE / here).is_dir() and (PACKAGE / there).is_dir()
        assert not (both_packages and STEPS[there] == STEPS[here]), f"{here} imports {there} of its own step"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_gradio_stays_in_the_page_and_heavy_libraries_are_imported_late(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if room(path) not in ("ui", "app"):
        assert not [name for name in imports(tree) if name.split(".")[0] == "gradio"]
    late = {"timm", "transformers", "torchvision"}
    assert not [name for name in top_level_imports(tree) if name.split(".")[0] in late]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_keep_their_size(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    limit = {"ui": MOST_UI_LINES, "app": MOST_APP_LINES}.get(room(path), MOST_LINES)
    assert lines <= limit
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = len((ast.get_docstring(node, clean=False) or "").splitlines())
            body = (node.end_lineno or 0) - node.lineno + 1 - docstring
            assert body <= MOST_FUNCTION_LINES or room(path) == "ui", f"{node.name}: {body} lines"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_must_not_exist_does_not(path: Path) -> None:
    text, tree = path.read_text(), ast.parse(path.read_text())
    assert path.stem not in NAMES_THAT_SAY_NOTHING
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)], "assert on user input"
    assert not [name for name in imports(tree) if name in ("pickle", "cPickle", "dill", "cloudpickle")]
    assert not re.search(r"weights_only\s*=\s*False|extractall\(", text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, "bare except"
    if room(path) not in ("cli", "app"):
        assert not re.search(r"os\.environ\[|os\.environ\.get|os\.getenv", text), (
            "the environment is read elsewhere"
        )


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize(
    "module",
    ["headswap", "headswap.service.facade", "headswap.cli", "headswap.zoos.catalogue", "headswap.jobs.queue"],
)
def test_importing_the_front_doors_loads_neither_torch_nor_gradio(module: str) -> None:
    heavy = ("torch", "gradio", "timm", "transformers")
    probe = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"

    found = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"


def tree_paths(text: str) -> list[str]:
    """The paths that the first column of an annotated tree names."""
    found, folders = [], []
    for line in text.splitlines():
        match = re.match(r"^( *)([\w.\-]+/?)(\s{2,}.*)?$", line)
        if not match:
            continue
        depth = len(match[1]) // 4
        folders[depth:] = [match[2].rstrip("/")]
        found.append("/".join(folders))
    return found


@pytest.mark.parametrize("document", ["README.md", "docs/architecture.md"])
def test_the_annotated_tree_matches_the_code(document: str) -> None:
    text = (ROOT / document).read_text()
    tree = re.search(r"```text\n(app\.py.*?)```", text, re.DOTALL)
    assert tree, f"{document} has no annotated tree"

    named = tree_paths(tree[1])

    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing
    unnamed = [
        path.relative_to(ROOT).as_posix()
        for path in sorted(PACKAGE.iterdir())
        if path.suffix in ("", ".py")
        and not path.name.startswith("__")
        and path.relative_to(ROOT).as_posix() not in named
    ]
    assert not unnamed


@pytest.mark.parametrize(
    "document", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), ids=lambda p: p.name
)
def test_documents_name_only_paths_that_exist(document: Path) -> None:
    text = document.read_text()
    paths = re.findall(r"`((?:headswap|tests|docs|benchmarks|assets)/[\w./\-]+)`", text)
    paths += [link for link in re.findall(r"\]\(([^)#:\s]+)\)", text) if not link.startswith("http")]

    missing = [path for path in paths if not (ROOT / path).exists() and not (document.parent / path).exists()]

    assert not missing
