"""What a machine of a cluster says of itself before it is given work.

Flow:  paths --describe_node, on each machine--> versions, whether its door is shut, what lies at these paths,
       and into which folders it cannot write
"""

from __future__ import annotations

import hashlib
import os
import platform
import uuid
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from headswap.cluster.crew import ClusterRefused, Parcel, task
from headswap.errors import HeadswapError
from headswap.storage.files import SEAL, remove, write_bytes
from headswap.version import __version__

_PACKAGES = (
    "torch", "timm", "transformers", "torchvision", "numpy", "pillow", "pillow-heif", "av", "onnxruntime",
    "openvino",
)  # fmt: skip
_END_BYTES = 64 * 1024  # of a file, at its beginning and at its end


@task
def describe_node(parcel: Parcel) -> Parcel:
    """Versions, what lies at each of `paths`, and which folders of `written` are shut to it."""
    return Parcel(
        facts={
            "versions": versions_here(),
            "wants_token": os.environ.get("RAY_AUTH_MODE", "").lower() == "token",
            "paths": {path: what_lies_at(Path(path)) for path in parcel.facts["paths"]},
            "shut": [path for path in parcel.facts["written"] if not can_write(Path(path))],
        }
    )


def versions_here() -> dict[str, str]:
    """Of everything that decides about the last digits."""
    found = {"headswap": __version__, "Python": ".".join(platform.python_version_tuple()[:2])}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def other_versions(node: str, theirs: dict[str, str], mine: dict[str, str]) -> ClusterRefused | None:
    """What is said of a machine whose versions are not those of the one that asks; None: they are.

    Args:
        node: what people know the machine by.
        theirs: versions of that machine.
        mine: of the machine that asks.
    """
    other = [
        f"{name} {theirs.get(name, 'missing')}"
        for name, version in mine.items()
        if theirs.get(name) != version
    ]
    if not other:
        return None
    return ClusterRefused(
        f"{node} has {', '.join(other)}, and the machine that asks has not.",
        remedy="Install the same versions on every machine: the last digits depend on them.",
    )


def not_there(node: str) -> ClusterRefused:
    """Said of a machine whose processes cannot import headswap, or not this one."""
    return ClusterRefused(
        f"headswap does not run on {node}.",
        remedy="Install the same headswap for the same Python on every machine of the cluster.",
    )


def cannot_open(node: str, problem: str) -> ClusterRefused:
    """Said of a machine that cannot open a file which the one that asks can.

    Args:
        node: what people know the machine by.
        problem: the sentence that it says itself.
    """
    return opened_here(f"On {node}, {problem}")


def opened_here(problem: str) -> ClusterRefused:
    """The same, of a machine that is named in what it says itself."""
    return ClusterRefused(
        f"{problem.rstrip('.')}; this machine can open it.",
        remedy="Let every machine read the same files under the same paths, then ask for the same again: "
        "what was done is kept.",
    )


def sees_otherwise(node: str, path: Path) -> ClusterRefused:
    """Said of a machine that sees something else under a path than the one that asks."""
    return ClusterRefused(
        f"{node} does not see {path} as this machine does.",
        remedy="Put it into a folder that all machines have in common under the same path.",
    )


def what_lies_at(path: Path) -> str:
    """A fingerprint that differs where machines see different things; empty: nothing lies there.

    Of a folder it is the names in it, and its seal, which tells a bundle from every other one: all have the
    same names. Of a file it is the size with its first and last bytes; no more is read of large ones.
    """
    try:
        if not path.is_dir():
            return _ends_of(path)
        names = "\n".join(sorted(os.listdir(path)))
        seal = path / SEAL
        seen = names.encode("utf-8", "surrogateescape") + (seal.read_bytes() if seal.is_file() else b"")
        return hashlib.sha256(seen).hexdigest()[:16]
    except OSError:
        return ""


def _ends_of(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        digest = hashlib.sha256(file.read(_END_BYTES))
        file.seek(max(0, size - _END_BYTES))
        digest.update(file.read(_END_BYTES))
    return f"{size}-{digest.hexdigest()[:16]}"


def can_write(folder: Path) -> bool:
    """Whether a file can be put into a folder and taken away again; over NFS permissions do not tell."""
    probe = folder / f".headswap-{uuid.uuid4().hex}"
    try:
        write_bytes(probe, b"")
        remove(probe)
    except (HeadswapError, OSError):
        return False
    return True
