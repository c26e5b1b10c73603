"""The child that holds a cluster: it ends with the head, and what it cannot do is said as a lost cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from headswap.cluster import driver, joining
from headswap.cluster.crew import ClusterLost, ClusterRefused, Parcel
from headswap.cluster.driver import SILENT_S, DrivenCrew, end_with_head
from headswap.errors import BadSetting
from tests.cluster import tasks


def test_a_head_that_is_silent_for_long_ends_its_driver_and_one_that_comes_back_in_time_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, ended, silent = [0.0], [], (*range(20, 45), *range(100, 1_000))  # seconds

    def find(_on: str) -> str:
        if now[0] in silent:
            raise ClusterLost("No cluster answers.", remedy="Start one.")
        if now[0] == 50:
            raise BadSetting("It asks for no token.", remedy="Start it with one.")
        return "10.0.0.1:6379"

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(driver, "find_cluster", find)

    end_with_head("auto", lambda: ended.append(now[0]), sleep=sleep, clock=lambda: now[0])

    assert ended == [95 + SILENT_S]


def test_a_cluster_that_cannot_be_joined_is_a_lost_one_with_its_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a-token")

    with (
        DrivenCrew("127.0.0.1:1", paths=[tmp_path]) as crew,
        pytest.raises(ClusterLost, match=r"No cluster answers at 127\.0\.0\.1:1\. Start one") as lost,
    ):
        next(crew.each(tasks.double, [Parcel()]))
    assert not isinstance(lost.value, ClusterRefused), "no one is there to refuse"


def test_a_child_has_the_time_to_name_a_machine_that_is_silent() -> None:
    ray_waits_s = 20.0  # for a head, before anything else

    assert joining.ANSWER_S + ray_waits_s <= driver._JOIN_S


def test_one_that_may_not_be_used_is_a_lost_one_that_says_so(tmp_path: Path) -> None:
    with (
        DrivenCrew("ray://10.0.0.1:10001", paths=[], folder=tmp_path, written=[tmp_path]) as crew,
        pytest.raises(ClusterRefused, match=r"ray:// is not used: .* Join the cluster with `ray start`"),
    ):
        next(crew.each(tasks.double, [Parcel()]))
