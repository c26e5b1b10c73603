"""A late start, a rise, a fall along a cosine."""

from __future__ import annotations

from headswap.training.config import FinetuneConfig
from headswap.training.finetune.param_groups import rate_at, release_epoch


def test_stages_begin_one_after_another_from_the_top() -> None:
    begins = [release_epoch(place, 8, 20, 0.3) for place in range(8)]

    assert begins == [0, 0, 1, 2, 3, 4, 5, 6]


def test_in_a_short_run_all_begin_at_once() -> None:
    assert [release_epoch(place, 4, 3, 0.2) for place in range(4)] == [0, 0, 0, 0]
    assert [release_epoch(place, 2, 20, 0.5) for place in range(2)] == [0, 0]


def test_the_rate_rises_and_then_falls_to_nothing() -> None:
    rates = [rate_at(step, 100, 0, FinetuneConfig(warm_up=0.1)) for step in range(101)]

    assert 0 < rates[0] < rates[5] < max(rates) <= 1
    assert rates.index(max(rates)) == 9
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] < 1e-9


def test_a_group_that_begins_later_rises_later() -> None:
    config = FinetuneConfig(warm_up=0.1)

    assert rate_at(19, 100, 20, config) == 0
    assert 0 < rate_at(20, 100, 20, config) < 0.1
    assert rate_at(40, 100, 20, config) == rate_at(40, 100, 0, config)
