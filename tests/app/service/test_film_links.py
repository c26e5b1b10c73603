"""A link on the page: the film comes to the project as pictures of a class, or it is said why not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headswap.app.service.film_links import FilmView
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.errors import BadSetting
from tests.data.film_server import FILM, film_server


@pytest.fixture(scope="module")
def service(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Its workers and the process that answers are not started: a film needs neither."""
    workspace = tmp_path_factory.mktemp("films")
    made = Service(Settings(workspace=workspace, sample=sample, local_links=True))
    yield made
    made.__exit__()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with film_server() as address:
        yield address


def fetched(service: Service, project: str, link: str, name: str = "cup") -> FilmView:
    service.film_links.begin("ada", project, link, name)
    deadline = time.monotonic() + 300
    while (view := service.film_links.view("ada", project)).is_busy:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return view


def test_a_film_becomes_pictures_of_a_class_and_stays_on_one_side(service: Service, server: str) -> None:
    project = service.new_project("ada").id

    first = fetched(service, project, f"{server}/film.mp4")
    again = fetched(service, project, f"{server}/hop", " Cup ")

    manifest = service.images.manifest("ada", project)
    assert manifest is not None
    assert (first.state, first.frames, again.state) == ("done", 4, "done")
    assert manifest.counts == {"cup": 4}
    assert len({(image.film, image.part) for image in manifest.images}) == 1
    assert not list((service.settings.workspace / "projects" / project).glob("*draft*"))


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/watch", "leads to a web page"),
        ("/text.mp4", "cannot be read as a film"),
        ("/gone", "is nothing at"),
    ],
)
def test_what_is_no_film_is_told_and_nothing_changes(
    service: Service, server: str, path: str, problem: str
) -> None:
    project = service.new_project("ada").id

    view = fetched(service, project, f"{server}{path}")

    assert view.state == "failed"
    assert problem in view.problem
    assert view.remedy
    assert service.images.manifest("ada", project) is None
    assert not list((service.settings.workspace / "projects" / project).glob("*draft*"))


def test_names_and_links_that_cannot_be_are_refused_at_once(service: Service, server: str) -> None:
    project = service.new_project("ada").id
    for link, name in (("no link", "cup"), (f"{server}/film.mp4", ""), (f"{server}/film.mp4", "a/b")):
        with pytest.raises(BadSetting):
            service.film_links.begin("ada", project, link, name)
    assert service.film_links.view("ada", project) == FilmView()


def test_what_is_cancelled_leaves_nothing(
    service: Service, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = service.new_project("ada").id
    links = service.film_links
    real = links._fetched

    def stopped(*given: Any) -> Path:
        links.stop("ada", project)  # as soon as it begins
        return real(*given)

    monkeypatch.setattr(links, "_fetched", stopped)

    assert fetched(service, project, f"{server}/film.mp4") == FilmView()
    assert service.images.manifest("ada", project) is None


def test_a_film_may_not_be_larger_than_an_upload_and_a_link_not_lead_into_this_network(
    service: Service, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = service.new_project("ada").id

    monkeypatch.setattr(service.film_links, "_upload_bytes", len(FILM) - 1)
    assert "is larger than" in fetched(service, project, f"{server}/film.mp4").problem
    monkeypatch.setattr(service.film_links, "_is_local_allowed", False)
    assert "only this server can see" in fetched(service, project, f"{server}/film.mp4").problem
