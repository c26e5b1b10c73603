"""Windows' rules for a process on Linux: what it refuses about files, and what it does not have.

Below the folder that PRETEND_WINDOWS names:

- what any process of this pretence has open or mapped refuses to be renamed, replaced and deleted, and so
  does a folder that holds such a file, or that is someone's working folder;
- every few operations are refused once though no one is there: a virus scanner had the file open;
- reserved names, forbidden letters, names that end in a dot or space and paths of 260 characters are refused;
- a name that differs from another one only in case or composition is noted in `collisions.txt`.

Everywhere: text files are cp1252 unless an encoding is given. Modules of headswap see an `os`, `sys`,
`signal`, `subprocess` and `platform` of Windows, and no `resource` or `fcntl`; libraries see Linux as it is.
A SIGTERM ends a process at once, as TerminateProcess does.
"""

from __future__ import annotations

import builtins
import io
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import types
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

ROOT = os.path.realpath(os.environ.get("PRETEND_WINDOWS", "/nowhere"))
HOME = r"C:\Users\Maximiliane Musterfrau\AppData\Local\headswap\headswap\Cache"  # where ROOT is said to lie
MOST_LETTERS = 260
SCANNED_EVERY = 5  # operations
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$')
MARK = f"PRETEND_WINDOWS={os.environ.get('PRETEND_WINDOWS')}\0".encode()
SHARING, DENIED, BAD_NAME, TOO_LONG, EXISTS = 32, 5, 123, 206, 183
MISSING_MODULES = {"resource", "fcntl", "pwd", "grp", "termios", "posix"}
MISSING = {
    "os": {
        "fork", "killpg", "getpgid", "setsid", "getuid", "geteuid", "getgid", "nice", "sched_getaffinity",
        "sched_setaffinity", "posix_fallocate", "getloadavg", "chown", "mkfifo", "sysconf", "uname",
        "statvfs", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "waitid", "wait", "mknod", "register_at_fork",
    },
    "signal": {
        "SIGKILL", "SIGSTOP", "SIGCONT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGPIPE",
        "alarm", "setitimer", "pause", "pthread_kill", "sigwait",
    },
}  # fmt: skip

_real: dict[str, Callable[..., Any]] = {
    name: getattr(os, name)
    for name in (
        "open",
        "rename",
        "replace",
        "remove",
        "rmdir",
        "mkdir",
        "link",
        "kill",
        "scandir",
        "readlink",
    )
}
_open = io.open
_operations = [0]
_ours: dict[str, bool] = {}


class Refused(PermissionError):
    """What Windows says, with its own number."""


def refusal(number: int, path: str, other: str | None = None) -> OSError:
    if number in (SHARING, DENIED):
        error: OSError = Refused(13, "pretended", path, None, other)
    elif number == TOO_LONG:
        error = FileNotFoundError(2, "pretended", path)
    elif number == EXISTS:
        error = FileExistsError(17, "pretended", path)
    else:
        error = OSError(22, "pretended", path)
    error.winerror = number  # type: ignore[attr-defined]
    return error


# Who has a file open ----------------------------------------------------------------


def processes() -> Iterator[str]:
    """Every process under the same pretence."""
    for name in os.listdir("/proc"):
        if name.isdecimal():
            if name not in _ours:
                try:
                    with _open(f"/proc/{name}/environ", "rb") as file:
                        _ours[name] = MARK in file.read() + b"\0"
                except OSError:
                    continue
            if _ours[name]:
                yield name


def is_held(path: str) -> bool:
    """Whether the file, or anything in the folder, is open, mapped or someone's working folder."""
    inside = path + "/"
    for process in processes():
        place = f"/proc/{process}"
        try:
            links = [f"{place}/cwd", *(f"{place}/fd/{one}" for one in os.listdir(f"{place}/fd"))]
            for link in links:
                try:
                    target = _real["readlink"](link)
                except OSError:
                    continue
                if target == path or target.startswith(inside):
                    return True
            with _open(f"{place}/maps", "rb") as file:
                maps = file.read()
        except OSError:
            continue
        if b" " + path.encode() + b"\n" in maps or b" " + inside.encode() in maps:
            return True
    return False


def is_scanned() -> bool:
    _operations[0] += 1
    return _operations[0] % SCANNED_EVERY == 0


# What may be called how -------------------------------------------------------------


def below(path: Any, dir_fd: int | None = None) -> str | None:
    """The real path, when it lies below ROOT."""
    if isinstance(path, int) or dir_fd is not None:
        return None
    text = os.fsdecode(path)
    full = os.path.join(os.path.realpath(os.path.dirname(os.path.abspath(text))), os.path.basename(text))
    return full if full.startswith(ROOT + "/") else None


def check_name(path: str) -> None:
    """Refuse what Windows refuses in a new name."""
    relative = path.removeprefix(ROOT)
    for step in relative.strip("/").split("/"):
        if RESERVED.fullmatch(step) or FORBIDDEN.search(step):
            raise refusal(BAD_NAME, path)
    if len(HOME + relative) >= MOST_LETTERS:
        raise refusal(TOO_LONG, path)
    folder, name = os.path.split(path)
    try:
        others = [one for one in os.listdir(folder) if one != name and alike(one) == alike(name)]
    except OSError:
        return
    if others:
        with _open(f"{ROOT}/collisions.txt", "a", encoding="utf-8") as notes:
            notes.write(f"{path!r} beside {others!r}\n")


def alike(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


# The operations -----------------------------------------------------------------------------


def rename(old: Any, new: Any, **options: Any) -> None:
    move("rename", old, new, options)


def replace(old: Any, new: Any, **options: Any) -> None:
    move("replace", old, new, options)


def move(operation: str, old: Any, new: Any, options: dict[str, Any]) -> None:
    source, target = below(old), below(new)
    if target:
        check_name(target)
        if os.path.lexists(target) and not (source and os.path.samefile(source, target)):
            if operation == "rename":
                raise refusal(EXISTS, os.fsdecode(old), os.fsdecode(new))
            if os.path.isdir(target) or is_held(target):
                raise refusal(DENIED, os.fsdecode(old), os.fsdecode(new))
    if source and (is_scanned() or is_held(source)):
        raise refusal(DENIED if os.path.isdir(source) else SHARING, os.fsdecode(old), os.fsdecode(new))
    _real[operation](old, new, **options)


def remove(path: Any, *, dir_fd: int | None = None) -> None:
    place = below(path, dir_fd)
    if place and os.path.lexists(place) and (is_scanned() or is_held(place)):
        raise refusal(SHARING, os.fsdecode(path))
    _real["remove"](path, dir_fd=dir_fd)


def rmdir(path: Any, *, dir_fd: int | None = None) -> None:
    place = below(path, dir_fd)
    if place and os.path.isdir(place) and is_held(place):
        raise refusal(SHARING, os.fsdecode(path))
    _real["rmdir"](path, dir_fd=dir_fd)


def mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    if (place := below(path, dir_fd)) and not os.path.lexists(place):
        check_name(place)
    _real["mkdir"](path, mode, dir_fd=dir_fd)


def link(source: Any, target: Any, **options: Any) -> None:
    if place := below(target):
        check_name(place)
    _real["link"](source, target, **options)


def open_descriptor(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    place = below(path, dir_fd)
    if place and os.path.isdir(place) and not flags & getattr(os, "O_TMPFILE", 0):
        raise refusal(DENIED, os.fsdecode(path))
    if place and flags & os.O_CREAT and not os.path.lexists(place):
        check_name(place)
    return int(_real["open"](path, flags, mode, dir_fd=dir_fd))


def open_file(
    file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, *rest: Any, **options: Any
) -> Any:
    if set(mode) & set("wax") and (place := below(file)) and not os.path.lexists(place):
        check_name(place)
    if "b" not in mode and encoding in (None, "locale"):
        encoding = "cp1252"
    return _open(file, mode, buffering, encoding, *rest, **options)


def kill(process: int, number: int) -> None:
    _real["kill"](process, signal.SIGKILL if number == signal.SIGTERM else number)


# What modules of headswap see ---------------------------------------------------------


class Seen(types.ModuleType):
    """A module as Windows has it."""

    def __init__(self, real: types.ModuleType, **changed: Any) -> None:
        super().__init__(real.__name__)
        self._real = real
        self.__dict__.update(changed)

    def __getattr__(self, name: str) -> Any:
        if name in MISSING.get(self.__name__, ()):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} on Windows")
        return getattr(self._real, name)


class Popen(subprocess.Popen):
    """Takes Windows' flags for their equals here."""

    def __init__(self, *words: Any, creationflags: int = 0, **options: Any) -> None:
        super().__init__(*words, start_new_session=bool(creationflags), **options)


def seen() -> dict[str, Seen]:
    return {
        "os": Seen(os, name="nt", kill=kill, O_BINARY=0),
        "sys": Seen(sys, platform="win32"),
        "signal": Seen(signal, CTRL_C_EVENT=0, CTRL_BREAK_EVENT=1, SIGBREAK=signal.SIGUSR2),
        "platform": Seen(platform, system=lambda: "Windows", processor=lambda: "Intel64 Family 6"),
        "subprocess": Seen(
            subprocess, Popen=Popen, CREATE_NEW_PROCESS_GROUP=0x200, CREATE_NO_WINDOW=0x8000000
        ),
    }


def import_for(seen: dict[str, Seen]) -> Callable[..., Any]:
    real_import = builtins.__import__

    def import_one(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        asking = globals or {}
        spec = asking.get("__spec__")
        who = getattr(spec, "name", None) or asking.get("__name__", "")
        if who.partition(".")[0] == "headswap" and level == 0:
            if name in MISSING_MODULES:
                raise ModuleNotFoundError(f"No module named {name!r} on Windows", name=name)
            if name in seen:
                return seen[name]
        return real_import(name, globals, locals, fromlist, level)

    return import_one


def install() -> None:
    """From now on this process lives under Windows' rules."""
    if "PRETEND_WINDOWS" not in os.environ:
        return
    os.rename, os.replace, os.link = rename, replace, link  # type: ignore[assignment]
    os.rmdir, os.mkdir = rmdir, mkdir
    os.remove = os.unlink = remove
    os.open = open_descriptor
    io.open = builtins.open = open_file
    shutil._use_fd_functions = False  # type: ignore[attr-defined]  # Windows goes by names
    builtins.__import__ = import_for(seen())
