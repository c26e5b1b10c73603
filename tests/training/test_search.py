"""What is tried, and how thoroughly in the time there is."""

from __future__ import annotations

import math

from headswap.training.config import FurtherConfig
from headswap.training.search import candidates_for, least_pictures, plan_search


def test_without_a_limit_everything_is_tried_and_confirmed() -> None:
    config = FurtherConfig()

    plan = plan_search(candidates_for("auto", config), config, rest=75, every=100, affordable=math.inf)

    assert plan is not None
    assert (len(plan.candidates), plan.search_passes, plan.passes, plan.confirmations) == (4, 5, 20, 2)


def test_with_less_time_less_is_tried_but_never_more_than_there_is_time_for() -> None:
    config = FurtherConfig()
    candidates = candidates_for("auto", config)

    plans = [
        plan_search(candidates, config, rest=75, every=100, affordable=float(pictures))
        for pictures in (9000, 6000, 4500, 2000, 1000, 700)
    ]

    costs = [plan.pictures(75, 100) for plan in plans if plan]
    assert all(cost <= most for cost, most in zip(costs, (9000, 6000, 4500, 2000, 1000, 700), strict=True))
    assert costs == sorted(costs, reverse=True)
    assert all(plan.candidates[0] == candidates[0] for plan in plans if plan)


def test_when_nothing_fits_nothing_is_planned() -> None:
    config = FurtherConfig()
    candidates = candidates_for("everything", config)
    least = least_pictures(config, rest=75, every=100)

    assert plan_search(candidates, config, rest=75, every=100, affordable=least - 1) is None
    assert plan_search(candidates, config, rest=75, every=100, affordable=least + 1) is not None


def test_what_a_person_chose_is_not_searched_for() -> None:
    one = candidates_for("last", FurtherConfig(learning_rate=2e-4))
    depths = candidates_for("auto", FurtherConfig(learning_rate=2e-4))

    assert [(c.depth, c.learning_rate) for c in one] == [("last", 2e-4)]
    assert {c.learning_rate for c in depths} == {2e-4}
    assert candidates_for("head", FurtherConfig()) == ()
