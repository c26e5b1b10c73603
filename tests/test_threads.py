from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from headswap import threads
from headswap.threads import one_blas_thread, processors, product, share_of_processors, torch_threads


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_numpy_has_one_thread_for_a_while() -> None:
    before = blas_threads()

    with one_blas_thread():
        inside = blas_threads()

    assert inside
    assert set(inside) == {1}
    assert blas_threads() == before


def test_a_library_that_is_loaded_later_is_held_to_it_too() -> None:
    with one_blas_thread():
        pass
    import scipy.linalg  # brings a BLAS of its own

    with one_blas_thread():
        assert set(blas_threads()) == {1}
    assert scipy.linalg


@pytest.mark.parametrize(("share", "used"), [(0, 6), (2, 2), (64, 6)])
def test_a_share_of_the_processors_is_never_more_than_there_are(
    share: int, used: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: set(range(6)), raising=False)

    with share_of_processors(share):
        assert processors() == used
    assert processors() == 6


@pytest.mark.parametrize("large", [0, 1e9])
def test_a_product_is_what_numpy_says(large: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_LARGE", large)
    random = np.random.default_rng(0)
    left, right = (
        random.normal(size=(7, 40)).astype(np.float32),
        random.normal(size=(40, 5)).astype(np.float32),
    )

    given = product(left, right)

    assert given.dtype == np.float32
    np.testing.assert_allclose(given, left @ right, rtol=1e-5)


def test_torch_has_other_threads_for_a_while() -> None:
    import torch

    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with torch_threads(None):
        assert torch.get_num_threads() == before
