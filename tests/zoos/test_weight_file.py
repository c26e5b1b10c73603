from __future__ import annotations

import argparse
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from headswap.errors import WeightsDamaged
from headswap.zoos.weight_file import fill, read_tensors


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.fc = nn.Linear(4, 5)


def _wrapped(state: dict) -> dict[str, object]:
    settings = argparse.Namespace(lr=0.1)
    return {
        "plain": dict(state),
        "state_dict": {"state_dict": state, "epoch": 3, "args": settings},
        "model": {"model": state, "optimizer": {"state": {}}},
        "model_state_dict": {"model_state_dict": state},
        "ema": {"ema": {"state_dict": state}, "model": {key: value * 0 for key, value in state.items()}},
        "module.": {f"module.{key}": value for key, value in state.items()},
        "_orig_mod.": {f"_orig_mod.{key}": value for key, value in state.items()},
        "model.": {"state_dict": {f"model.{key}": value for key, value in state.items()}},
        "both": {f"module._orig_mod.{key}": value for key, value in state.items()},
        "averaged": {
            "n_averaged": torch.tensor(3),
            **{f"module.{key}": value for key, value in state.items()},
        },
    }


@pytest.mark.parametrize("kind", _wrapped({}).keys())
def test_every_usual_wrapper_and_prefix_gives_the_same_network(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = Tiny().state_dict()
    torch.save(_wrapped(state)[kind], tmp_path / "own.pth")
    network = Tiny()

    fill(network, read_tensors(tmp_path / "own.pth"), file_name="own.pth", network_name="tiny")

    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("old", [False, True])
def test_the_ending_does_not_matter_only_the_content_does(old: bool, tmp_path: Path) -> None:
    state = Tiny().state_dict()
    save_file(state, tmp_path / "a.pth")
    torch.save(state, tmp_path / "b.safetensors", _use_new_zipfile_serialization=not old)

    first, second = read_tensors(tmp_path / "a.pth"), read_tensors(tmp_path / "b.safetensors")

    assert first.keys() == second.keys() == state.keys()


class Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("way", ["zip", "old", "bare pickle"])
def test_a_file_that_wants_to_run_code_is_refused_and_does_not_run(way: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "it_ran", tmp_path / "evil.pt"
    content = {"state_dict": Tiny().state_dict(), "extra": Hostile(mark)}
    if way == "bare pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=way == "zip")

    with pytest.raises(WeightsDamaged, match=r"evil\.pt (was not read.*could run code|cannot be read)"):
        read_tensors(path)

    assert not mark.exists()


def test_a_compressed_archive_is_refused_before_it_can_swell(tmp_path: Path) -> None:
    torch.save(Tiny().state_dict(), tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as source,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))

    with pytest.raises(WeightsDamaged, match=r"b\.pt was not written by torch\.save.*state_dict\(\), file"):
        read_tensors(tmp_path / "b.pt")


@pytest.mark.parametrize("ending", ["safetensors", "pt", "old.pt"])
def test_every_cut_file_is_detected(ending: str, tmp_path: Path) -> None:
    whole = tmp_path / f"whole.{ending}"
    state = Tiny().state_dict()
    if ending == "safetensors":
        save_file(state, whole)
    else:
        torch.save(state, whole, _use_new_zipfile_serialization=ending == "pt")
    data = whole.read_bytes()

    for length in range(0, len(data), max(len(data) // 25, 1)):
        (tmp_path / "cut.bin").write_bytes(data[:length])
        with pytest.raises(WeightsDamaged, match=r"cut\.bin (is|cannot|holds|was not read)"):
            read_tensors(tmp_path / "cut.bin")


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], 7, {}])
def test_a_file_without_tensors_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "none.pt")

    with pytest.raises(WeightsDamaged, match=r"none\.pt holds no weights\..*Save it again"):
        read_tensors(tmp_path / "none.pt")


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsDamaged, match=r"There is no weight file .*gone\.pt\. Check the path\."):
        read_tensors(tmp_path / "gone.pt")


def test_what_is_missing_left_over_or_of_another_shape_is_named_and_nothing_is_copied() -> None:
    network = Tiny()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = {name: value + 1 for name, value in before.items()}
    del state["fc.bias"]
    state["extra.weight"] = torch.zeros(1)
    state["body.0.bias"] = torch.zeros(9)

    with pytest.raises(WeightsDamaged) as caught:
        fill(network, state, file_name="own.pt", network_name="tiny")

    assert "it lacks fc.bias" in caught.value.problem
    assert "it has extra.weight, which the network has not" in caught.value.problem
    assert "body.0.bias is (9,) in the file and (4,) in the network" in caught.value.problem
    assert caught.value.remedy == "Choose the architecture that this file was trained with."
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_batch_counters_that_old_files_lack_are_not_missed() -> None:
    state = {name: value for name, value in Tiny().state_dict().items() if "num_batches" not in name}

    fill(Tiny(), state, file_name="old.pth", network_name="tiny")


def test_names_of_2017_fit_the_modules_of_today() -> None:
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.ModuleDict({"norm1": nn.BatchNorm2d(2), "conv2": nn.Conv2d(2, 2, 1)})

    state = Dense().state_dict()
    old = {name.replace("norm1", "norm.1").replace("conv2", "conv.2"): value for name, value in state.items()}
    network = Dense()

    fill(network, old, file_name="old.pth", network_name="dense")

    assert torch.equal(network.state_dict()["layer.conv2.weight"], state["layer.conv2.weight"])


def test_a_pickled_file_is_refused_with_a_torch_that_it_could_attack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(Tiny().state_dict(), tmp_path / "own.pt")
    save_file(Tiny().state_dict(), tmp_path / "own.safetensors")
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")

    with pytest.raises(
        WeightsDamaged, match=r"not read with torch 2\.9\.1.*Use torch 2\.10 or newer, or a \.safe"
    ):
        read_tensors(tmp_path / "own.pt")

    assert read_tensors(tmp_path / "own.safetensors").keys() == Tiny().state_dict().keys()


def test_torch_two_ten_is_newer_than_two_nine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(Tiny().state_dict(), tmp_path / "own.pt")
    monkeypatch.setattr(torch, "__version__", "2.10.0")

    assert read_tensors(tmp_path / "own.pt")
