"""What every crew promises: this process, and two Ray nodes, one of which is killed in the end."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file

import headswap
from headswap.app.jobs import cluster as jobs_cluster
from headswap.app.jobs.cluster import watch_of
from headswap.app.jobs.job import Job, JobState
from headswap.app.jobs.queue import Queue, QueueSettings
from headswap.app.jobs.store import Store
from headswap.app.processes.local import LocalRunner
from headswap.cluster import joining, ray_crew
from headswap.cluster.crew import ClusterRefused, Crew, Parcel, WorkLost, in_order
from headswap.cluster.driver import DrivenCrew
from headswap.cluster.joining import joined
from headswap.cluster.ray_crew import RayCrew
from headswap.data.ingest import HERE_FIRST, FileRecords, ingest
from headswap.data.layout import PlacedFile
from headswap.errors import BadSetting, UnreadableImage
from headswap.events import Event, Progress
from headswap.features import bank
from headswap.pipeline import spread, spread_answers
from headswap.training.config import FinetuneConfig, TrainConfig
from tests.cluster import tasks
from tests.cluster.here import Here
from tests.pipeline.tiny_network import TINY, TINY_PX
from tests.ports import free_ports

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Ray's own
    pytest.mark.skipif(sys.platform != "linux", reason="Ray clusters of several nodes are for Linux"),
]
ROOT = Path(__file__).parents[2]
ON_A_CLUSTER = (sys.executable, str(ROOT / "tests" / "cluster" / "worker.py"))
HEAD, OTHER = "127.0.0.2", "127.0.0.3"  # 127.0.0.1 is what Ray turns into an address that others reach
DATA = 80_000_000  # for each node's store
UNHURRIED = {  # a node of a machine that does much else may be slow, and is not dead
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "600",
    "RAY_gcs_server_port_wait_time_s": "600",
    "RAY_health_check_timeout_ms": "120000",
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_memory_monitor_refresh_ms": "0",
    "REPORTER_UPDATE_INTERVAL_MS": "600000",  # no one asks what its processes take
}
DIES = "dies"  # a file: while it is there, a worker that trains is killed
STARTS = 3  # Ray gives a node 30 seconds, and no setting changes that


@dataclass(frozen=True)
class Cluster:
    """Two nodes of one processor each."""

    address: str
    dashboard: str
    folder: Path  # Ray's own files; also the mark of its processes

    def processes(self, *words: str) -> list[psutil.Process]:
        """Those of this cluster whose command holds all of some words."""
        found = []
        for process in psutil.process_iter():
            try:
                command = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if str(self.folder) in command and all(word in command for word in words):
                found.append(process)
        return found

    def end(self) -> None:
        """Kill all of them."""
        left = self.processes()
        for process in left:
            with suppress(psutil.Error):  # it has ended meanwhile
                process.kill()
        psutil.wait_procs(left)


def start(*words: str, folder: Path) -> None:
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words, "--num-cpus=1", "--num-gpus=0"]
    command += [f"--object-store-memory={DATA}", "--disable-usage-stats", "--include-log-monitor=false"]
    with (folder / "said.txt").open("ab") as said:  # its daemons keep what they are given open
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False)
    assert done.returncode == 0, (folder / "said.txt").read_text()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))  # sockets have short names only
    port, dashboard, agent = free_ports(3, HEAD)
    mine = {
        "RAY_TMPDIR": str(folder),
        **UNHURRIED,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(16),
        "PYTHONPATH": str(ROOT),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "HEADSWAP_CACHE": str(folder / "cache"),  # of what is handed over to the head
        "TINY_DIES": str(folder / DIES),  # tests/pipeline/tiny_network.py
    }
    before = {name: os.environ.get(name) for name in mine}
    os.environ.update(mine)
    running = Cluster(f"{HEAD}:{port}", f"http://{HEAD}:{dashboard}", folder)
    try:
        head = ["--head", f"--port={port}", f"--node-ip-address={HEAD}", f"--dashboard-host={HEAD}"]
        head += [f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}", "--no-monitor"]
        for left in reversed(range(STARTS)):
            try:
                start(*head, folder=folder)
                start(f"--address={running.address}", f"--node-ip-address={OTHER}", folder=folder)
                break
            except AssertionError:
                if not left:
                    raise
                running.end()
        yield running
    finally:
        running.end()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def ray_here(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCrew]:
    with joined("auto", paths=[ROOT], folder=tmp_path_factory.mktemp("shelf")) as crew:
        yield crew


@pytest.fixture(params=["this process", "two Ray nodes"])
def crew(request: pytest.FixtureRequest) -> Crew:
    return Here() if request.param == "this process" else request.getfixturevalue("ray_here")


@pytest.fixture(scope="module")
def driven(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrivenCrew]:
    """The same two nodes, joined by a child process."""
    with DrivenCrew("auto", paths=[ROOT], folder=tmp_path_factory.mktemp("driven")) as crew:
        yield crew


def numbers(count: int, **facts: str) -> Iterator[Parcel]:
    return (Parcel(facts={"number": number, **facts}) for number in range(count))


def test_every_parcel_is_answered_once(crew: Crew) -> None:
    parcels = [Parcel(facts={"number": n}, arrays={"rows": np.full(3, n, np.float32)}) for n in range(9)]

    answers = list(crew.each(tasks.double, parcels))

    assert sorted(number for number, _ in answers) == list(range(9))
    ordered = list(in_order(answers))
    assert [answer.facts["number"] for answer in ordered] == [2 * n for n in range(9)]
    assert [answer.arrays["rows"].tolist() for answer in ordered] == [[2.0 * n] * 3 for n in range(9)]


def test_what_a_task_refuses_is_raised_with_its_sentences_and_a_fault_as_itself(crew: Crew) -> None:
    with pytest.raises(UnreadableImage, match=r"^a\.jpg is no picture\. Leave it out\.$"):
        list(crew.each(tasks.refuse, [Parcel(facts={"file": "a.jpg"})]))
    with pytest.raises(ZeroDivisionError, match="a fault of the task"):
        list(crew.each(tasks.crash, [Parcel()]))


def test_a_child_that_has_joined_keeps_the_same_promises(driven: DrivenCrew, tmp_path: Path) -> None:
    test_every_parcel_is_answered_once(driven)
    test_what_a_task_refuses_is_raised_with_its_sentences_and_a_fault_as_itself(driven)
    (tmp_path / "waiting").mkdir()
    test_parcels_that_keep_more_processors_busy_than_a_machine_has_are_done_all_the_same(
        driven, tmp_path / "waiting"
    )
    (tmp_path / "stopping").mkdir()
    test_who_stops_listening_stops_the_work_and_may_ask_again(driven, tmp_path / "stopping")
    assert driven.size == 2


def test_a_share_of_a_gpu_is_refused_where_no_machine_has_one(ray_here: RayCrew, driven: DrivenCrew) -> None:
    for on_a_cluster in (ray_here, driven):
        with pytest.raises(ClusterRefused, match="on a GPU, and no machine of the cluster has one"):
            list(on_a_cluster.each(tasks.double, numbers(1), gpu_share=1 / 4))


def test_who_stops_listening_stops_the_work_and_may_ask_again(crew: Crew, tmp_path: Path) -> None:
    answers = crew.each(tasks.sign, numbers(60, folder=str(tmp_path)))
    next(answers)
    answers.close()

    assert len(list(crew.each(tasks.double, [Parcel(facts={"number": 1}, arrays={"rows": np.ones(1)})]))) == 1
    assert len(list(tmp_path.iterdir())) <= 1 + 2 * crew.size * ray_crew.AHEAD


def test_parcels_that_keep_more_processors_busy_than_a_machine_has_are_done_all_the_same(
    crew: Crew, tmp_path: Path
) -> None:
    go, told = tmp_path / "go", []

    def meanwhile() -> None:
        told.append(crew.size)
        go.touch()

    if crew.size == 1:  # no one is there to be told while this process works
        go.touch()
    answers = list(crew.each(tasks.wait, numbers(2, folder=str(tmp_path)), threads=64, meanwhile=meanwhile))

    assert sorted(number for number, _ in answers) == [0, 1]
    assert bool(told) == (crew.size > 1)


def test_a_parcel_whose_process_died_is_done_by_another_and_no_other_parcel_is_begun_again(
    ray_here: RayCrew, tmp_path: Path
) -> None:
    answers = list(ray_here.each(tasks.die_once, numbers(6, folder=str(tmp_path))))

    assert sorted(number for number, _ in answers) == list(range(6))
    assert (tmp_path / "died").exists()
    assert sorted((tmp_path / "begun").read_text().split()) == ["0", "1", "2", "3", "3", "4", "5"]


def test_a_cluster_that_grows_smaller_is_given_no_more_than_it_can_do(
    ray_here: RayCrew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = itertools.chain([3], itertools.repeat(1))
    monkeypatch.setattr(RayCrew, "size", property(lambda self: next(sizes)))

    answers = list(ray_here.each(tasks.sign, numbers(8, folder=str(tmp_path))))

    assert sorted(number for number, _ in answers) == list(range(8))


def test_what_ends_every_process_is_named_and_not_tried_for_ever(
    ray_here: RayCrew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_crew, "MOST_TRIES", 1)

    with pytest.raises(WorkLost, match=r"^bad\.jpg ended 2 processes"):
        list(ray_here.each(tasks.always_die, [Parcel(about="bad.jpg")]))


def test_a_run_whose_driver_is_ended_as_ray_does_waits_and_is_done_by_another(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_cluster, "BACK_S", 0.5)
    watch = watch_of("auto", tmp_path)
    assert watch is not None
    store = Store(tmp_path / "jobs.db")
    settings = QueueSettings(room_bytes=0, cluster="auto", most_at_once=2)
    queue = Queue(store, LocalRunner(), settings, worker=ON_A_CLUSTER, cluster=watch)
    job_id = queue.submit("ada", "project", "{}", "key")

    def tick_until(condition: Callable[[Job], object]) -> Job:
        end = time.monotonic() + 1200
        while not condition(store.get(job_id)):
            assert time.monotonic() < end, store.get(job_id)
            queue.tick()
            time.sleep(0.05)
        return store.get(job_id)

    tick_until(lambda job: job.progress)
    worker = psutil.Process(int(store.get(job_id).worker.partition(":")[0]))
    next(one for one in worker.children() if "headswap.cluster.driver" in one.cmdline()).kill()
    paused = tick_until(lambda job: job.state == JobState.PAUSED)
    (store.folder(job_id) / "gate").touch()
    done = tick_until(lambda job: job.is_over)

    assert paused.has_lost_cluster
    assert (done.state, done.attempt, done.crashes) == (JobState.DONE, 2, 0)
    assert queue.capacity == 2
    store.close()


def test_a_folder_that_one_machine_sees_otherwise_is_refused(
    ray_here: RayCrew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "what_lies_at", lambda _path: "something else")

    with (
        pytest.raises(BadSetting, match=f"does not see {tmp_path} as this machine does"),
        joined("auto", paths=[tmp_path], folder=tmp_path / "shelf"),
    ):
        pass
    assert list((tmp_path / "shelf").iterdir()) == [], "the probe is gone"


@pytest.mark.parametrize("form", ["an address", "a tar"])
def test_what_lies_elsewhere_is_fetched_by_whoever_reads_it_and_once(
    crew: Crew, form: str, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "CHUNK", 8)
    data, store, told = sample / "train", tmp_path / "remote", []
    if form == "a tar":
        with tarfile.open(tmp_path / "train.tar", "w") as packed:
            packed.add(data, "train")
    source = Path(f"file://{data}") if form == "an address" else tmp_path / "train.tar"

    def elsewhere(at: Path, placed: Sequence[PlacedFile]) -> Generator[FileRecords, None, None]:
        for records in spread.read_elsewhere(crew, at, store, placed, None):
            told.append(records)
            yield records

    read = ingest(source, store=store, elsewhere=elsewhere).manifest
    near = ingest(data).manifest

    assert len(told) == len(near.images) - HERE_FIRST
    assert [(one.class_name, one.sha256, one.fingerprint) for one in read.images] == [
        (one.class_name, one.sha256, one.fingerprint) for one in near.images
    ]
    assert all(read.path(one).is_file() for one in read.images)
    copies = [path for path in store.rglob("*") if path.is_file() and path.suffix != ".json"]
    assert len(copies) == len(near.images), "one copy of each, no matter who asked for it"


def test_a_bundle_answers_and_is_measured_as_here(
    ray_here: RayCrew, tiny_bundle: Path, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in (spread, spread_answers):
        monkeypatch.setattr(room, "CHUNK", 8)
    data = sample / "train"

    here, there = (headswap.predict(tiny_bundle, data, on=on, workspace=tmp_path) for on in (None, "auto"))
    mine, theirs = (headswap.evaluate(tiny_bundle, data, on=on, workspace=tmp_path) for on in (None, "auto"))

    assert len(there.answers) > HERE_FIRST + 8, "more than one machine was asked"
    assert [(said.file, said.label) for said in there.answers] == [
        (said.file, said.label) for said in here.answers
    ]
    assert there.left_out == here.left_out
    assert theirs == mine


def test_a_try_whose_process_is_killed_is_gone_on_with(
    ray_here: RayCrew, cluster: Cluster, sample: Path, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one(event: Event) -> None:
        if isinstance(event, Progress) and event.step == "finetune" and event.done and not killed:
            nodes = cluster.processes("raylet/raylet")
            for process in [child for node in nodes for child in node.children()]:
                with suppress(psutil.Error):  # it has ended meanwhile
                    if process.cmdline()[:1] == ["ray::_work"]:
                        process.kill()
                        killed.append(process.pid)

    finetune = FinetuneConfig(epochs=12, learning_rate=1e-2, checkpoint_every_s=0.2)
    config = TrainConfig(depth="everything", px=32, finetune=finetune)
    for name, on in (("many", "auto"), ("one", None)):
        headswap.teach(
            sample / "train", model="tests.pipeline.tiny_network:tiny_network", head="last", config=config,
            out=tmp_path / name, workspace=tmp_path / f"{name}-workspace", on=on, listener=kill_one,
        )  # fmt: skip

    assert killed
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "many" / path.name).read_bytes(), path.name


@pytest.mark.thorough  # Ray Train takes long to start workers, and starts them four times
def test_workers_of_ray_train_learn_what_one_process_learns_though_one_of_them_is_killed(
    ray_here: RayCrew, cluster: Cluster, sample: Path, tmp_path: Path
) -> None:
    mark = cluster.folder / DIES
    mark.write_text("5")  # steps: the second pass has begun
    finetune = FinetuneConfig(epochs=3, batch_size=16, learning_rate=1e-2, checkpoint_every_s=0.0)
    config = TrainConfig(depth="everything", px=32, finetune=finetune)

    for name, on, processes in (("many", "auto", 2), ("one", None, 1)):
        headswap.teach(
            sample / "train", model="tests.pipeline.tiny_network:dying_network", head="last", config=config,
            out=tmp_path / name, workspace=tmp_path / f"{name}-workspace", on=on, processes=processes,
        )  # fmt: skip
        assert not mark.exists(), "a worker was killed"

    many, one = (load_file(tmp_path / name / "weights.safetensors") for name in ("many", "one"))
    for name in one:
        assert torch.allclose(many[name], one[name], rtol=1e-3, atol=1e-4), name


def test_a_bundle_is_the_same_to_the_byte_though_a_machine_dies_on_the_way(
    ray_here: RayCrew, cluster: Cluster, sample: Path, tiny_weights: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(spread, "CHUNK", 8)
    # the usual engine in both runs: the faster one is measured, and a busy machine may find another
    monkeypatch.setattr(bank, "autotune", lambda *_args, **_more: None)
    data, told = sample / "train", []

    def end_one(event: Event) -> None:
        if isinstance(event, Progress) and event.step == "pictures":
            told.append(event.done)
            if event.done == 48:
                cluster.processes("raylet/raylet", OTHER)[0].kill()

    teach = partial(headswap.teach, data, model=TINY, weights=tiny_weights, config=TrainConfig(px=TINY_PX))
    teach(out=tmp_path / "many", workspace=tmp_path / "w", on="auto", listener=end_one)
    teach(out=tmp_path / "one", workspace=tmp_path / "mine")
    headswap.teach(
        data, from_bundle=tmp_path / "many", weights=tiny_weights, out=tmp_path / "again",
        workspace=tmp_path / "mine",
    )  # fmt: skip

    assert told == list(range(1, len(told) + 1))
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "many").iterdir())
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes(), name
    for name in ("weights.safetensors", "memory.safetensors", "report.json", "bundle.json", "dataset.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "many" / name).read_bytes(), name


def test_a_machine_that_dies_while_it_is_asked_is_left_out(
    ray_here: RayCrew, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    parcel = Parcel(facts={"number": 1, "folder": str(tmp_path)})
    listed = [{**node, "Alive": True} for node in ray.nodes()]  # as the head has it in the first moment
    for raylet in cluster.processes("raylet/raylet", OTHER):
        raylet.kill()
    nodes, first = ray.nodes, iter([listed])
    monkeypatch.setattr(ray, "nodes", lambda: next(first, None) or nodes())

    found = ray_here.everywhere(tasks.sign, parcel, most_s=1200)

    assert [name.partition(":")[0] for name, answer in found.items() if answer is not None] == [HEAD]
    assert len(found) == 1
