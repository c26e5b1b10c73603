"""Names in any script, through a pipe whose encoding lacks their letters: the usual thing on Windows."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CITY, TURTLE = "Łódź", "żółw 龟.png"
SHELL = (
    "import json, sys; from headswap.cli.main import main\n"
    "for words in json.loads(sys.argv[1]): assert main(words) == 0, words"
)


@pytest.fixture(scope="module")
def named(few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The few drawings under names that neither ASCII nor cp1252 can write."""
    folder = Path(shutil.copytree(few_drawings, tmp_path_factory.mktemp("named") / "Şekiller"))
    (folder / "bird").rename(folder / CITY)
    first = min((folder / CITY).iterdir())
    first.rename(first.with_name(TURTLE))
    (folder / CITY / "破.png").write_bytes(b"not a picture")
    return folder


def say(encoding: str, workspace: Path, *verbs: list[str]) -> list[str]:
    """The lines that verbs write into a pipe of some encoding, one after another in one process."""
    done = subprocess.run(
        [sys.executable, "-c", SHELL, json.dumps(verbs)],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": encoding, "HEADSWAP_CACHE": str(workspace)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(encoding)
    return done.stdout.decode(encoding).splitlines()


@pytest.mark.parametrize(
    ("encoding", "shown"), [("cp1252", "\\u0141ód\\u017a"), ("ascii", "\\u0141\\xf3d\\u017a")]
)
def test_letters_that_a_pipe_cannot_take_are_escaped_and_end_no_verb(
    encoding: str, shown: str, named: Path, workspace: Path
) -> None:
    lines = say(encoding, workspace, ["check", str(named)])

    assert any(shown in line for line in lines)
    assert any("\\u7834.png" in line for line in lines)


def test_json_is_ascii_and_means_the_same_in_every_encoding(named: Path, workspace: Path) -> None:
    said = {
        encoding: say(encoding, workspace, ["check", str(named), "--json"])[-1]
        for encoding in ("utf-8", "cp1252")
    }

    assert said["utf-8"].isascii()
    assert said["cp1252"] == said["utf-8"]
    assert CITY in json.dumps(json.loads(said["cp1252"]), ensure_ascii=False)


def is_read_as_this_machine_likes(call: ast.Call) -> bool:
    said = {word.arg: ast.unparse(word.value) for word in call.keywords}
    return "True" in (said.get("text"), said.get("universal_newlines")) and "encoding" not in said


def test_no_process_is_read_in_the_encoding_of_this_machine() -> None:
    """What ruff's PLW1514 says of files, for the output of processes."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / "headswap").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and is_read_as_this_machine_likes(node)
    ]

    assert found == []
