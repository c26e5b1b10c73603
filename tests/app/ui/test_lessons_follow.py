"""The page for phones over HTTP: answered without a log-in, read-only, one signed number a browser."""

from __future__ import annotations

import secrets
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from headswap.app.service.lessons.sharing import MOST_OF_AN_ADDRESS
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.app.ui.lessons.follow import VOTER_COOKIE, Follow
from tests.loops import run

LESSON, SECRET = "old-optimizer", "kept with the data"


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """Everything else: here a log-in that lets no one in."""
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b"log in"})


class Phone:
    """One browser; it keeps its cookies."""

    def __init__(
        self, service: Service, address: str = "10.0.0.1", *, secret: str = SECRET, root_path: str = ""
    ) -> None:
        app = Follow(behind, view=service.following.view, vote=service.following.vote, secret=secret)
        self._transport = httpx.ASGITransport(app=app, client=(address, 123), root_path=root_path)
        self.cookies = httpx.Cookies()

    def ask(self, method: str, path: str, **more: object) -> httpx.Response:
        async def go() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport, base_url="http://class.local", cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, **more)  # type: ignore[arg-type]
                self.cookies = client.cookies
                return answer

        return run(go())


@pytest.fixture(scope="module")
def service(few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Service:
    return Service(Settings(workspace=tmp_path_factory.mktemp("phones"), sample=few_drawings))


@pytest.fixture
def key(service: Service) -> str:
    progress = service.lessons.open("teacher", "").id
    service.lessons.reset("teacher", progress)
    service.lessons.go_to("teacher", progress, LESSON)
    opened = service.following.share("teacher", progress)
    service.following.open_vote("teacher", progress, LESSON)
    return opened


def test_whoever_has_the_key_comes_in_and_everybody_else_meets_the_log_in(service: Service, key: str) -> None:
    phone = Phone(service)

    page = phone.ask("GET", f"/follow?key={key}")
    assert page.status_code == 200
    assert "What happens to the loss?" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "same-origin"
    assert "http" not in page.text.replace("http://www.w3.org/2000/svg", "")
    assert phone.ask("GET", "/").status_code == 401
    assert phone.ask("GET", "/follow/other").status_code == 401


def test_a_wrong_key_is_one_sentence(service: Service, key: str) -> None:
    for wrong in ("", "0" * 32, "%2e%2e%2f", "<img src=x>"):
        page = Phone(service).ask("GET", "/follow", params={"key": wrong})
        assert page.status_code == 404
        assert "There is nothing to follow here." in page.text
        assert "<img" not in page.text


def test_a_vote_is_counted_once_a_browser(service: Service, key: str) -> None:
    ada, bob = Phone(service), Phone(service)
    for phone in (ada, bob):
        phone.ask("GET", f"/follow?key={key}")
        assert phone.cookies.get(VOTER_COOKIE)

    for phone, choice in ((ada, 0), (bob, 1), (ada, 1)):
        answer = phone.ask("POST", "/follow/vote", data={"key": key, "choice": str(choice)})
        assert answer.status_code == 200
        assert answer.headers["x-moving"] == "yes"

    vote = service.following.view(key).vote
    assert vote is not None
    assert (vote.total, vote.counts) == (2, ()), "what was said is told when it is closed"
    service.following.close_vote("teacher", service.lessons.open("teacher", "").id, LESSON)
    closed = service.following.view(key).vote
    assert closed is not None
    assert closed.counts == (0, 2, 0)


def test_a_number_that_this_server_did_not_give_votes_for_nobody(service: Service, key: str) -> None:
    given = Phone(service)
    given.ask("GET", f"/follow?key={key}")
    voter, _, sign = str(given.cookies[VOTER_COOKIE]).partition(".")
    elsewhere = Phone(service, secret="of another server")
    elsewhere.ask("GET", f"/follow?key={key}")
    made_up = ("a" * 32, f"{'a' * 32}.{sign}", f"{voter}.", voter, f"{voter}.{sign[:-1]}",
               f"{voter}.{sign}x", f"{voter}.\u00e9", str(elsewhere.cookies[VOTER_COOKIE]))  # fmt: skip

    for number in made_up:
        phone = Phone(service)
        header = {"cookie": f"{VOTER_COOKIE}={number}".encode()}
        told = phone.ask("POST", "/follow/vote", data={"key": key, "choice": "1"}, headers=header)
        assert told.status_code == 400, number
    again = Phone(service)
    again.cookies.set(VOTER_COOKIE, f"{voter}.{sign}")
    assert again.ask("POST", "/follow/vote", data={"key": key, "choice": "1"}).status_code == 200

    vote = service.following.view(key).vote
    assert vote is not None
    assert vote.total == 1


def test_one_address_cannot_fill_a_vote_and_a_class_behind_it_can_vote(service: Service, key: str) -> None:
    def votes(address: str, most: int) -> int:
        counted = 0
        for _ in range(most):
            phone = Phone(service, address)
            phone.cookies.set(VOTER_COOKIE, signed())
            answer = phone.ask("POST", "/follow/vote", data={"key": key, "choice": "0"})
            assert answer.status_code in (200, 409)
            counted += answer.status_code == 200
        return counted

    def signed() -> str:
        return Follow(
            behind, view=service.following.view, vote=service.following.vote, secret=SECRET
        )._signed(secrets.token_hex(16))

    assert votes("10.0.0.7", MOST_OF_AN_ADDRESS + 5) == MOST_OF_AN_ADDRESS >= 2 * 30
    assert votes("10.0.0.8", 3) == 3


def test_behind_a_prefix_the_page_is_found_too(service: Service, key: str) -> None:
    phone = Phone(service, root_path="/school")

    for path in ("/school/follow", "/follow", "/school/follow/now"):
        assert phone.ask("GET", f"{path}?key={key}").status_code == 200, path
    assert phone.ask("GET", f"/school/school/follow?key={key}").status_code == 401
    assert phone.ask("POST", "/school/follow/vote", data={"key": key, "choice": "1"}).status_code == 200


def test_a_vote_from_elsewhere_or_of_another_form_is_not_counted(service: Service, key: str) -> None:
    opened = Phone(service)
    opened.ask("GET", f"/follow?key={key}")
    strange = (
        (Phone(service), {"key": key, "choice": "1"}),  # never opened the page: another site sends it
        (opened, {"key": key, "choice": "one"}),
        (opened, {"key": key, "choice": "1" * 2000}),
        (opened, {"choice": "1"}),
        (opened, {"key": "0" * 32, "choice": "1"}),
        (opened, {"key": key, "choice": "7"}),
    )
    for phone, form in strange:
        assert phone.ask("POST", "/follow/vote", data=form).status_code in (400, 404, 409)
    for method in ("PUT", "DELETE", "POST"):
        assert opened.ask(method, f"/follow?key={key}").status_code == 405

    vote = service.following.view(key).vote
    assert vote is not None
    assert vote.total == 0


def test_a_phone_without_scripts_is_led_back_to_the_page(service: Service, key: str) -> None:
    phone = Phone(service)
    phone.ask("GET", f"/follow?key={key}")

    answer = phone.ask(
        "POST", "/follow/vote", data={"key": key, "choice": "2"}, headers={"accept": "text/html,*/*"}
    )

    assert (answer.status_code, answer.headers["location"]) == (303, f"../follow?key={key}")
