"""What is tried, and how thoroughly in the time there is."""

from __future__ import annotations

import math

import pytest

from headswap.training.config import FinetuneConfig
from headswap.training.finetune.plan import Costs, candidates_for, least_seconds, plan_search

CONFIG = FinetuneConfig()


def costs(last: float = 1.0) -> Costs:
    image = {"everything": 1.0, "norms": 1.0, "last": last}
    return Costs(image=image, setup={"last": 50.0}, rest=75, every=100)  # type: ignore[arg-type]


def test_without_a_limit_everything_is_tried_and_confirmed() -> None:
    plan = plan_search("auto", CONFIG, costs(), seconds=math.inf)

    assert plan is not None
    assert (len(plan.candidates), plan.search_epochs, plan.epochs, plan.confirmations) == (4, 5, 20, 2)


def test_with_less_time_less_is_tried_but_never_more_than_there_is_time_for() -> None:
    limits = (9000.0, 6000.0, 4500.0, 2000.0, 1000.0, 700.0)

    plans = [plan_search("auto", CONFIG, costs(), seconds=limit) for limit in limits]

    assert all(plan.seconds(costs()) <= limit for plan, limit in zip(plans, limits, strict=True) if plan)
    spent = [plan.seconds(costs()) for plan in plans if plan]
    assert len(spent) == len(limits)
    assert spent == sorted(spent, reverse=True)
    assert all(plan.candidates[0].depth == "everything" for plan in plans if plan)


def test_where_the_whole_network_is_too_slow_the_last_blocks_learn_alone() -> None:
    plan = plan_search("auto", CONFIG, costs(last=0.05), seconds=600.0)

    assert plan is not None
    assert plan.depths == {"last"}
    assert (plan.epochs, plan.confirmations) == (20, 2)


@pytest.mark.parametrize("last", [1.0, 0.05])
def test_when_nothing_fits_nothing_is_planned(last: float) -> None:
    for depth in ("everything", "last", "auto"):
        least = least_seconds(depth, CONFIG, costs(last))

        assert plan_search(depth, CONFIG, costs(last), seconds=least - 1) is None
        assert plan_search(depth, CONFIG, costs(last), seconds=least + 1) is not None


def test_what_a_person_chose_is_not_searched_for() -> None:
    one = candidates_for("last", FinetuneConfig(learning_rate=2e-4))
    depths = candidates_for("auto", FinetuneConfig(learning_rate=2e-4))

    assert [(c.depth, c.learning_rate) for c in one] == [("last", 2e-4)]
    assert {c.learning_rate for c in depths} == {2e-4}
    assert candidates_for("head", CONFIG) == ()
