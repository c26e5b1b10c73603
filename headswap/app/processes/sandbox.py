"""Take away from a reader of strangers' images what it does not need, before it sees one. Linux only.

Flow:  paths --confine--> this process reaches these files, no network, no program and no other process
       --confinement_here--> which of that this system can hold, in words

Two doors of the kernel, both open to any user. Landlock shuts the files: what is not named cannot be
opened, made or removed. seccomp refuses calls: sockets, programs, other processes, rights and times of
files, everything that belongs to administrators, and every call that is newer than this module. Neither
can be opened again. Elsewhere (macOS, Windows, an old kernel, a container that forbids it) nothing is held,
and `confinement_here` says so; where the kernel promises it and then refuses, the process ends.

Knows this process and paths; nothing of images. docs/decisions/0016 says what was weighed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Landlock: linux/landlock.h. The numbers of its calls are the same on every architecture named here.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1  # a flag, a kind of rule
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_OF_A_FILE = 1 << 1 | _READ_FILE | 1 << 14  # write, read, truncate
_CHANGE = 1 << 1 | 0b110000 | 0b110000000 | 1 << 13 | 1 << 14  # write, remove, make folder or file, move, cut
_ALL_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_ALL_TCP, _ALL_SCOPES = 0b11, 0b11  # bind, connect; abstract sockets, signals to processes outside

# seccomp: linux/seccomp.h, linux/filter.h, linux/audit.h
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2  # of prctl
_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _GIVE = 0x20, 0x15, 0x25, 0x45, 0x06  # instructions of a filter
_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16  # in struct seccomp_data
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NEWEST_CALL = 462  # known when this was written; also below the other numbering of x86_64 (x32)
_OF_A_THREAD = 0x00010000  # CLONE_THREAD

# The numbers of asm/unistd.h: (x86_64, aarch64); None: that architecture has no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # the network
    "accept": (43, 202), "accept4": (288, 242), "bind": (49, 200), "connect": (42, 203),
    "listen": (50, 201), "socket": (41, 198), "socketpair": (53, 199),
    # programs
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
    # other processes
    "kcmp": (312, 272), "kill": (62, 129), "mq_open": (240, 180), "msgget": (68, 186),
    "pidfd_getfd": (438, 438), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "ptrace": (101, 117), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "semget": (64, 190), "shmget": (29, 194), "tkill": (200, 130),
    # what Landlock leaves open of files: rights, owners, times, marks
    "chmod": (90, None), "chown": (92, None), "fchmod": (91, 52), "fchmodat": (268, 53),
    "fchmodat2": (452, 452), "fchown": (93, 55), "fchownat": (260, 54), "fremovexattr": (199, 16),
    "fsetxattr": (190, 7), "futimesat": (261, None), "lchown": (94, None), "lremovexattr": (198, 15),
    "lsetxattr": (189, 6), "open_by_handle_at": (304, 265), "removexattr": (197, 14),
    "setxattr": (188, 5), "truncate": (76, 45), "utime": (132, None), "utimensat": (280, 88),
    "utimes": (235, None),
    # other views of the disk
    "chroot": (161, 51), "fsconfig": (431, 431), "fsmount": (432, 432), "fsopen": (430, 430),
    "fspick": (433, 433), "mount": (165, 40), "mount_setattr": (442, 442), "move_mount": (429, 429),
    "open_tree": (428, 428), "pivot_root": (155, 41), "setns": (308, 268), "umount2": (166, 39),
    "unshare": (272, 97),
    # the kernel itself
    "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280),
    "clock_adjtime": (305, 266), "clock_settime": (227, 112), "delete_module": (176, 106),
    "finit_module": (313, 273), "init_module": (175, 105), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "io_uring_setup": (425, 425), "ioperm": (173, None),
    "iopl": (172, None), "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219),
    "perf_event_open": (298, 241), "personality": (135, 92), "quotactl": (179, 60), "reboot": (169, 142),
    "request_key": (249, 218), "setdomainname": (171, 162), "sethostname": (170, 161),
    "settimeofday": (164, 170), "swapoff": (168, 225), "swapon": (167, 224), "syslog": (103, 116),
    "userfaultfd": (323, 282),
}  # fmt: skip
_CLONE, _CLONE3 = (56, 220), (435, 435)  # a thread is a clone, and so is a process
_ABOUT_ONE_PROCESS = ((234, 131), (302, 261))  # tgkill, prlimit64: this one only

_MOST_OPEN_FILES = 256
_TO_NAME = getattr(os, "O_PATH", 0) | getattr(os, "O_CLOEXEC", 0)  # Linux alone has the first


@dataclass(frozen=True, kw_only=True)
class AllowedPaths:
    """The only files of a person that a process is for."""

    read: tuple[Path, ...] = ()  # files, or folders with all below
    write: tuple[Path, ...] = ()  # folders: read, made, changed and removed below


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """What a system can hold."""

    files: bool  # Landlock
    calls: bool  # seccomp

    @property
    def sentence(self) -> str:
        """For anyone who starts a server, or asks its doctor."""
        if self.files and self.calls:
            return "has no network, no other program and no file but the one it is given"
        if self.calls:
            return (
                "has no network and no other program, but the files of this user: the kernel lacks Landlock"
            )
        if self.files:
            return (
                "has no file but the one it is given, but the network: there is no seccomp for this machine"
            )
        return f"is not held on this system ({platform.system()}): it may do what the server may"


def confinement_here() -> Confinement:
    """What this system can hold; changes nothing."""
    return Confinement(files=_landlock() > 0, calls=_has_seccomp())


def confine(allowed: AllowedPaths) -> Confinement:
    """Reach nothing but these places from now on, for good; call it while there is one thread only.

    What Python and its packages are made of stays readable.

    Raises:
        OSError: the kernel promises it and refuses.
        RuntimeError: another thread runs, which would stay outside.
    """
    here = confinement_here()
    tasks = Path("/proc/self/task")
    if here.files and tasks.is_dir() and len(list(tasks.iterdir())) > 1:
        raise RuntimeError("a process with several threads cannot be confined")
    _hold_resources()
    if here.files or here.calls:
        _check(_libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    if here.files:
        _shut_files(allowed)
    if here.calls:
        _refuse_calls()
    return here


def _hold_resources() -> None:
    """A reader that crashes leaves no picture in a core file, and opens no thousand files."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(_MOST_OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _landlock() -> int:
    """The version of Landlock here; 0: none, it is switched off, or a container forbids it."""
    if platform.system() != "Linux" or sys.maxsize < 2**32:
        return 0
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION))))


def _shut_files(allowed: AllowedPaths) -> None:
    version = _landlock()
    handled = _ALL_FILES[min(version, max(_ALL_FILES))]
    masks = (handled, *((_ALL_TCP,) if version >= 4 else ()), *((_ALL_SCOPES,) if version >= 6 else ()))
    wanted = struct.pack(f"{len(masks)}Q", *masks)
    rules = _check(_libc().syscall(_CREATE_RULESET, wanted, ctypes.c_size_t(len(wanted)), ctypes.c_uint(0)))
    try:
        for path in (*_of_python(), *allowed.read):
            _allow(rules, path, _READ_FILE | _READ_FOLDER)
        for path in allowed.write:
            _allow(rules, path, (_READ_FILE | _READ_FOLDER | _CHANGE) & handled)
        _check(_libc().syscall(_RESTRICT_SELF, rules, ctypes.c_uint(0)))
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, access: int) -> None:
    try:
        handle = os.open(path, _TO_NAME)
    except FileNotFoundError:  # then there is nothing to reach
        return
    try:
        access &= -1 if path.is_dir() else _OF_A_FILE
        rule = struct.pack("=Qi", access, handle)
        _check(_libc().syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, ctypes.c_uint(0)))
    finally:
        os.close(handle)


def _of_python() -> Iterator[Path]:
    """What may still be imported or loaded late. Never the folder of a clone: its workspace lies there."""
    yield from {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    yield Path(__file__).resolve().parents[2]
    for folder in (
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/etc/ld.so.cache",
        "/dev/null",
        "/dev/urandom",
    ):
        yield Path(folder)


def _has_seccomp() -> bool:
    """Whether a filter would be taken: none is given, and the kernel says what it dislikes about that."""
    if platform.system() != "Linux" or platform.machine() not in _ARCHITECTURES or sys.maxsize < 2**32:
        return False
    ctypes.set_errno(0)
    _libc().prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), None, 0, 0)
    return ctypes.get_errno() == errno.EFAULT


def _refuse_calls() -> None:
    code = b"".join(_filter(platform.machine(), os.getpid()))
    program = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: how many instructions of eight bytes, padded, and where they are
    head = struct.pack("@HP", len(code) // 8, ctypes.addressof(program))
    _check(_libc().prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), head, 0, 0))


def _filter(machine: str, pid: int) -> Iterator[bytes]:
    """The instructions: what is looked at, what is compared, how many to skip if so and if not."""
    column = list(_ARCHITECTURES).index(machine)

    def step(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_so, if_not, value)

    refuse, unknown = step(_GIVE, _ERROR | errno.EPERM), step(_GIVE, _ERROR | errno.ENOSYS)
    allow = step(_GIVE, _ALLOW)
    yield from (step(_LOAD, _ARCHITECTURE_AT), step(_EQUAL, _ARCHITECTURES[machine], 1), step(_GIVE, _KILL))
    yield from (step(_LOAD, _NUMBER_AT), step(_ABOVE, _NEWEST_CALL, 0, 1), unknown)
    # glibc asks for a thread by clone3, whose wishes cannot be seen from here; unknown, it takes clone.
    yield from (step(_EQUAL, _CLONE3[column], 0, 1), unknown)
    for numbers in _REFUSED.values():
        if (number := numbers[column]) is not None:
            yield from (step(_EQUAL, number, 0, 1), refuse)
    yield from (step(_EQUAL, _CLONE[column], 0, 4), step(_LOAD, _FIRST_ARGUMENT_AT))
    yield from (step(_ANY_BIT, _OF_A_THREAD, 0, 1), allow, refuse)
    for one in _ABOUT_ONE_PROCESS:
        yield from (step(_EQUAL, one[column], 0, 5), step(_LOAD, _FIRST_ARGUMENT_AT))
        yield from (step(_EQUAL, 0, 1), step(_EQUAL, pid, 0, 1), allow, refuse)
    yield allow


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the kernel does not confine this process: {os.strerror(number)}")
    return result
