"""Files that lie elsewhere: in an object store, on a hub, on a server; whatever fsspec can list.

Flow:  s3://bucket/folder --opened--> RemoteFolder (names, sizes, versions)
       RemoteFile --Fetcher.read--> bytes, from a copy on this disk once they have been fetched

A copy is named by where a file lies, how large it is and what its store calls this version of it. So what is
there already is fetched by no one again, whichever process, machine or run asks, and a file that changed is
another.

Knows addresses and bytes: no images, no classes. A source is a `Path` everywhere, also where it is an
address: `url_of` gives that back.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, TypeVar

from headswap.data.decode import ImageLimits, check_file_size, shown_name
from headswap.errors import BadSetting, BadUpload, HeadswapError, UnopenedFile
from headswap.storage.files import make_folder, replacing, write_bytes
from headswap.storage.locations import install_command

REMOTE = "remote"  # the folder of copies, below a workspace
FETCHERS = 16  # files that are on their way at the same time: one waits for its server, not for this machine
AHEAD = 32  # files that are fetched before anyone asks for them
_TRIES = 4
_FIRST_WAIT_S = 0.5  # doubled after each try
_BLOCK = 2**22  # bytes of a large file that are in memory
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)  # one letter is a drive of Windows
_VERSIONS = (  # what stores call the version of a file, the surest first
    "ETag", "etag", "blob_id", "md5Hash", "generation", "mtime", "LastModified", "last_modified", "updated",
    "created",
)  # fmt: skip
# Listings would stay in memory, a kilobyte for each file.
_NO_LISTINGS: dict[str, Any] = {"use_listings_cache": False}
# Of S3, or each file is asked for twice.
_ONE_REQUEST: dict[str, Any] = {**_NO_LISTINGS, "max_concurrency": 1}
_OPTIONS = {"gs": _NO_LISTINGS, "gcs": _NO_LISTINGS, "s3": _ONE_REQUEST, "s3a": _ONE_REQUEST}
_SILENT = logging.NullHandler()

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a remote folder."""

    name: str  # relative to the folder, with forward slashes
    size: int  # bytes; 0: the store does not say
    copy: str  # its name below the folder of copies


@dataclass(frozen=True, eq=False, kw_only=True)
class RemoteFolder:
    """An address that was opened. `files` are sorted by name."""

    url: str
    system: Any  # an fsspec file system
    path: str  # of the folder or the one file, as the system calls it
    files: tuple[RemoteFile, ...]

    def path_of(self, name: str) -> str:
        """What the system calls a file."""
        is_one = len(self.files) == 1 and PurePosixPath(self.path).name == name
        return self.path if is_one else f"{self.path}/{name}"


def url_of(source: str | Path) -> str | None:
    """The address that a source is; None: it is a path of this machine."""
    found = _URL.fullmatch(source.as_posix() if isinstance(source, Path) else source)
    if not found:
        return None
    scheme = found[1].lower()
    return f"{scheme}://{'/' if scheme in ('file', 'local') else ''}{found[2]}".rstrip("/")


def refuse_address(source: str | Path, what: str) -> None:
    """Say of an address that `what` is read from a disk only.

    Raises:
        BadSetting: `source` is one.
    """
    if (url := url_of(source)) is not None:
        raise BadSetting(
            f"{what} is read from a disk, and {url} is an address.",
            remedy="Fetch it first, and give the path that it then has.",
        )


def plain_source(source: Path) -> str:
    """A source as another process, maybe on another machine, understands it."""
    return url_of(source) or str(source.resolve())


def opened(url: str, *, files: Sequence[str] | None = None) -> RemoteFolder:
    """List an address.

    Args:
        url: of a folder, or of one file.
        files: who knows already what there is names it here; nothing is asked then.

    Raises:
        BadSetting: a package is missing that knows such addresses.
        BadUpload: there is nothing, it may not be read, or no one answers.
    """
    scheme = url.partition(":")[0]
    with explained(url):
        system, path = system_at(url)
        if files is not None:
            listed = tuple(RemoteFile(name=name, size=0, copy="") for name in files)
            return RemoteFolder(url=url, system=system, path=path, files=listed)
        system.invalidate_cache()
        found = _listed(system, path)
    if not found:
        raise BadUpload(
            f"There is nothing at {url}.", remedy="Check the bucket, the folder and the spelling."
        )
    named = (
        RemoteFile(name=name, size=int(facts.get("size") or 0), copy=_copy_of(scheme, path, name, facts))
        for name, facts in found.items()
    )
    return RemoteFolder(url=url, system=system, path=path, files=tuple(named))


def system_at(url: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and what it calls the folder or file there."""
    from fsspec.core import url_to_fs

    scheme = url.partition(":")[0]
    if scheme in ("gs", "gcs"):
        # What it logs is said in two sentences, too: Python would write it onto the screen if no one listens.
        logging.getLogger("gcsfs").addHandler(_SILENT)
    system, path = url_to_fs(url, **_OPTIONS.get(scheme, {}))
    return system, path.rstrip("/")


def _listed(system: Any, path: str) -> dict[str, Mapping[str, Any]]:
    """Every file at or below a path by its relative name, sorted; what its store says of it.

    `walk` of fsspec would leave out a folder whose listing fails, and say nothing.
    """
    found: dict[str, Mapping[str, Any]] = {}
    folders = [("", path)]
    while folders:
        inside, folder = folders.pop()
        for facts in _entries(system, folder):
            entry = str(facts["name"]).rstrip("/")
            name = inside + entry.rpartition("/")[2]
            if entry == folder.rstrip("/"):  # S3 has empty names for folders
                continue
            if facts.get("type") == "directory":
                folders.append((f"{name}/", entry))
            elif facts.get("type") == "file":
                found[name] = _versions(facts)
    if not found:  # a file, or nothing
        facts = patiently(partial(system.info, path))
        if facts.get("type") == "file":
            found[PurePosixPath(path).name] = _versions(facts)
    return dict(sorted(found.items()))


def _entries(system: Any, folder: str) -> list[Mapping[str, Any]]:
    """What is in a folder; nothing of a file, or where this machine may not look."""
    try:
        return list(patiently(partial(system.ls, folder, detail=True)))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _versions(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is needed of all that a store says of a file."""
    version = next((str(facts[name]) for name in _VERSIONS if facts.get(name)), "")
    return {"size": facts.get("size"), "version": version}


def _copy_of(scheme: str, path: str, name: str, facts: Mapping[str, Any]) -> str:
    return copy_named(f"{scheme} {path} {name} {facts.get('size')} {facts.get('version')}", name)


def copy_named(identity: str, name: str) -> str:
    """Where below the folder of copies something is kept: by a hash, with the ending of its name."""
    key = hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:40]
    ending = PurePosixPath(name).suffix.lower()
    return f"{key[:2]}/{key}{ending if re.fullmatch(r'[.][a-z0-9]{1,8}', ending) else ''}"


@contextmanager
def explained(url: str) -> Iterator[None]:
    """What goes wrong at an address, in two sentences. Nothing but the talk with its server belongs inside.

    Raises:
        BadSetting: a package is missing.
        BadUpload: everything else.
    """
    try:
        yield
    except HeadswapError:
        raise
    except ImportError as error:
        raise BadSetting(
            f"{url.partition(':')[0]}:// needs a package that is not installed: {first_line(error)}.",
            remedy=f"Run `{install_command('remote')}`.",
        ) from error
    except FileNotFoundError as error:
        if "repository not found" in str(error):  # a hub says the same of what it hides
            raise BadUpload(
                f"There is nothing at {url} that this machine may read.",
                remedy="Check the spelling, or set credentials if it is private: docs/guide/remote.md says "
                "where.",
            ) from error
        raise BadUpload(
            f"There is nothing at {url}.", remedy="Check the bucket, the folder and the spelling."
        ) from error
    except Exception as error:  # every store has errors of its own; what was said is told
        said = f"{type(error).__name__} {error}"
        if re.search(r"credential|unauthori[sz]ed|token|\b401\b", said, re.IGNORECASE):
            raise BadUpload(
                f"{url} needs credentials, and this machine has none that it takes.",
                remedy="Set them where its own tools look for them: docs/guide/remote.md says where.",
            ) from error
        if isinstance(error, PermissionError) or "Forbidden: " in said:  # as gcsfs says it
            raise BadUpload(
                f"{url} may not be read with the credentials of this machine.",
                remedy="Ask its owner for the right to list and read it.",
            ) from error
        if isinstance(error, ValueError) and "protocol" in said.lower():
            raise BadSetting(
                f"{url.partition(':')[0]}:// is no kind of address that is known here.",
                remedy="Give s3://, gs://, hf:// or another that fsspec knows, or a folder.",
            ) from error
        raise BadUpload(
            f"{url} does not answer: {first_line(error)}.",
            remedy="Check the network, and try again: what has been fetched is kept.",
        ) from error


def first_line(error: Exception) -> str:
    """What an error of a store says, shortly."""
    lines = str(error).strip().splitlines()
    return shown_name(lines[0] if lines else type(error).__name__, most=200).rstrip(".")


class Fetcher:
    """Reads files of a remote folder, each fetched once; from several threads."""

    def __init__(self, remote: RemoteFolder, store: Path) -> None:
        """Copies go below `store`."""
        self.remote, self.store = remote, store

    def fetch(self, name: str, copy: str, size: int = 0) -> Path:
        """The copy of a file, which is fetched if no one has done so yet.

        Raises:
            UnreadableImage: this file is too large, or is there no more (`UnopenedFile`).
            BadUpload: no one answers any more.
        """
        path = self.store / copy
        if not path.is_file():
            check_file_size(size, name, ImageLimits())
            data = self._asked(name)
            check_file_size(len(data), name, ImageLimits())
            write_bytes(make_folder(path.parent) / path.name, data)
        return path

    def _asked(self, name: str) -> bytes:
        try:
            with explained(self.remote.url):
                return bytes(patiently(partial(self.remote.system.cat_file, self.remote.path_of(name))))
        except BadUpload as error:
            if isinstance(error.__cause__, FileNotFoundError | PermissionError):
                raise UnopenedFile(
                    f"{shown_name(name)} cannot be fetched any more.", remedy="Check it, or leave it out."
                ) from error
            raise

    def fetch_large(self, name: str, copy: str) -> Path:
        """The same for a file of any size, which is not held in memory."""
        path = self.store / copy
        if not path.is_file():
            make_folder(path.parent)
            with explained(self.remote.url):
                patiently(partial(self._copy_large, name, path))
        return path

    def _copy_large(self, name: str, path: Path) -> None:
        with self.open(name) as source, replacing(path) as target:
            while block := source.read(_BLOCK):
                target.write(block)

    def open(self, name: str) -> Any:
        """A file to be read from anywhere in it."""
        return self.remote.system.open(self.remote.path_of(name), "rb")


def patiently(ask: Callable[[], Answer]) -> Answer:
    """What a server answers, asked again for a few seconds when it does not."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    again = Retrying(
        retry=retry_if_exception_type((TimeoutError, ConnectionError)),
        stop=stop_after_attempt(_TRIES),
        wait=wait_exponential(multiplier=_FIRST_WAIT_S),
        reraise=True,
    )
    return again(ask)


class Ahead:
    """Fetches the next files while one is worked on: who asks in order seldom waits."""

    def __init__(self, fetch: Any, names: Sequence[str]) -> None:
        """`fetch(name)` is called in threads, for some names before they are asked for."""
        self._fetch, self._names = fetch, names
        self._number = {name: number for number, name in enumerate(names)}
        self._coming: dict[str, Future[Any]] = {}
        self._begun, self._lock = 0, Lock()
        self._pool = ThreadPoolExecutor(FETCHERS, thread_name_prefix="fetch")

    def wait(self, name: str) -> None:
        """Until it is there. What its fetching raised is raised here."""
        with self._lock:
            until = min(len(self._names), self._number.get(name, -1) + 1 + AHEAD)
            for one in self._names[self._begun : until]:
                self._coming[one] = self._pool.submit(self._fetch, one)
            self._begun = max(self._begun, until)
            coming = self._coming.pop(name, None)
        if coming is None:
            self._fetch(name)
        else:
            coming.result()

    def close(self) -> None:
        """What has not begun never begins."""
        self._pool.shutdown(wait=True, cancel_futures=True)
