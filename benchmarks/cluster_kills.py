"""What is left when parts of a cluster are killed: worker processes, nodes, the head, the command itself.

    python -m benchmarks.cluster_kills --worker 2 --node 1 --head 1 --driver 1 [--seed 0] [--out kills.json]

A small network is taught the sample set with depth "everything" without a cluster, and through two
`ray start` nodes of one processor on loopback with nothing killed. Then, as often as was asked for, the same
is done while one process is killed by SIGKILL, at a moment that is drawn from the time the shortest run
so far took: a worker that does a part of the work, the raylet of the node that is not the head, the GCS of
the head (the cluster is then ended and another one started), or the command. After a worker or a node nothing
is done; after the head or the command it is given again, as a person would. What must hold: it ends well, the
bundle is the one without a cluster to the byte, and every picture's features are on the shelf. How many were
computed twice is counted: a process that dies may lose the chunk that it had in hand.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from safetensors import safe_open

from benchmarks.cluster import HERE, end, ray

KINDS = ("worker", "node", "head", "driver")
CHUNK = 16  # files of a parcel; with the usual 256 a small set would be one
TEACH = """
import json, sys, headswap
from headswap.pipeline import spread
from headswap.training.config import FinetuneConfig, TrainConfig
spread.CHUNK = {chunk}
data, out, workspace, on, depth = sys.argv[1:]
finetune = FinetuneConfig(epochs=16, learning_rate=1e-2, checkpoint_every_s=1.0)
config = TrainConfig(depth=depth, px=32, head="last", finetune=finetune)
model = "tests.pipeline.tiny_network:tiny_network"
done = headswap.teach(data, model=model, out=out, workspace=workspace, config=config, on=on or None)
moved = done.report.finetune
print(json.dumps({{"engine": done.engine, **done.seconds, "depth": moved.depth if moved else "head"}}))
"""
NODES = 2  # with the head's
MOST_S = 600.0  # of one run, all its commands together


@dataclass(frozen=True)
class Seen:
    """One run."""

    kind: str  # what was killed; "": nothing
    killed_at_s: float | None  # after the command; None: the run was over before
    killed_in: str  # what the process did, as far as it can be told
    commands: int  # that were given
    seconds: float
    done: bool
    same_bundle: bool
    lacking: int  # pictures whose features are not on the shelf
    twice: int  # pictures whose features were computed more than once
    load_before: float
    depth: str  # what moved in the end


class Cluster:
    """Some nodes of one processor each, all here."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))  # sockets have short names only
        self.env = {
            **os.environ,
            "RAY_TMPDIR": str(self.folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "PYTHONPATH": str(HERE),
            "OMP_NUM_THREADS": "1",
        }
        with socket.create_server(("127.0.0.2", 0)) as free:
            self.address = f"127.0.0.2:{free.getsockname()[1]}"
        self._begin()

    def _begin(self) -> None:
        port = self.address.partition(":")[2]
        head = ("--head", f"--port={port}", "--node-ip-address=127.0.0.2", "--include-dashboard=false")
        ray(*head, folder=self.folder, env=self.env)
        for number in range(1, NODES):
            self.join(number)

    def begin_again(self) -> None:
        """Start all of it again at the same address: no node can join what a dead head leaves."""
        end(self.folder)
        self._begin()

    def join(self, number: int) -> None:
        """Another node, or one that died once more."""
        other = (f"--address={self.address}", f"--node-ip-address=127.0.0.{2 + number}")
        ray(*other, folder=self.folder, env=self.env)

    def close(self) -> None:
        end(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def processes(self, kind: str) -> list[psutil.Process]:
        """Those that may be killed as one kind."""
        found = []
        for process in psutil.process_iter():
            try:
                command = " ".join(process.cmdline())
                if kind == "worker" and not (command.startswith("ray::_work") and self._is_mine(process)):
                    continue
                if kind == "node" and not ("raylet/raylet" in command and "127.0.0.2 " not in f"{command} "):
                    continue
                if kind == "head" and "gcs_server" not in command:
                    continue
                if kind != "worker" and str(self.folder) not in command:
                    continue
                found.append(process)
            except psutil.Error:
                continue
        return found

    def _is_mine(self, process: psutil.Process) -> bool:
        return process.environ().get("RAY_TMPDIR") == str(self.folder)


def digest(bundle: Path) -> str:
    hashes = [hashlib.sha256(path.read_bytes()).digest() for path in sorted(bundle.iterdir())]
    return hashlib.sha256(b"".join(hashes)).hexdigest()


def shelf(workspace: Path) -> Counter[str]:
    """How many shards hold the features of each picture, in the view that all were read in."""
    best: Counter[str] = Counter()
    for bank in (workspace / "features").iterdir():
        held: Counter[str] = Counter()
        for path in bank.glob("*.safetensors"):
            with safe_open(path, "np") as shard:
                held.update(shard.metadata()["sha256"].split())
        best = held if len(held) > len(best) else best
    return best


class Command:
    """The command that a person gives, and gives again."""

    def __init__(self, data: Path, place: Path, env: dict[str, str], on: str, depth: str) -> None:
        self.words = [sys.executable, "-c", TEACH.format(chunk=CHUNK)]
        self.words += [str(data), str(place / "bundle"), str(place / "workspace"), on, depth]
        self.place, self.count = place, 0
        self.running = self.give(env)

    def give(self, env: dict[str, str]) -> subprocess.Popen[str]:
        self.count += 1
        with (self.place / "said.txt").open("ab") as said:
            self.running = subprocess.Popen(
                self.words, env=env, stdout=subprocess.PIPE, stderr=said, text=True
            )
        return self.running


@dataclass(frozen=True)
class Teaching:
    """What all runs have in common."""

    data: Path
    depth: str
    alone: str  # digest of the bundle without a cluster
    count: int  # of different pictures


@dataclass(frozen=True)
class Kill:
    """When something was killed, and what it did then."""

    at_s: float
    doing: str  # "": it cannot be told


def kill_one(kind: str, draws: random.Random, command: Command, cluster: Cluster) -> str | None:
    """Kill a process of a kind; what it did, as far as it can be told. None: there is none now."""
    if kind == "driver":
        command.running.kill()
        return ""
    victims = cluster.processes(kind)
    if not victims:
        return None
    victim = draws.choice(victims)
    tries = list((command.place / "workspace").glob("unfinished/*/*/*/count"))
    victim.kill()
    if kind == "head":
        command.running.wait(MOST_S)
    return "a try" if tries else "reading and seeing"


def killed_on_the_way(
    kind: str, at_s: float, draws: random.Random, command: Command, cluster: Cluster, begin: float
) -> Kill | None:
    """Wait until the command ends, and kill one process after so many seconds; None: none was killed."""
    kill = None
    while command.running.poll() is None and time.monotonic() - begin < MOST_S:
        time.sleep(0.05)
        passed = time.monotonic() - begin
        if kind and kill is None and passed >= at_s:
            doing = kill_one(kind, draws, command, cluster)
            kill = None if doing is None else Kill(passed, doing)
    return kill


def said_by(command: Command) -> str:
    """What the command printed; nothing where it does not end."""
    try:
        return command.running.communicate(timeout=MOST_S)[0]
    except subprocess.TimeoutExpired:
        command.running.kill()
        return ""


def disturbed(kind: str, at_s: float, draws: random.Random, teaching: Teaching) -> Seen:
    """One run in which something of a kind is killed after so many seconds; "": nothing."""
    load, cluster = os.getloadavg()[0], Cluster()
    with tempfile.TemporaryDirectory() as folder:
        place, begin = Path(folder), time.monotonic()
        command = Command(teaching.data, place, cluster.env, "auto", teaching.depth)
        kill = killed_on_the_way(kind, at_s, draws, command, cluster, begin)
        if command.running.poll() != 0 and kind in ("head", "driver"):
            if kind == "head":
                cluster.close()
                cluster = Cluster()
            command.give(cluster.env)
        said, seconds = said_by(command), time.monotonic() - begin
        done = command.running.returncode == 0
        kept = shelf(place / "workspace") if done else Counter()
        seen = Seen(
            kind=kind,
            killed_at_s=round(kill.at_s, 1) if kill else None,
            killed_in=kill.doing if kill else "",
            commands=command.count,
            seconds=round(seconds, 1),
            done=done,
            same_bundle=done and digest(place / "bundle") == teaching.alone,
            lacking=teaching.count - len(kept),
            twice=sum(shards > 1 for shards in kept.values()),
            load_before=round(load, 1),
            depth=json.loads(said.splitlines()[-1])["depth"] if done else "",
        )
        if not done:
            sys.stderr.write((place / "said.txt").read_text()[-3000:])
        cluster.close()
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=0)
    parser.add_argument("--depth", default="everything")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    choices = parser.parse_args()
    draws, runs = random.Random(choices.seed), []
    with tempfile.TemporaryDirectory() as folder:
        data, place = HERE / "assets" / "sample" / "train", Path(folder) / "alone"
        place.mkdir()
        env = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
        command = Command(data, place, env, "", choices.depth)
        if command.running.wait():
            sys.exit((place / "said.txt").read_text())
        count = len({path.read_bytes() for path in data.glob("*/*")})
        teaching = Teaching(data, choices.depth, digest(place / "bundle"), count)
        runs.append(disturbed("", 0.0, draws, teaching))
        print(json.dumps(asdict(runs[0])), flush=True)
        kills = [kind for kind in KINDS for _ in range(getattr(choices, kind))]
        draws.shuffle(kills)  # so that one that is stopped has seen of each
        for kind in kills:
            shortest = min(run.seconds for run in runs if run.done and run.commands == 1)
            at = draws.uniform(0.2, 0.7) * shortest
            runs.append(disturbed(kind, at, draws, teaching))
            print(json.dumps(asdict(runs[-1])), flush=True)
            if choices.out:
                choices.out.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    if not all(run.done and run.same_bundle and not run.lacking for run in runs):
        sys.exit("something was lost")


if __name__ == "__main__":
    main()
