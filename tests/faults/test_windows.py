"""The whole journey under Windows' rules: open files refuse, names are refused, no signals, cp1252."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = Path(__file__).with_name("windows")


def under_windows(root: Path) -> dict[str, str]:
    """The environment of a process that lives under Windows' rules below `root`."""
    temporary = root / "tmp"
    temporary.mkdir(exist_ok=True)
    return {
        **os.environ,
        "PRETEND_WINDOWS": str(root),
        "PYTHONPATH": os.pathsep.join([str(LAYER), str(ROOT)]),
        "PYTHONIOENCODING": "cp1252",
        "HEADSWAP_CACHE": str(root / "cache"),
        "TMPDIR": str(temporary),
    }


def run(root: Path, *command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *command], env=under_windows(root), cwd=ROOT, capture_output=True, check=False
    )


RULES = """
import mmap, os, sys
from pathlib import Path
here = Path(sys.argv[1])

def number(operation, *words):
    for _ in range(2):  # the scanner is somewhere once in five operations
        try:
            operation(*words)
        except OSError as error:
            said = getattr(error, "winerror", None)
    return said

for name in ("open", "other", "mapped", "folder/inside"):
    (here / name).parent.mkdir(exist_ok=True)
    (here / name).write_bytes(b"some bytes")
opened, inside = open(here / "open", "rb"), open(here / "folder" / "inside", "rb")
with open(here / "mapped", "r+b") as file:
    mapped = mmap.mmap(file.fileno(), 10)
print(
    number(os.replace, here / "other", here / "open"), number(os.unlink, here / "open"),
    number(os.unlink, here / "mapped"), number(os.rename, here / "folder", here / "else"),
    number((here / "nul.txt").write_bytes, b""), number((here / "a:b").mkdir), number((here / "end.").mkdir),
    number((here / ("x" * 230)).mkdir),
)
opened.close(); mapped.close()
for name in ("open", "mapped"):
    try:
        os.unlink(here / name)
    except OSError:
        os.unlink(here / name)
(here / "OTHER").touch()
try:
    (here / "text").write_text("\u0141\u00f3d\u017a")
except UnicodeEncodeError:
    print("cp1252", (here / "collisions.txt").is_file())
from headswap.app.processes import local
from headswap.app.processes import memory
print(local.sys.platform, local.os.name, hasattr(local.signal, "SIGKILL"), hasattr(local.os, "killpg"))
try:
    memory.hold_memory(1) or exec("import resource", memory.__dict__)
except ModuleNotFoundError:
    print("no resource")
"""


def test_the_rules_are_those_of_windows(tmp_path: Path) -> None:
    """Careless code is found out, or the journey below would prove nothing."""
    (tmp_path / "rules.py").write_text(RULES, encoding="utf-8")

    done = run(tmp_path, str(tmp_path / "rules.py"), str(tmp_path))

    assert done.returncode == 0, done.stderr.decode("cp1252")
    assert done.stdout.decode("cp1252").splitlines() == [
        "5 32 32 5 123 123 123 206",
        "cp1252 True",
        "win32 nt False False",
        "no resource",
    ]


@pytest.mark.slow
def test_the_whole_journey_ends_well_under_the_rules_of_windows(few_drawings: Path, tmp_path: Path) -> None:
    done = run(tmp_path, str(LAYER / "journey.py"), str(tmp_path), str(few_drawings))

    assert done.returncode == 0, done.stderr.decode("cp1252")[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen.pop("evaluate") in (0, 2)  # a sentence, and no traceback
    assert seen.pop("label") in {"CON", "épée", "Łódź"}
    assert seen == {
        "counts": {"CON": 8, "épée": 8, "Łódź": 8},  # one class, though half of it is written in NFD
        "left out": ["Mine/Łódź/aux.png"],
        "taught after the restart": ["done", "", ""],
        "zip": "con-tf_efficientnet_lite0.zip",
        "agree": True,
        "lesson": True,
        "saved": ["project CON.headswap.zip", 1],
        "deleted": True,
        "crashes": 0,
        "check": 0,
        "predict": 0,
    }
    assert not (tmp_path / "collisions.txt").exists()
