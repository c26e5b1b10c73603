"""Class codes: who may come in. One file, one line of JSON for everyone; no code is kept, only its hash.

Flow:  name --add--> code, shown once          name + code --AccessCodes.knows--> yes or no

A code is twelve letters and figures in three groups, none that look alike: 59 bits, too many to guess.
It is hashed with scrypt and a salt of its own, so a stolen file opens no door. The file is read again
when it changes: people can be added and removed while the server runs. Two who change it at the same time
take turns, over a lock file next to it.

Knows names and one file; nothing of pages.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from headswap.errors import BadSetting, HeadswapError, NotFound
from headswap.storage.files import from_json, to_json, write_text

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without i, l, o, 0 and 1
GROUPS, GROUP_LETTERS = 3, 4
LONGEST_NAME = 40
_NAME = re.compile(r"[\w][\w.@ -]*", re.UNICODE)
LOCK_TIMEOUT_S = 30.0  # the longest that one change waits for another
_COST, _BLOCK, _LANES = 2**14, 8, 1  # scrypt: 16 MB and some 50 ms a guess

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Account:
    """Someone who may come in."""

    name: str
    salt: str  # hex
    code_hash: str  # hex


@dataclass(frozen=True)
class AccountsFile:
    """The file."""

    people: tuple[Account, ...] = ()


class AccessCodes:
    """The codes of one installation, as its file says now."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            BadSetting: there is none, it cannot be read, or no one is in it.
        """
        if not read_people(path).people:
            raise BadSetting(
                f"No one is in {path.name}.", remedy=f"Add someone: headswap users add {path.name} NAME."
            )
        self._path = path
        self._lock = threading.Lock()  # one guess at a time: thirty at once would take half a gigabyte
        self._file_lock = threading.Lock()
        self._seen: tuple[int, int] = (0, 0)
        self._people: dict[str, Account] = {}

    def knows(self, name: str, code: str) -> bool:
        """Whether this is a name of the file and its code; a wrong name takes as long as a wrong code."""
        with self._lock:
            with self._file_lock:
                self._reload()
                person = self._people.get(name)
            probe = person or Account(name, "00" * 16, "")
            right = hmac.compare_digest(_hash(code, probe.salt), probe.code_hash)
        return right and person is not None

    def stamp(self, name: str) -> str:
        """Which code a name has now, in a form that opens nothing; empty when it may not come in, or stay."""
        with self._file_lock:
            self._reload()
            person = self._people.get(name)
            return person.code_hash if person else ""

    def _reload(self) -> None:
        try:
            stat = self._path.stat()
        except OSError:  # taken away while the server runs: no one comes in any more
            self._people = {}
            return
        seen = (stat.st_mtime_ns, stat.st_ino)
        if seen != self._seen:
            self._seen = seen
            try:
                self._people = {person.name: person for person in read_people(self._path).people}
            except HeadswapError:  # spoiled by hand while people work: who was known stays known
                logger.exception("the file of codes cannot be read")


def read_people(path: Path) -> AccountsFile:
    """Everyone in the file.

    Raises:
        BadSetting: there is no such file.
        BundleDamaged: it is not one that `headswap users` wrote.
    """
    if not path.is_file():
        raise BadSetting(f"There is no file {path}.", remedy=f"Make it: headswap users add {path} NAME.")
    people: AccountsFile = from_json(AccountsFile, path.read_bytes())
    return people


def add(path: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Let people in, the file made when missing; returns name -> code, which is kept nowhere.

    Raises:
        BadSetting: a name cannot be one, or has a code already; or someone else is changing the file.
    """
    cleaned = tuple(map(_clean, names))
    with _file_locked(path):
        there = read_people(path).people if path.exists() else ()
        known, codes = {person.name for person in there}, {}
        for name in cleaned:
            if name in known:
                raise BadSetting(
                    f"{name} has a code already.",
                    remedy="Remove the name and add it again for a new code; the work stays.",
                )
            known.add(name)
            codes[name] = "-".join(
                "".join(secrets.choice(LETTERS) for _ in range(GROUP_LETTERS)) for _ in range(GROUPS)
            )
        salts = {name: secrets.token_hex(16) for name in codes}
        new = tuple(Account(name, salts[name], _hash(code, salts[name])) for name, code in codes.items())
        _write(path, (*there, *new))
    return codes


def remove(path: Path, names: tuple[str, ...]) -> None:
    """Let people in no longer; what they made stays.

    Raises:
        NotFound: someone is not in the file.
        BadSetting: someone else is changing the file.
    """
    going = set(map(_clean, names))
    read_people(path)  # a file that is missing gets no lock next to it
    with _file_locked(path):
        there = read_people(path).people
        missing = going - {person.name for person in there}
        if missing:
            raise NotFound(
                f"{', '.join(sorted(missing))} is not in {path.name}.",
                remedy=f"headswap users list {path} shows who is.",
            )
        _write(path, tuple(person for person in there if person.name not in going))


@contextmanager
def _file_locked(path: Path) -> Iterator[None]:
    """No one else changes the file meanwhile; the lock is let go when its process ends, however it ends."""
    lock_path = path.with_name(f"{path.name}.lock")
    if not path.parent.is_dir():  # the lock would make it
        raise BadSetting(f"There is no folder {path.parent}.", remedy="Make it first, or choose another.")
    try:
        with FileLock(lock_path, timeout=LOCK_TIMEOUT_S):
            yield
    except Timeout as error:
        raise BadSetting(
            f"Someone else is changing {path.name}.", remedy="Try again when they are done."
        ) from error
    except OSError as error:
        raise BadSetting(
            f"{path} cannot be changed: {error.strerror or error}.",
            remedy="Choose a folder that exists and that you may write to.",
        ) from error


def _write(path: Path, people: tuple[Account, ...]) -> None:
    write_text(path, to_json(AccountsFile(people), indent=1))
    path.chmod(0o600)


def _clean(name: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise BadSetting(
            f"{name[:LONGEST_NAME]!a} cannot be a name.",
            remedy=f"Use letters, figures, spaces and . - @, at most {LONGEST_NAME}.",
        )
    return name


def _hash(code: str, salt: str) -> str:
    """Hash a code; capitals and dashes make no difference."""
    plain = re.sub(r"[\s-]", "", code).casefold()[:200].encode("utf-8", "backslashreplace")
    salted = bytes.fromhex(salt)
    return hashlib.scrypt(plain, salt=salted, n=_COST, r=_BLOCK, p=_LANES, maxmem=64 * 2**20).hex()
