"""A confined reader tries, in a real child, what a hole in a decoder would let it try."""

from __future__ import annotations

import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from headswap.app.processes.environment import child_environment
from headswap.app.processes.importing import ReaderLimits
from headswap.app.processes.reader import Reader
from headswap.app.processes.sandbox import Confinement, confinement_here
from headswap.data.decode import _READERS, Kind
from headswap.errors import UnreadableImage

HERE = confinement_here()
needs_files = pytest.mark.skipif(
    not HERE.files, reason="this kernel has no Landlock, or a container forbids it"
)
needs_calls = pytest.mark.skipif(not HERE.calls, reason="no seccomp filter on this system or processor")

# A reader whose decoder obeys the picture: its file holds Python, which runs where a decoder would.
OBEDIENT = """
import ctypes, os, signal, socket, subprocess, sys, threading
from pathlib import Path
from headswap.data import decode
from headswap.errors import UnreadableImage
from headswap.app.processes import importing
from headswap.app.processes.importing import allowed_paths

def obey(data, *, name, wanted_px=None, limits=None):
    try:
        exec(data.decode())
    except BaseException as error:
        number = getattr(error, "errno", None)
        raise UnreadableImage(f"{type(error).__name__} {number}", remedy="-")
    raise UnreadableImage("done", remedy="-")

importing.read_image = obey
answer = importing.answer
"""


@dataclass(frozen=True)
class Attempts:
    """Runs code in a reader of single pictures; says "done", or what it was refused with."""

    reader: Reader
    scratch: Path

    def __call__(self, place: Path, code: str) -> str:
        (place / "code.png").write_text(code)
        with pytest.raises(UnreadableImage) as refused:
            self.reader.read_one(place / "code.png", place)
        return refused.value.problem


@pytest.fixture(scope="module")
def attempt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attempts]:
    room = tmp_path_factory.mktemp("room")
    (room / "obedient_reader.py").write_text(OBEDIENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(room))
        patch.setattr("headswap.app.processes.reader._ANSWER", "obedient_reader:answer")
        reader = Reader(
            room / "logs",
            ReaderLimits(memory_bytes=800_000_000),
            scratch=room / "scratch",
            upload_timeout_s=300.0,
        )
        patch.setattr("headswap.app.processes.reader._ANSWER", "headswap.app.processes.importing:answer")
        yield Attempts(reader, room / "scratch")
        reader.close()


@needs_files
@pytest.mark.parametrize(
    "code",
    [
        "open({secret!r}).read()",
        "os.listdir({folder!r})",
        "open({folder!r} + '/new', 'w')",
        "open({secret!r}, 'a')",
        "os.remove({secret!r})",
        "os.rename({secret!r}, {folder!r} + '/other')",
        "os.mkdir({folder!r} + '/new')",
        "os.symlink('/etc/passwd', {scratch!r} + '/link')",
        "os.listdir({scratch!r} + '/..')",
        "open('/etc/passwd').read()",
        "open('/proc/' + str(os.getppid()) + '/environ').read()",
        "open('/proc/self/mem', 'r+b')",
    ],
)
def test_no_file_but_the_given_one_can_be_reached(attempt: Attempts, tmp_path: Path, code: str) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "secret").write_text("of another child")
    words = {
        "secret": str(workspace / "secret"),
        "folder": str(workspace),
        "scratch": str(attempt.scratch),
    }

    assert attempt(tmp_path, code.format(**words)) == "PermissionError 13"

    assert [path.name for path in workspace.iterdir()] == ["secret"]
    assert (workspace / "secret").read_text() == "of another child"


@needs_calls
@pytest.mark.parametrize(
    "code",
    [
        "socket.create_connection(('127.0.0.1', {port}), timeout=5)",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "os.execv(sys.executable, [sys.executable, '-c', ''])",
        "os.fork()",
        "subprocess.run([sys.executable, '-c', ''])",
        "os.kill(os.getppid(), signal.SIGTERM)",
        "os.kill(os.getppid(), 0)",
        "os.chmod({folder!r}, 0o777)",
        "os.utime({folder!r})",
        "os.truncate({secret!r}, 0)",
        "os.chroot('/')",
        "signal.pidfd_send_signal(0, 15)",
    ],
)
def test_no_network_no_program_and_no_other_process_can_be_reached(
    attempt: Attempts, tmp_path: Path, code: str
) -> None:
    (tmp_path / "secret").write_text("of another child")
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = {"port": server.getsockname()[1], "folder": str(tmp_path), "secret": str(tmp_path / "secret")}

        assert attempt(tmp_path, code.format(**words)) == "PermissionError 1"

    assert (tmp_path / "secret").read_text() == "of another child"


@needs_calls
@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of this processor")
@pytest.mark.parametrize(
    ("call", "number"), [("ptrace", 101), ("process_vm_readv", 310), ("bpf", 321), ("setns", 308)]
)
def test_calls_that_python_has_no_word_for_are_refused_too(
    attempt: Attempts, tmp_path: Path, call: str, number: int
) -> None:
    code = (
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"result = libc.syscall({number}, os.getppid(), 0, 0, 0, 0, 0)\n"
        "raise OSError(ctypes.get_errno() if result < 0 else 0, '')"
    )

    assert attempt(tmp_path, code) == "PermissionError 1"


@needs_calls
@pytest.mark.skipif(platform.machine() != "x86_64", reason="only that processor has a second numbering")
def test_the_other_numbering_of_the_same_calls_is_shut_as_well(attempt: Attempts, tmp_path: Path) -> None:
    code = (
        "libc = ctypes.CDLL(None, use_errno=True); result = libc.syscall(0x40000000 + 41, 2, 1, 0)\n"
        "raise OSError(ctypes.get_errno() if result < 0 else 0, '')"
    )

    assert attempt(tmp_path, code) == f"OSError {38}"


def test_a_confined_reader_still_has_threads_and_its_scratch_folder(
    attempt: Attempts, tmp_path: Path
) -> None:
    code = (
        f"path = Path({str(attempt.scratch)!r}, 'x')\n"
        "one = threading.Thread(target=path.write_text, args=('x',)); one.start(); one.join()\n"
        "assert path.read_text() == 'x'; path.unlink()"
    )

    assert attempt(tmp_path, code) == "done"


def test_images_of_every_kind_are_read_by_a_confined_reader(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    kinds: dict[Kind, dict[str, object]] = {
        "JPEG": {"format": "JPEG"}, "PNG": {"format": "PNG"}, "WebP": {"format": "WEBP"},
        "BMP": {"format": "BMP"}, "GIF": {"format": "GIF"}, "AVIF": {"format": "AVIF"},
        "TIFF": {"format": "TIFF", "compression": "tiff_lzw"}, "HEIC": {"format": "HEIF"},
    }  # fmt: skip
    kinds |= {kind: {"format": "PPM"} for kind in _READERS if kind not in kinds}  # type: ignore[attr-defined,unused-ignore]
    (tmp_path / "copies").mkdir()
    reader = Reader(tmp_path / "logs", ReaderLimits(), scratch=tmp_path / "scratch", upload_timeout_s=300.0)
    try:
        for kind, how in kinds.items():
            file = BytesIO()
            Image.new("RGB", (64, 48), (200, 30, 40)).save(file, **how)  # type: ignore[arg-type]
            (tmp_path / f"{kind}.picture").write_bytes(file.getvalue())

            copy = reader.read_one(tmp_path / f"{kind}.picture", tmp_path / "copies")

            with Image.open(copy) as read:
                assert read.size == (64, 48), kind
                pixel: Any = read.getpixel((9, 9))
                assert all(abs(seen - want) < 12 for seen, want in zip(pixel, (200, 30, 40), strict=True))
        assert list((tmp_path / "scratch").iterdir()) == []
    finally:
        reader.close()


@needs_files
def test_a_process_that_has_several_threads_is_not_confined_by_half() -> None:
    code = (
        "import threading; from headswap.app.processes.sandbox import AllowedPaths, confine\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "confine(AllowedPaths())"
    )

    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=child_environment({}), check=False
    )

    assert "a process with several threads cannot be confined" in said.stderr


@needs_files
@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_an_older_landlock_holds_what_it_knows(tmp_path: Path, version: int) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "secret").write_text("x")
    code = (
        "import sys; from pathlib import Path; from headswap.app.processes import sandbox\n"
        f"sandbox._landlock = lambda: {version}\n"
        "place = Path(sys.argv[1]); sandbox.confine(sandbox.AllowedPaths(write=(place / 'given',)))\n"
        "new = place / 'given' / 'new'; new.write_text('y'); new.rename(place / 'given' / 'newer')\n"
        "try:\n    (place / 'secret').read_text()\nexcept PermissionError:\n    print('refused')"
    )

    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False,
        env=child_environment({"COVERAGE_PROCESS_CONFIG": ""}),  # it could not write its file there
    )  # fmt: skip

    assert (said.stdout.strip(), said.stderr) == ("refused", "")


def test_where_the_kernel_has_neither_it_says_so_and_the_reader_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for system in ("Darwin", "Windows"):
        monkeypatch.setattr(platform, "system", lambda system=system: system)

        assert confinement_here() == Confinement(files=False, calls=False)
        assert confinement_here().sentence == (
            f"is not held on this system ({system}): it may do what the server may"
        )


def test_a_promise_that_the_kernel_breaks_ends_the_process(tmp_path: Path) -> None:
    code = (
        "from headswap.app.processes import sandbox\n"
        "sandbox.confinement_here = lambda: sandbox.Confinement(files=True, calls=True)\n"
        "sandbox._landlock = lambda: 1\nsandbox._RESTRICT_SELF = 100_000\n"
        "sandbox.confine(sandbox.AllowedPaths()); print('went on')"
    )

    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=child_environment({}), check=False
    )

    if platform.system() == "Linux" and HERE.files:
        assert "the kernel does not confine this process" in said.stderr
    assert "went on" not in said.stdout
