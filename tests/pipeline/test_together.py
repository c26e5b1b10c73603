"""One run over several processes: the network of one process, whatever dies in between; and who makes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from safetensors.torch import load_file

import headswap
from headswap.cluster import gang
from headswap.cluster.crew import Parcel, WorkLost, name_of
from headswap.cluster.gang_main import backend_here
from headswap.cluster.ranks import ALONE, Ranks
from headswap.errors import BadSetting, TeachingFailed
from headswap.features.engines import Engine
from headswap.pipeline import together
from headswap.training.config import FinetuneConfig, TrainConfig
from tests.cluster.tasks import double

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tinted noise in three classes of different sizes, in two shapes."""
    folder, random = tmp_path_factory.mktemp("uneven") / "noise", np.random.default_rng(0)
    for channel, (name, count) in enumerate((("red", 20), ("green", 14), ("blue", 17))):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 200, (32, 36 + number % 2 * 12, 3))
            pixels[..., channel] += 10
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def taught(data: Path, out: Path, processes: int, network: str = "dying_network") -> headswap.Outcome:
    finetune = FinetuneConfig(epochs=3, batch_size=9, learning_rate=1e-2, mixup=0.2, checkpoint_every_s=0.0)
    return headswap.teach(
        data, model=f"tests.pipeline.tiny_network:{network}", head="last", out=out,
        config=TrainConfig(depth="everything", px=32, finetune=finetune),
        workspace=out.with_name("workspace"), processes=processes,
    )  # fmt: skip


def test_two_processes_learn_what_one_learns_though_one_is_killed_and_the_other_goes_on_alone(
    uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "kill"
    mark.touch()
    monkeypatch.setenv("TINY_DIES", str(mark))

    one = taught(uneven, tmp_path / "one", 1)
    with pytest.raises(WorkLost, match=r"^Process 2 of the 2 .* was ended by signal 9, so all of them ended"):
        taught(uneven, tmp_path / "two", 2)
    assert not mark.exists()
    saved = tmp_path.glob(".two.unfinished/*/*/0*/state.json")
    begun = {path.parents[1].name.split("-")[0] for path in saved}
    assert begun == {"part0", "part1", "all"}, "it is killed in the second epoch of the last run"
    two = taught(uneven, tmp_path / "two", 1)

    left, right = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    for name in left:
        assert torch.allclose(left[name], right[name], rtol=1e-3, atol=1e-4), name
    assert two.report.finetune == one.report.finetune
    assert one.report.finetune is not None
    assert one.report.finetune.depth == "everything"


def test_an_image_that_one_process_cannot_open_ends_the_others_and_is_told(
    uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_SHUT", "3.png")
    said = r"^On \S+, \w+/3\.png cannot be opened: Permission denied\. Check that you may read it"

    with pytest.raises(TeachingFailed, match=said):
        taught(uneven, tmp_path / "two", 2, "shut_out_network")


@pytest.mark.thorough  # three processes import everything; what they exchange is in tests/cluster
def test_the_verb_started_by_torchrun_learns_what_it_learns_alone(uneven: Path, tmp_path: Path) -> None:
    words = ["-m", "headswap", "teach", str(uneven), "--depth", "everything", "--px", "32", "--head", "last"]
    words += ["--model", "tests.pipeline.tiny_network:plain_network"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    here = {**os.environ, "HEADSWAP_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}

    for name, launcher in (("two", torchrun), ("one", [])):
        ended = subprocess.run(
            [sys.executable, *launcher, *words, "--out", str(tmp_path / name)], env=here, cwd=ROOT,
            capture_output=True, text=True, check=False, timeout=1200,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr

    made = [json.loads((tmp_path / name / "experiment.json").read_text()) for name in ("two", "one")]
    assert [one["replay"]["processes"] for one in made] == [2, 1]
    two, one = (load_file(tmp_path / name / "weights.safetensors") for name in ("two", "one"))
    for name in one:
        assert torch.allclose(two[name], one[name], rtol=1e-3, atol=1e-4), name


def test_a_killed_process_ends_the_others_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    waits, dies = "import time; time.sleep(600)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(gang, "program", lambda rank, folder: ("-c", dies if rank == 1 else waits))
    before = set(psutil.Process().children())

    with pytest.raises(WorkLost, match=r"^Process 2 of the 3 .* was ended by signal 9, so all of them ended"):
        list(gang.Gang(3).each(double, [Parcel()]))

    assert set(psutil.Process().children()) <= before


def test_a_process_whose_driver_died_while_it_began_ends_and_clears_up(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as driver:
        pass
    work = {"task": name_of(double), "parcels": ["{}"], "driver": driver.pid}
    folder = tmp_path / "gang"
    folder.mkdir()
    (folder / gang.WORK).write_text(json.dumps(work))

    alone = {**os.environ, "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}  # it waits for another
    done = subprocess.run(
        [sys.executable, *gang.program(0, folder)], env=alone, check=False, timeout=1200, capture_output=True
    )

    assert (done.returncode, folder.exists()) == (4, False), done.stderr


def test_gpus_are_used_all_unless_fewer_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", given.append)
    monkeypatch.setattr(dist, "is_nccl_available", lambda: True)
    monkeypatch.setattr(together, "training_engine", lambda: Engine("cuda", "bfloat16"))

    assert gang.gpus_here() == 4
    assert together.count_of(None, 32) == 4
    assert together.count_of(2, 32) == 2
    assert together.count_of(None, 3) == 3, "a step has three images"
    monkeypatch.setenv("HEADSWAP_PROCESSES", "1")
    assert together.count_of(None, 32) == 1
    assert [backend_here(rank, 4) for rank in range(4)] == ["cpu:gloo,cuda:nccl"] * 4
    assert [backend_here(rank, 6) for rank in (0, 5)] == ["gloo"] * 2, "NCCL wants a GPU for each"
    assert given == [0, 1, 2, 3, 0, 1]


@pytest.mark.parametrize("said", ["0", "-2", "two", "1.5", "257", "²"])
def test_a_number_of_processes_that_is_none_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSWAP_PROCESSES", said)

    with pytest.raises(BadSetting, match="whole number from 1 to 256"):
        gang.processes_asked()


def test_windows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gang, "sys", SimpleNamespace(platform="win32"))

    assert gang.processes_asked(1) == 1
    with pytest.raises(BadSetting, match="on Windows"):
        gang.processes_asked(2)


def test_parts_are_all_of_it_in_order() -> None:
    for count in (0, 1, 2, 7, 32):
        for size in (1, 2, 3, 8):
            parts = Ranks(rank=0, size=size).parts(count)
            assert [one for part in parts for one in part] == list(range(count))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert ALONE.part(5) == range(5)
