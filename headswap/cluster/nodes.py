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

from headswap import __version__
from headswap.cluster.crew import ClusterRefused, Parcel, task
from headswap.errors import HeadswapError
from headswap.storage.files import remove, write_bytes

_PACKAGES = (
    "torch", "timm", "transformers", "torchvision", "numpy", "pillow", "pillow-heif", "av", "onnxruntime",
    "openvino",
)  # fmt: skip


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
    return ClusterRefused(
        f"On {node}, {problem.rstrip('.')}; this machine can open it.",
        remedy="Let every machine read the same files under the same paths, then ask for the same again: "
        "what was done is kept.",
    )


def what_lies_at(path: Path) -> str:
    """A fingerprint that differs where machines see different things; empty: nothing lies there."""
    try:
        if path.is_dir():
            names = "\n".join(sorted(os.listdir(path)))
            return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return str(path.stat().st_size)
    except OSError:
        return ""


def can_write(folder: Path) -> bool:
    """Whether a file can be put into a folder and taken away again; over NFS permissions do not tell."""
    probe = folder / f".headswap-{uuid.uuid4().hex}"
    try:
        write_bytes(probe, b"")
        remove(probe)
    except (HeadswapError, OSError):
        return False
    return True
