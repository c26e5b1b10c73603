"""A race in the background: run in a process of its own, kept, stopped, and its winner taken."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headswap.app.service.races import RaceView
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.errors import BadSetting, NotFound
from headswap.zoos.candidates import SHORT_LIST, NetworkLimits

LITE = "timm/tf_efficientnet_lite0"
LIMITS = NetworkLimits(most_mb=19)


@pytest.fixture(scope="module")
def service(few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Its workers are not started: what is queued waits."""
    made = Service(
        Settings(workspace=tmp_path_factory.mktemp("races"), sample=few_drawings, networks=("here",))
    )
    yield made
    made.races.close()


@pytest.fixture(scope="module")
def project(service: Service) -> str:
    made = service.new_project("ada").id
    service.images.use_sample("ada", made)
    return made


def over(service: Service, project: str) -> RaceView:
    """Wait until the race has ended."""
    while (view := service.races.view("ada", project)).is_busy:
        threading.Event().wait(0.05)
    return view


def test_nobody_has_won_before_a_race_and_none_is_run_without_pictures(service: Service) -> None:
    empty = service.new_project("ada").id

    with pytest.raises(NotFound, match="No network has won here yet"):
        service.take_winner("ada", empty)
    with pytest.raises(BadSetting, match="There are no pictures yet"):
        service.races.begin("ada", empty, LIMITS)
    assert service.races.view("ada", empty) == RaceView()


def test_limits_that_nobody_keeps_to_are_told(service: Service, project: str) -> None:
    service.races.begin("ada", project, NetworkLimits(most_mb=1e-6))

    view = over(service, project)

    assert view.state == "failed"
    assert view.problem.startswith("No network keeps to these limits")


def test_where_nothing_may_be_fetched_nothing_of_the_short_list_is(service: Service, tmp_path: Path) -> None:
    assert service.races.fetchable() == ()
    named = Settings(workspace=tmp_path, sample=tmp_path, networks=("tiny_vit_11m_224",))

    assert Service(named).races.fetchable() == ("timm/tiny_vit_11m_224",)
    assert "timm/tiny_vit_11m_224" in SHORT_LIST
