from __future__ import annotations

import pytest
import torch

from headswap.features.engines import Engine, engine_named, engines_here, exact, relative_error


@pytest.mark.parametrize("engine", engines_here(), ids=lambda engine: engine.name)
def test_an_engine_of_this_machine_is_found_again_by_its_name(engine: Engine) -> None:
    assert engine_named(engine.name) == engine


def test_an_engine_of_another_machine_is_not_found() -> None:
    assert engine_named("torch-tpu-bfloat16") is None


def test_only_torch_in_single_precision_without_folding_is_exact() -> None:
    others = [Engine("cpu", "bfloat16"), Engine("cpu", "float32", folded=True)]
    others += [Engine("cpu", "float32", library="openvino")]

    assert [one.is_exact for one in others] == [False, False, False]
    assert all(exact(one).is_exact for one in others)


def test_a_number_that_is_not_finite_is_infinitely_wrong() -> None:
    assert relative_error(torch.tensor([float("nan")]), torch.ones(1)) == float("inf")
    assert relative_error(torch.tensor([1.1, 1.1]), torch.ones(2)) == pytest.approx(0.1, abs=1e-6)
