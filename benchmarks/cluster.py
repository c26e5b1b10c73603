"""How much faster nodes read and see images than one process: `ray start` nodes of one processor, all here.

    python -m benchmarks.cluster [--nodes 0 1 2] [--verb teach|plain|compare|auto]
        [--pictures 2000 | --data FOLDER] [--out cluster.json]

Pictures are drawn once, JPEGs of 256 px in two classes, or given. For each number of nodes a cluster of its
own is started on loopback, a verb is run through `on="auto"` with nothing kept from before, and the cluster
is ended. Seconds are those of the step that reads and sees, and of the whole run; 0 nodes is this process
alone, on all its processors. Results of one engine must be equal, or it ends with an error.

- `teach`: a head on the last features.
- `compare`: six networks, five of them with random weights, which take as long as any.
- `plain`: no cluster at all: as many processes as nodes, each on a processor and a part of the pictures
  of its own, teach heads as in `teach`. More than they do together the machine cannot do.
- `auto`: depth "auto", whose tries are tasks. Every process has one thread, also with 0 nodes, because the
  last digits of a try depend on it.
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
print(json.dumps({"engine": done.engine, "seconds": done.seconds}))
"""
AUTO = """
import json, sys, headswap
data, out, workspace, on = sys.argv[1:]
config = headswap.TrainConfig(depth="auto")
done = headswap.teach(data, out=out, workspace=workspace, config=config, on=on or None)
print(json.dumps({"engine": done.engine, "seconds": done.seconds}))
"""
COMPARE = """
import json, pathlib, sys, time, headswap
data, out, workspace, on = sys.argv[1:]
models = {models!r}
start = time.perf_counter()
rows = headswap.compare(data, models=models, workspace=workspace, on=on or None).rows
total = round(time.perf_counter() - start, 3)
assert all(row.state == "done" for row in rows), rows
pathlib.Path(out).mkdir()
said = [[row.model, row.right, row.right_last, row.head, row.computed] for row in rows]
pathlib.Path(out, "rows.json").write_text(json.dumps(said))
print(json.dumps({{"engine": "", "seconds": {{"total": total}}}}))
"""
DRAWN = ("mobilenetv3_small_100", "mobilenetv2_100", "mobilenetv3_large_100", "mnasnet_100", "semnasnet_100")
PLAIN = "import os, sys; os.sched_setaffinity(0, {int(sys.argv.pop())})" + TEACH
VERBS = {
    "teach": TEACH,
    "auto": AUTO,
    "compare": COMPARE.format(models=["tf_efficientnet_lite0", *DRAWN]),
    "plain": PLAIN,
}


@dataclass(frozen=True)
class Measured:
    """One run."""

    nodes: int  # 0: no cluster
    verb: str
    pictures: int
    engine: str
    seconds: dict[str, float]  # of each step; "pictures" reads and sees; "total"
    load_before: float  # of the machine: what else it did
    bundle: str  # a hash of all files of the result


def draw(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / ("fine" if number % 2 else "coarse")
        place.mkdir(parents=True, exist_ok=True)
        side = 64 if number % 2 else 8
        small = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
        small.resize((256, 256), Image.Resampling.BILINEAR).save(place / f"{number}.jpg", quality=90)


def draw_weights(folder: Path) -> None:
    """Random ones for the networks of `compare`, where a process looks for weights of its own."""
    from safetensors.torch import save_file

    from headswap.zoos.catalogue import build_network

    place = folder / "headswap" / "weights" / "timm"
    place.mkdir(parents=True)
    for name in DRAWN:
        save_file(build_network(name).module.state_dict(), place / f"{name}.safetensors")


def ray(*words: str, folder: Path, env: dict[str, str]) -> None:
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words, "--num-cpus=1"]
    command += ["--object-store-memory=100000000", "--disable-usage-stats"]
    with (folder / "said.txt").open("ab") as said:
        subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=True)


def end(folder: Path) -> None:
    """Every process of a cluster, by its id: `ray stop` would end those of all clusters."""
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
    """Whether a process belongs to the cluster in a folder; Ray's agents change their names."""
    words = " ".join(process.cmdline())
    is_agent = words.startswith("ray::") or "-m ray.util.client.server" in words
    return str(folder) in words or (is_agent and process.environ().get("RAY_TMPDIR") == str(folder))


def measure(nodes: int, verb: str, data: Path, count: int, place: Path) -> Measured:
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))  # sockets have short names only
    token = secrets.token_hex(16)
    env = {**os.environ, "RAY_TMPDIR": str(folder), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    env |= {"PYTHONPATH": str(HERE), "XDG_CACHE_HOME": str(place.parent / "cache")}
    if verb == "auto":
        env["OMP_NUM_THREADS"] = "1"
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
        command = [sys.executable, "-c", VERBS[verb], str(data)]
        command += [str(place / "bundle"), str(place / "workspace"), "auto" if nodes else ""]
        done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    finally:
        end(folder)
        shutil.rmtree(folder, ignore_errors=True)
    said = json.loads(done.stdout.splitlines()[-1])
    files = sorted((place / "bundle").iterdir())
    digest = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files))
    return Measured(
        nodes=nodes,
        verb=verb,
        pictures=count,
        engine=said["engine"],
        seconds=said["seconds"],
        load_before=round(load, 2),
        bundle=digest.hexdigest()[:16],
    )


def measure_plain(processes: int, data: Path, count: int, place: Path) -> Measured:
    """Processes that know nothing of each other; their seconds are those of the one that took longest."""
    load, running = os.getloadavg()[0], []
    for number in range(processes):
        part = place / f"data-{number}"
        for path in sorted(data.rglob("*.jpg"))[number::processes]:
            (part / path.parent.name).mkdir(parents=True, exist_ok=True)
            os.link(path, part / path.parent.name / path.name)
        command = [sys.executable, "-c", PLAIN, str(part), str(place / f"bundle-{number}")]
        command += [str(place / f"workspace-{number}"), "", str(number)]
        running.append(subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True))
    said = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    return Measured(
        nodes=processes,
        verb="plain",
        pictures=count,
        engine=said[0]["engine"],
        seconds={name: max(one["seconds"][name] for one in said) for name in said[0]["seconds"]},
        load_before=round(load, 2),
        bundle="",  # each has its own
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--verb", choices=list(VERBS), default="teach")
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--data", type=Path, help="a folder of class folders, in place of drawn pictures")
    parser.add_argument("--out", type=Path)
    choices = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        data, count = choices.data or Path(folder) / "data", choices.pictures
        if choices.data is None:
            draw(data, count)
        else:
            count = sum(path.is_file() for path in data.rglob("*"))
        if choices.verb == "compare":
            draw_weights(Path(folder) / "cache")
        for nodes in choices.nodes:
            place = Path(folder) / str(nodes)
            place.mkdir()
            if choices.verb == "plain":
                runs.append(measure_plain(nodes, data.resolve(), count, place))
            else:
                runs.append(measure(nodes, choices.verb, data.resolve(), count, place))
            print(json.dumps(asdict(runs[-1])), flush=True)
    if choices.out:
        choices.out.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    different = {run.bundle for run in runs if run.engine == runs[0].engine}
    if len(different) > 1:
        sys.exit("the bundles differ")


if __name__ == "__main__":
    main()
