"""How much faster nodes read and see images than one process: `ray start` nodes of one processor, all here.

    python -m benchmarks.cluster [--nodes 0 1 2] [--pictures 2000] [--out cluster.json]

Pictures are drawn once, JPEGs of 256 px in two classes. For each number of nodes a cluster of its own is
started on loopback, a head is taught through `headswap.teach(..., on="auto")` with nothing kept from before,
and the cluster is ended. Seconds are those of the step that reads and sees, and of the whole run; 0 nodes is
this process alone, on all its processors. Bundles of one engine must be equal, or it ends with an error.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

HERE = Path(__file__).parents[1]
TEACH = """
import json, sys, headswap
data, out, workspace, on = sys.argv[1:]
done = headswap.teach(data, out=out, workspace=workspace, head="last", on=on or None)
print(json.dumps({"engine": done.engine, **done.seconds}))
"""


@dataclass(frozen=True)
class Measured:
    """One run."""

    nodes: int  # 0: no cluster
    pictures: int
    engine: str
    pictures_s: float
    total_s: float
    load_before: float  # of the machine: what else it did
    bundle: str  # a hash of all its files


def draw(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / ("fine" if number % 2 else "coarse")
        place.mkdir(parents=True, exist_ok=True)
        side = 64 if number % 2 else 8
        small = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
        small.resize((256, 256), Image.Resampling.BILINEAR).save(place / f"{number}.jpg", quality=90)


def ray(*words: str, folder: Path, env: dict[str, str]) -> None:
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words, "--num-cpus=1"]
    command += ["--object-store-memory=100000000", "--disable-usage-stats"]
    with (folder / "said.txt").open("ab") as said:
        subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=True)


def end(folder: Path) -> None:
    """Every process of a cluster, by its id: `ray stop` would end everybody's."""
    left = []
    for process in psutil.process_iter():
        try:
            if _is_of(process, folder):
                process.kill()
                left.append(process)
        except psutil.Error:
            continue
    psutil.wait_procs(left)


def _is_of(process: psutil.Process, folder: Path) -> bool:
    """Whether a process belongs to the cluster in a folder; Ray's agents name themselves anew."""
    words = " ".join(process.cmdline())
    is_agent = words.startswith("ray::") or "-m ray.util.client.server" in words
    return str(folder) in words or (is_agent and process.environ().get("RAY_TMPDIR") == str(folder))


def measure(nodes: int, data: Path, count: int, place: Path) -> Measured:
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))  # sockets have short names only
    token = secrets.token_hex(16)
    env = {**os.environ, "RAY_TMPDIR": str(folder), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    env["PYTHONPATH"] = str(HERE)
    try:
        if nodes:
            with socket.create_server(("127.0.0.2", 0)) as free:
                port = free.getsockname()[1]
            head = ("--head", f"--port={port}", "--node-ip-address=127.0.0.2", "--include-dashboard=false")
            ray(*head, folder=folder, env=env)
            for number in range(1, nodes):
                other = (f"--address=127.0.0.2:{port}", f"--node-ip-address=127.0.0.{2 + number}")
                ray(*other, folder=folder, env=env)
        load = os.getloadavg()[0]
        command = [sys.executable, "-c", TEACH, str(data), str(place / "bundle"), str(place / "workspace")]
        command.append("auto" if nodes else "")
        done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    finally:
        end(folder)
        shutil.rmtree(folder, ignore_errors=True)
    said = json.loads(done.stdout.splitlines()[-1])
    files = sorted((place / "bundle").iterdir())
    digest = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files))
    return Measured(
        nodes=nodes,
        pictures=count,
        engine=said["engine"],
        pictures_s=said["pictures"],
        total_s=said["total"],
        load_before=round(load, 2),
        bundle=digest.hexdigest()[:16],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    choices = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder) / "data", choices.pictures)
        for nodes in choices.nodes:
            place = Path(folder) / str(nodes)
            place.mkdir()
            runs.append(measure(nodes, Path(folder) / "data", choices.pictures, place))
            print(json.dumps(asdict(runs[-1])), flush=True)
    if choices.out:
        choices.out.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    different = {run.bundle for run in runs if run.engine == runs[0].engine}
    if len(different) > 1:
        sys.exit("the bundles differ")


if __name__ == "__main__":
    main()
