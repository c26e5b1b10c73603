from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

from headswap.app.processes.environment import child_environment
from headswap.app.service.temporary import temporary_folder
from headswap.storage.files import to_json

KILLED = """
import os, signal, sys
from pathlib import Path
from headswap.app.service.temporary import temporary_folder
with temporary_folder(Path(sys.argv[1])) as folder:
    (folder / "upload.zip").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nobody_else_can_look_in_and_it_goes_with_the_server(tmp_path: Path) -> None:
    with temporary_folder(tmp_path) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not folder.is_relative_to(tmp_path)
    assert not folder.exists()


def test_what_a_killed_server_left_is_swept_by_the_next_one(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        capture_output=True,
        text=True,
        env=child_environment({}),
    )
    left = Path(killed.stdout.strip())
    assert (left / "upload.zip").exists()

    with temporary_folder(tmp_path):
        assert not left.exists()


def test_a_note_that_somebody_altered_leads_nowhere(tmp_path: Path) -> None:
    precious = tmp_path / "headswap-precious"
    precious.mkdir()
    for text in ('{"folder": 3}', "no json", to_json({"folder": str(precious), "server": "1:dead"})):
        (tmp_path / "temporary.json").write_text(text)
        with temporary_folder(tmp_path):
            assert precious.is_dir()
