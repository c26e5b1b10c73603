"""Without the extra "lite": one sentence, before anything is done. With it, `python -m benchmarks.litert`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import torch

import headswap
from headswap.exports.graph import _smallest
from headswap.exports.litert import NoLiteRt, write_judged_int8


@pytest.fixture
def _without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("litert_torch", "ai_edge_litert", "ai_edge_quantizer"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("_without_the_extra")
def test_without_the_extra_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(NoLiteRt, match=r"litert-torch, ai-edge-litert, ai-edge-quantizer.*\[lite\].*own"):
        headswap.export(tmp_path / "not-even-there", tmp_path / "o.zip", form="litert")

    assert not list(tmp_path.iterdir())


def test_one_missing_package_is_named_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import numpy

    for name in ("litert_torch", "ai_edge_litert"):
        monkeypatch.setitem(sys.modules, name, numpy)  # any module that is there
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)

    with pytest.raises(NoLiteRt, match="LiteRT needs ai-edge-quantizer, which is not installed"):
        headswap.export(tmp_path / "b", tmp_path / "o.zip", form="litert")


def test_a_smaller_network_that_cannot_be_judged_is_not_written(bundle: Path, tmp_path: Path) -> None:
    from headswap.bundle.predictor import load_bundle

    with pytest.raises(NoLiteRt, match=r"judged on the exam's pictures first.*--pictures"):
        write_judged_int8(load_bundle(bundle), tmp_path / "model.tflite", tmp_path / "small.tflite", None)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [1, 3])
def test_the_smallest_are_found_without_a_sort_also_where_several_are_equal(count: int) -> None:
    values = torch.tensor([[2.0, 0.5, 0.5, 3.9, 0.5], [4.0, 3.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0, 1.0]])

    found = _smallest(values, count)

    assert torch.equal(found, values.topk(count, dim=1, largest=False).values)


def test_the_program_says_what_it_lacks(tmp_path: Path) -> None:
    home = files("headswap.exports.templates")
    for name in ("pictures.py", "predict_litert.py"):
        (tmp_path / name).write_text((home / name).read_text())
    for name in ("decoding_memory.py", "netpbm.py", "rgb.py"):
        (tmp_path / name).write_text((files("headswap.data") / name).read_text())
    for name in ("labels.json", "preprocessing.json"):
        (tmp_path / name).write_text("[]")
    shutil.copy(Path(__file__), tmp_path / "a.png")

    done = subprocess.run(
        [sys.executable, "predict_litert.py", "a.png", "--int8"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 2
    assert done.stderr == "model_int8.tflite is not in this folder. Unpack the whole zip, or see README.md.\n"
