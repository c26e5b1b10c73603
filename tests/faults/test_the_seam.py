"""One seam: only headswap/storage/disk.py changes what must not be lost, so that each write can fail."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "headswap"
OPERATIONS = {
    "write_bytes",
    "write_text",
    "unlink",
    "rmtree",
    "fsync",
    "copyfile",
    "copy2",
    "touch",
    "rmdir",
    "link",
    "rename",
}
MODULES = {"os", "shutil", "pathlib"}
LOOSE = {  # logs and notes that may be lost, and drafts that a seal or one rename makes whole
    "bundle/format.py",  # unpacks into a temporary folder
    "exports/package.py",  # lays out a draft, then packs it through `files`
    "exports/edge_cases.py",  # draws into that draft
    "data/zip_reader.py",  # unpacks into a draft
    "app/processes/child_main.py",
    "app/processes/child.py",
    "app/processes/importing.py",  # its note of what is being read
    "app/processes/priority.py",  # tells the system how heavy this process is
    "app/jobs/worker.py",
    "pipeline/project_file.py",  # opens members of a zip that is written through `files`
    "app/processes/local.py",
    "app/service/exports.py",  # its work folder
    "app/service/temporary.py",
}


def operations_of(path: Path) -> list[str]:
    """Calls in a module that change the disk without asking `files`."""
    tree, found = ast.parse(path.read_text()), []
    own = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "headswap.storage.files"
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute):
            modes = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            opens = node.func.attr == "open" and any(
                isinstance(mode, str) and mode.strip("bt+") in ("w", "a", "x") for mode in modes
            )
            if opens or (node.func.attr in OPERATIONS and ast.unparse(node.func.value) not in ("files", "h")):
                found.append(f"{node.lineno}: {ast.unparse(node.func)}")
        elif isinstance(node.func, ast.Name) and node.func.id in OPERATIONS - own:
            found.append(f"{node.lineno}: {node.func.id}")
    return found


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_every_operation_goes_through_the_one_layer(path: Path) -> None:
    name = path.relative_to(PACKAGE).as_posix()
    if name in ("storage/disk.py", "storage/files.py", *LOOSE):
        return

    assert operations_of(path) == []
