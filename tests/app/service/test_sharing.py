"""Links for phones: read only, taken back at will; one vote a browser, changed until it is closed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headswap.app.service.lessons.runs import LessonRunState
from headswap.app.service.lessons.sharing import MOST_OF_AN_ADDRESS, MOST_VOTES
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.errors import BadSetting, NotFound

ADA, BOB = "a" * 32, "b" * 32  # numbers of two browsers
LESSON = "old-optimizer"


@pytest.fixture(scope="module")
def service(few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Service:
    return Service(Settings(workspace=tmp_path_factory.mktemp("follow"), sample=few_drawings))


@pytest.fixture
def progress(service: Service) -> str:
    found = service.lessons.open("teacher", "").id
    service.lessons.reset("teacher", found)
    service.lessons.go_to("teacher", found, LESSON)
    return found


def test_a_key_shows_the_experiment_that_the_teacher_has_open(service: Service, progress: str) -> None:
    key = service.following.share("teacher", progress)

    seen = service.following.view(key)
    assert seen.lesson is not None
    assert seen.lesson.name == LESSON
    assert service.following.share("teacher", progress) == key, "the link stays"

    service.lessons.go_to("teacher", progress, "norms")
    after = service.following.view(key).lesson
    assert after is not None
    assert after.name == "norms"


def test_a_key_taken_back_reads_like_one_that_never_was(service: Service, progress: str) -> None:
    key = service.following.share("teacher", progress)
    service.following.unshare("teacher", progress)

    for lost in (key, "0" * 32, "", "../course", key.upper(), "x" * 5000):
        with pytest.raises(NotFound, match="There is nothing to follow here"):
            service.following.view(lost)
    assert service.following.share_key("teacher", progress) == ""


def test_one_vote_a_browser_changed_until_it_is_closed(service: Service, progress: str) -> None:
    key = service.following.share("teacher", progress)
    with pytest.raises(BadSetting, match="The vote is closed"):
        service.following.vote(key, ADA, 0)
    service.following.open_vote("teacher", progress, LESSON)

    service.following.vote(key, ADA, 0)
    service.following.vote(key, BOB, 1)
    mine = service.following.vote(key, ADA, 1).vote

    assert mine is not None
    assert (mine.total, mine.counts, mine.mine) == (2, (), 1)
    teachers = service.following.votes("teacher", progress, LESSON)
    assert teachers is not None
    assert (teachers.total, teachers.counts) == (2, ()), "on the projector, too"
    closed = service.following.close_vote("teacher", progress, LESSON)
    assert closed is not None
    assert (closed.is_open, closed.counts) == (False, (0, 2, 0))
    with pytest.raises(BadSetting, match="The vote is closed"):
        service.following.vote(key, ADA, 2)


def test_what_is_no_answer_or_no_browser_is_not_counted(service: Service, progress: str) -> None:
    key = service.following.share("teacher", progress)
    service.following.open_vote("teacher", progress, LESSON)

    for choice in (-1, 3, 99):
        with pytest.raises(BadSetting, match="not counted"):
            service.following.vote(key, ADA, choice)
    with pytest.raises(NotFound):
        service.following.vote(key, "no number", 0)
    votes = service.following.votes("teacher", progress, LESSON)
    assert votes is not None
    assert votes.total == 0


def test_a_vote_cannot_be_filled_without_end(
    service: Service, progress: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headswap.app.service.lessons.sharing.MOST_VOTES", 2)
    assert MOST_VOTES == 300
    key = service.following.share("teacher", progress)
    service.following.open_vote("teacher", progress, LESSON)
    service.following.vote(key, ADA, 0)
    service.following.vote(key, BOB, 0)

    with pytest.raises(BadSetting, match="not counted"):
        service.following.vote(key, "c" * 32, 0)
    service.following.vote(key, BOB, 2)  # who is in may still change it


def test_one_address_has_its_share_of_a_vote_and_no_record_tells_which_it_was(
    service: Service, progress: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headswap.app.service.lessons.sharing.MOST_OF_AN_ADDRESS", 2)
    key = service.following.share("teacher", progress)
    service.following.open_vote("teacher", progress, LESSON)
    for voter in (ADA, BOB):
        service.following.vote(key, voter, 0, "10.0.0.77")

    with pytest.raises(BadSetting, match="not counted: 2 are in already"):
        service.following.vote(key, "c" * 32, 0, "10.0.0.77")
    service.following.vote(key, "c" * 32, 0, "10.0.0.78")
    service.following.vote(key, ADA, 2, "10.0.0.78")  # on the way home

    records = [place.read_text() for place in service.settings.workspace.rglob("vote-*.json")]
    assert records
    assert not any("10.0.0" in record for record in records)
    assert MOST_OF_AN_ADDRESS >= 2 * 30, "a class of 30 behind one router"


def test_who_knows_the_answer_votes_no_more(service: Service, progress: str) -> None:
    key = service.following.share("teacher", progress)
    service.following.open_vote("teacher", progress, LESSON)
    service.following.vote(key, ADA, 0)
    found = service.lessons.view("teacher", progress, LESSON)
    known = replace(found, run=LessonRunState(state="running"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.lessons, "view", lambda *asked: known)
        with pytest.raises(BadSetting, match="The vote is closed"):
            service.following.vote(key, BOB, 1)
        seen = service.following.view(key).vote

    assert seen is not None
    assert (seen.is_open, seen.counts) == (False, (1, 0, 0))


def test_a_stranger_opens_closes_and_shares_nothing(service: Service, progress: str) -> None:
    following = service.following
    for edit in (following.share, following.unshare, following.share_key):
        with pytest.raises(NotFound, match="This series of experiments was not found"):
            edit("stranger", progress)
    with pytest.raises(NotFound, match="This series of experiments was not found"):
        following.open_vote("stranger", progress, LESSON)
    with pytest.raises(NotFound, match="There is no such run"):
        following.share_job("stranger", "0" * 32)


def test_starting_over_forgets_the_votes(service: Service, progress: str) -> None:
    service.following.open_vote("teacher", progress, LESSON)
    assert service.following.votes("teacher", progress, LESSON) is not None

    service.lessons.reset("teacher", progress)

    assert service.following.votes("teacher", progress, LESSON) is None


def test_courses_past_their_time_go_with_their_votes_and_links(few_drawings: Path, tmp_path: Path) -> None:
    from headswap.app.service.limits import Limits

    settings = Settings(workspace=tmp_path, sample=few_drawings, limits=Limits(hours_kept=2))
    service = Service(settings)
    progress = service.lessons.open("teacher", "").id
    key = service.following.share("teacher", progress)
    service.following.open_vote("teacher", progress, LESSON)
    keeping = service._keeping

    assert keeping.tidy() == 0
    now = keeping._clock()
    keeping._clock = lambda: now + 3 * 3600
    assert keeping.tidy() == 2  # the course, and the link to it

    with pytest.raises(NotFound):
        service.lessons.progress("teacher", progress)
    with pytest.raises(NotFound):
        service.following.view(key)
    assert not list((tmp_path / "lessons" / "courses").iterdir())
    service.lessons.close()
