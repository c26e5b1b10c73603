from __future__ import annotations

import pytest
import torch

from headswap.features import engines
from headswap.features.engines import (
    Engine,
    choose_engine,
    engine_named,
    engines_here,
    exact,
    nearest_engine,
    needs_every_core,
    relative_error,
)


@pytest.mark.parametrize("engine", engines_here(), ids=lambda engine: engine.name)
def test_an_engine_of_this_machine_is_found_again_by_its_name(engine: Engine) -> None:
    assert engine_named(engine.name) == engine


def test_an_engine_of_another_machine_is_not_found() -> None:
    assert engine_named("torch-tpu-bfloat16") is None


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("torch-cpu-bfloat16-folded", "torch-cpu-bfloat16-folded"),
        ("openvino-tpu-bfloat16", "torch-cpu-bfloat16-folded"),  # rounds as it did
        ("torch-tpu-float32", exact(choose_engine()).name),
    ],
)
def test_for_an_engine_that_is_not_here_the_nearest_is_taken(name: str, near: str) -> None:
    assert nearest_engine(name).name == near


def test_only_torch_in_single_precision_without_folding_is_exact() -> None:
    others = [Engine("cpu", "bfloat16"), Engine("cpu", "float32", folded=True)]
    others += [Engine("cpu", "float32", library="openvino")]

    assert [one.is_exact for one in others] == [False, False, False]
    assert all(exact(one).is_exact for one in others)


def test_a_number_that_is_not_finite_is_infinitely_wrong() -> None:
    assert relative_error(torch.tensor([float("nan")]), torch.ones(1)) == float("inf")
    assert relative_error(torch.tensor([1.1, 1.1]), torch.ones(2)) == pytest.approx(0.1, abs=1e-6)


def test_only_a_torch_body_on_all_cores_wants_no_work_beside_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "processors", lambda: torch.get_num_threads())
    assert needs_every_core(Engine("cpu", "bfloat16", folded=True))
    assert not needs_every_core(Engine("cuda", "bfloat16"))
    assert not needs_every_core(Engine("cpu", "bfloat16", library="openvino"))

    monkeypatch.setattr(engines, "processors", lambda: torch.get_num_threads() + 1)
    assert not needs_every_core(Engine("cpu", "bfloat16", folded=True))
