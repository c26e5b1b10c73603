"""An address that things are written to: whole or not at all, whichever store it is.

Flow:  name + bytes --RemoteTarget.write--> an object --RemoteTarget.read--> the same bytes

An object store replaces an object as a whole. Elsewhere bytes go under a name of their own first.
"""

from __future__ import annotations

import errno
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from headswap.data.remote import first_line, patiently, system_at, url_of
from headswap.errors import BadSetting, BadUpload, HeadswapError
from headswap.storage.files import DiskFull
from headswap.storage.locations import install_command

_WHOLE = ("s3", "s3a", "gs", "gcs", "abfs", "az", "memory")  # stores of objects, which have no half of one
_PART = ".part-"
_FULL = re.compile(r"no space|quota|insufficient.?storage|storage.?full|disk.?full", re.IGNORECASE)
_KNOWN = re.compile(r"credential|unauthori[sz]ed|access.?denied|forbidden|token|\b40[13]\b", re.IGNORECASE)


class RemoteTarget:
    """A folder at an address. Every method says in two sentences what goes wrong there.

    Raises:
        BadSetting: a package is missing, or the address is of no kind that is known.
        BadUpload: it may not be used, or nothing answers.
        DiskFull: there is no room.
    """

    def __init__(self, url: str, *, is_there: bool = False) -> None:
        """Nothing is asked yet.

        Args:
            url: as `headswap.data.remote.url_of` gives it.
            is_there: a folder of a disk must be there already: a disk that is unplugged leaves none, and
                another disk would be filled instead.
        """
        self.url, self._is_there = url, is_there
        self.scheme = url.partition(":")[0]

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        return system_at(self.url)

    def sizes(self, below: str = "") -> dict[str, int]:
        """Every file at any depth below a folder, by its name from there; empty where there is no folder."""
        with self._explained():
            system, root = self._opened
            system.invalidate_cache()
            path = f"{root}/{below}" if below else root
            try:
                found = patiently(partial(system.find, path, detail=True))
            except FileNotFoundError:
                return {}
        names = {str(name)[len(path) :].strip("/"): facts for name, facts in found.items()}
        return {
            name: int(facts.get("size") or 0)
            for name, facts in sorted(names.items())
            if name and _PART not in name
        }

    def read(self, name: str, most: int | None = None) -> bytes:
        """The bytes of a file, or the first of them.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._explained():
            system, root = self._opened
            ask = partial(system.cat_file, f"{root}/{name}", **({} if most is None else {"end": most}))
            if most is not None:
                ask = partial(ask, start=0)
            return bytes(patiently(ask))

    def write(self, name: str, data: bytes) -> None:
        """Keep a file: all of it, or nothing."""
        with self._explained(), self._bucket_there():
            system, root = self._opened
            path = f"{root}/{name}"
            if self.scheme in _WHOLE:
                patiently(partial(system.pipe_file, path, data))
                return
            if self._is_there and not system.isdir(root):
                raise self._nothing()
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            part = f"{path}{_PART}{uuid.uuid4().hex[:8]}"
            try:
                system.pipe_file(part, data)
                system.mv(part, path)
            except Exception:
                if system.exists(part):
                    system.rm_file(part)
                raise

    def remove(self, name: str) -> None:
        """Let a file go; nothing happens where there is none."""
        with self._explained():
            system, root = self._opened
            try:
                system.rm_file(f"{root}/{name}")
            except FileNotFoundError:
                return

    def check(self) -> None:
        """Whether something can be written there, before hours of work."""
        probe = f".headswap-{uuid.uuid4().hex}"
        self.write(probe, b"whole")
        self.remove(probe)

    @contextmanager
    def _bucket_there(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise self._nothing() from error

    def _nothing(self) -> BadUpload:
        return BadUpload(
            f"There is nothing at {self.url}.",
            remedy="Make the bucket or the folder, connect its disk, or check the spelling.",
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (HeadswapError, FileNotFoundError):
            raise
        except IsADirectoryError as error:  # a disk keeps the folder of what was taken away
            raise FileNotFoundError(str(error)) from error
        except ImportError as error:
            raise BadSetting(
                f"{self.scheme}:// needs a package that is not installed: {first_line(error)}.",
                remedy=f"Run `{install_command('remote')}`.",
            ) from error
        except Exception as error:  # every store has errors of its own; what was said is told
            raise self._said(error) from error

    def _said(self, error: Exception) -> HeadswapError:
        said = f"{type(error).__name__} {error}"
        if isinstance(error, ValueError) and "protocol" in said.lower():
            return BadSetting(
                f"{self.scheme}:// is no kind of address that is known here.",
                remedy="Give s3://, gs:// or another that fsspec knows, or a folder.",
            )
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT) or _FULL.search(said):
            return DiskFull(
                f"There is no room left at {self.url}.",
                remedy="Make room there, and start again: what was written is kept.",
            )
        if isinstance(error, PermissionError) or _KNOWN.search(said):
            return BadUpload(
                f"{self.url} may not be read and written with the credentials of this machine.",
                remedy="Ask its owner for the right to list, read and write it: docs/guide/remote.md says "
                "where credentials are looked for.",
            )
        return BadUpload(
            f"{self.url} does not answer: {first_line(error)}.",
            remedy="Check the address and the network, and start again: what was written is kept.",
        )


def address_of_folder(named: str | Path) -> str:
    """What a person names, as an address: an address, or a folder of this machine."""
    return url_of(named) or f"file://{Path(named).resolve().as_posix()}"
