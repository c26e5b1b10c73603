"""The documents: the site builds without a warning, names every public function, and its examples run."""

from __future__ import annotations

import ast
import calendar
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import griffe
import pytest
from mkdocs.utils.yaml import yaml_load

import headswap
from tests.documents import ROOT, SHELLS, Code, code_of, commands_of, refusal

GUIDE = ROOT / "docs" / "guide" / "python.md"
BENCHMARKS = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
HISTORY = {"log.md", "audit-0.1.md"}  # as docs/decisions: what was true then
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in HISTORY),
    *sorted((ROOT / "docs" / "guide").glob("*.md")),
]
CODE = [code for page in PAGES for code in code_of(page)]
PUBLIC = {f"headswap.{name}" for name in headswap.__all__}
READERS: dict[str, Callable[[str], object]] = {  # of a block's language
    "json": json.loads,
    "python": ast.parse,
    "toml": tomllib.loads,
    "yaml": yaml_load,
}
QUESTIONS = re.split(r"^## ", BENCHMARKS, flags=re.MULTILINE)[1:]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}

    built = subprocess.run(
        [*command, "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (built.returncode, built.stderr) == (0, "")
    api = (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    assert "Raises" in api  # the docstrings are in it


def test_every_public_name_is_documented_at_its_home() -> None:
    named = re.findall(
        r"^::: ([\w.]+)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    homes = {
        f"{headswap._HOMES.get(name, 'headswap.errors')}.{name}"
        for name in headswap.__all__
        if name != "teach"
    }

    whole = {"headswap.errors", "headswap.events"}  # all that is in them is documented
    assert sorted(named) == sorted(whole | {home for home in homes if home.rpartition(".")[0] not in whole})


def test_every_field_of_a_record_says_what_it_is() -> None:
    api = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    extension = griffe.load_extensions(str(ROOT / "docs" / "field_comments.py"))
    code = griffe.load("headswap", search_paths=[ROOT], extensions=extension)
    records = [code[name] for name in re.findall(r"^::: headswap\.([\w.]+)$", api, re.MULTILINE)]
    records += [code[f"events.{name}"] for name in ("Progress", "EpochEnd", "Guesses", "Guess", "Note")]

    silent = [
        f"{record.path}.{name}"
        for record in records
        if record.is_class
        for name, member in record.members.items()
        if member.is_attribute and not member.docstring and not name.startswith("_") and name != "kind"
    ]

    assert len(records) > 40
    assert silent == []


def test_the_architecture_names_only_functions_and_types_that_exist() -> None:
    defined: dict[str, set[str]] = {}
    for path in (ROOT / "headswap").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                own = {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
                defined.setdefault(node.name, set()).update(own)
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Za-z_]+(?:\.[a-z_]+)?)`", text)) - {"headswap", *os.listdir(ROOT)}

    unknown = [
        name
        for name, _, method in (one.partition(".") for one in sorted(named) if not one.endswith(".py"))
        if name not in defined or (method and method not in defined[name])
    ]

    assert len(named) > 40
    assert unknown == []


@pytest.mark.slow  # trains twice
def test_the_examples_of_readme_and_guide_run_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    readme, examples = (
        re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for page in (ROOT / "README.md", GUIDE)
    )
    assert "gradio_client" in readme[1]  # needs a running page: tests/app/ui/test_api.py
    examples[:0] = [readme[0], "import os\nos.rename('drawings', 'readme')"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    program = f"for example in {examples!r}:\n    exec(compile(example, example, 'exec'), {{}})"

    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    assert len(examples) >= 7
    promised = re.search(r"^print\(site.*\)  # (.*)$", readme[0], re.MULTILINE)
    assert promised
    assert ran.stdout.startswith(f"{promised[1]}\n")


def test_every_command_is_one_that_its_parser_takes() -> None:
    commands = [command for code in CODE for command in commands_of(code)]

    refused = [f"{one.where}: {said}" for one in commands if (said := refusal(one)) is not None]

    assert refused == []
    assert len([one for one in commands if one.is_whole]) > 50  # the others are mentioned in a sentence
    assert {one.program.partition(".")[0] for one in commands} == {"headswap", "benchmarks"}


@pytest.mark.parametrize("code", [code for code in CODE if code.is_block], ids=Code.at)
def test_a_block_has_a_language_and_can_be_read_in_it(code: Code) -> None:
    assert code.language in {*SHELLS, *READERS, "js", "text"}

    READERS.get(code.language, str)(code.text)


def test_the_python_of_the_documents_calls_what_exists_with_what_it_takes() -> None:
    pieces = [
        code for code in CODE if code.language == "python" or re.fullmatch(r"headswap\.\w+\(.*\)", code.text)
    ]

    faults = [fault for code in pieces for fault in faults_of(code)]

    assert faults == []
    assert len(pieces) > 10


def faults_of(code: Code) -> Iterator[str]:
    """Names of headswap that do not exist, and arguments that are not taken."""
    for node in ast.walk(ast.parse(code.text)):
        where = code.at(getattr(node, "lineno", 1) - 1)
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "headswap":
            module = importlib.import_module(str(node.module))
            for one in node.names:
                if not hasattr(module, one.name):
                    yield f"{where}: {node.module} has no {one.name}"
        said = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        if re.fullmatch(r"headswap\.\w+", said) and said not in PUBLIC:
            yield f"{where}: there is no {said}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in PUBLIC:
            function = getattr(headswap, ast.unparse(node.func).partition(".")[2])
            try:
                inspect.signature(function).bind(*node.args, **{str(one.arg): None for one in node.keywords})
            except TypeError as error:
                yield f"{where}: {ast.unparse(node.func)}: {error}"


def test_a_parameter_whose_option_has_another_name_is_taken() -> None:
    row = r"^\| `headswap \w+ --[\w-]+` \| `(\w+)\((\w+)=.*\)` \|$"  # the option is tried as any command is
    named = re.findall(row, GUIDE.read_text(encoding="utf-8"), re.MULTILINE)

    unknown = [
        f"{name}({parameter}=)"
        for name, parameter in named
        if parameter not in inspect.signature(getattr(headswap, name)).parameters
    ]

    assert len(named) == 4
    assert unknown == []


def test_the_figures_of_the_readme_are_those_of_a_table_with_raw_results() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [rows for rows in map(cells_of, text.splitlines()) if rows and re.fullmatch(r"[\d.,]+", rows[-1])]
    measured = [cells_of(line) for line in BENCHMARKS.splitlines()]

    unknown = [cells for cells in rows if not any(cells[1:] == of[1 : len(cells)] for of in measured)]

    assert len(rows) == 2
    assert unknown == []


def cells_of(line: str) -> list[str]:
    """The cells of a table's row, without marks; nothing for any other line."""
    return [cell.strip(" *") for cell in line.strip("| ").split("|")] if line.startswith("|") else []


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.partition("\n")[0])
def test_a_measurement_is_one_table_with_its_command_machine_date_and_raw_results(question: str) -> None:
    _, made, *_ = question.split("\n\n")
    commands = re.findall(r"`python -m (benchmarks\.\w+)[^`]*`", made)
    raw = [ROOT / "docs" / name for name in re.findall(r"\]\((benchmarks/[\w-]+\.jsonl?)\)", made)]

    assert question.partition("\n")[0].endswith("?")
    assert len(re.findall(r"^\|[-:| ]+\|$", question, re.MULTILINE)) == 1
    assert len(commands) == 1
    assert (ROOT / f"{commands[0].replace('.', '/')}.py").is_file()
    assert re.search(r"\b(AMD|Apple|Intel|NVIDIA)\b", made)
    assert re.search(rf"\b\d{{1,2}} ({'|'.join(calendar.month_name[1:])}) 20\d\d\b", made)
    assert len(raw) == 1
    said = raw[0].read_text(encoding="utf-8")
    assert [json.loads(line) for line in (said.splitlines() if raw[0].suffix == ".jsonl" else [said])]


def test_raw_results_are_those_of_a_table() -> None:
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")]
    named = {name for page in pages for name in re.findall(r"benchmarks/([\w-]+\.jsonl?)\b", page)}

    assert named == {path.name for path in (ROOT / "docs" / "benchmarks").iterdir()}
