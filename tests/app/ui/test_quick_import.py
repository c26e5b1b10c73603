"""gradio is imported without writing files for editors, and its components are whole."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import pathlib
from headswap.app.ui.quick_import import without_editor_files

read = []
real = pathlib.Path.read_text
pathlib.Path.read_text = lambda path, *others, **named: read.append(path) or real(path, *others, **named)
with without_editor_files():
    import gradio
assert not [path for path in read if path.suffix in (".py", ".pyi")], read

class Other(gradio.HTML):
    EVENTS = ["pressed"]

with gradio.Blocks():
    heard = Other().pressed(print)
    gradio.Button().click(print)
assert not [path for path in read if path.suffix in (".py", ".pyi")], read
"""


def test_gradio_parses_none_of_its_own_files() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
