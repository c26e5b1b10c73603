"""The gate, around a real gradio app with two people logged in."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from gradio_client import Client, handle_file
from starlette.types import Receive, Scope, Send

from headswap.app.service.accounts import add, remove
from headswap.app.service.health import Health
from headswap.app.ui.gateway.middleware import Gateway, ServedPages
from headswap.app.ui.gateway.origins import THIS_MACHINE
from headswap.app.ui.gateway.routes import AFTER_LOG_IN, API, BEFORE_LOG_IN, is_open, say
from tests.app.ui.site import CRASH, OF_A_PAIR, OF_AN_ADDRESS, WELL, WIDE, Site, bring, every_route, serving
from tests.loops import run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def served(place: Path) -> Iterator[Site]:
    with serving(place) as site:
        yield site


@pytest.fixture
def site(served: Site) -> Site:
    served.health[0] = WELL
    return served


def test_a_wrong_code_does_not_open(site: Site) -> None:
    client = site.visit()

    assert client.post("/login", data={"username": "ada", "password": site.codes["bob"]}).status_code == 400
    assert client.post("/login", data={"username": "eve", "password": site.codes["ada"]}).status_code == 400
    assert client.get("/config").status_code == 401


def test_an_upload_is_served_to_who_brought_it_and_to_nobody_else(site: Site) -> None:
    ada, bob = site.visit("ada"), site.visit("bob")
    path = bring(ada, b"pictures of ada")

    assert ada.get(f"/gradio_api/file={path}").content == b"pictures of ada"
    refused = [
        bob.get(f"/gradio_api/file={path}"),
        bob.head(f"/gradio_api/file={path}"),
        bob.get(f"/gradio_api/file={Path(path).parent}/../{Path(path).parent.name}/{Path(path).name}"),
        bob.get(f"/gradio_api/file={path.replace('/secret', '//secret')}"),
        bob.get(f"/gradio_api/file=%2F{path[1:]}"),
        bob.get(f"/gradio_api/file=/{path}"),
        bob.get(f"/gradio_api/file=%2F%2F{path}"),
        bob.get(f"/gradio_api/file={os.path.relpath(path)}".replace("../", "%2e%2e/")),
        bob.get(f"/gradio_api/file=/proc/self/root{path}"),
        bob.get(f"/gradio_api/file={path.replace('secret', '%73ecret')}"),
        bob.get(f"/gradio_api/file/{path}"),
        bob.get(f"/gradio_api/file//{path}"),
        bob.get(f"/gradio_api/file={path}", headers={"range": "bytes=0-7"}),
        bob.get(f"/gradio_api/file={path}?session_hash=x"),
    ]
    assert [answer.status_code for answer in refused] == [404] * len(refused)
    assert not any(b"pictures" in answer.content for answer in refused)
    assert site.visit().get(f"/gradio_api/file={path}").status_code == 401


def test_two_people_who_bring_the_same_file_may_both_have_it(site: Site) -> None:
    ada, bob = site.visit("ada"), site.visit("bob")
    path = bring(ada, b"the same")

    assert bring(bob, b"the same") == path
    assert bob.get(f"/gradio_api/file={path}").status_code == 200
    assert ada.get(f"/gradio_api/file={path}").status_code == 200


def test_a_session_belongs_to_who_opened_it(site: Site) -> None:
    ada, bob = site.visit("ada"), site.visit("bob")
    ask = {"data": ["x"], "fn_index": 0, "session_hash": "adas-session"}

    assert ada.post("/gradio_api/queue/join", json=ask).status_code != 404
    answers = [
        bob.post("/gradio_api/queue/join", json=ask),
        bob.get("/gradio_api/queue/data", params={"session_hash": "adas-session"}),
        bob.get("/gradio_api/heartbeat/adas-session"),
        bob.post("/gradio_api/cancel", json={**ask, "event_id": "1"}),
        bob.post("/gradio_api/reset", json={"event_id": "1", "session_hash": "adas-session"}),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5


@pytest.mark.parametrize(
    "query", ["session_hash=theirs&session_hash={}", "session_hash={}&session_hash=theirs", "session_hash={}"]
)
def test_naming_two_sessions_does_not_open_the_second(site: Site, query: str) -> None:
    ada, bob = site.visit("ada"), site.visit("bob")
    ask = {"data": ["x"], "fn_index": 0, "session_hash": "adas-second-session"}
    assert ada.post("/gradio_api/queue/join", json=ask).status_code == 200

    words = query.format("adas-second-session")
    answers = [
        bob.get(f"/gradio_api/queue/data?{words}"),
        bob.post(f"/gradio_api/queue/join?{words}", json={**ask, "session_hash": "bobs"}),
        bob.post("/gradio_api/queue/join?session_hash=bobs", json=ask),
        bob.post("/gradio_api/run/repeat?session_hash=bobs", json=ask),
        bob.get("/gradio_api/call/repeat/adas-second-session"),
        bob.get("/gradio_api/call/v2/repeat/adas-second-session"),
    ]

    assert [answer.status_code for answer in answers] == [404] * len(answers)


def test_an_event_is_cancelled_and_heard_by_who_asked_for_it_alone(site: Site) -> None:
    ada, bob = site.visit("ada"), site.visit("bob")
    asked = ada.post("/gradio_api/call/repeat", json={"data": ["adas words"]}).json()["event_id"]

    cancelled = bob.post(
        "/gradio_api/cancel", json={"session_hash": "bobs-own", "fn_index": 0, "event_id": asked}
    )
    heard = bob.get(f"/gradio_api/call/repeat/{asked}")

    assert [cancelled.status_code, heard.status_code] == [404, 404]
    assert "adas words" in ada.get(f"/gradio_api/call/repeat/{asked}").text


def test_a_file_of_somebody_else_cannot_be_handed_in_as_ones_own(site: Site) -> None:
    ada, bob = site.visit("ada"), site.visit("bob")
    path = bring(ada, b"only for ada", "notes.txt")
    carried = {"path": path, "meta": {"_type": "gradio.FileData"}}

    spellings = [path, f"/{path}", f"{Path(path).parent}/./notes.txt", os.path.relpath(path)]
    answers = [
        bob.post("/gradio_api/run/read", json={"data": [{**carried, "path": spelling}]})
        for spelling in spellings
    ]
    inside = bob.post("/gradio_api/run/read", json={"data": [[[{"deep": carried}]]]})

    assert [answer.status_code for answer in (*answers, inside)] == [404] * 5
    assert ada.post("/gradio_api/run/read", json={"data": [carried]}).json()["data"] == ["only for ada"]


def test_without_a_log_in_nothing_behind_the_page_answers(site: Site) -> None:
    ada, nobody = site.visit("ada"), site.visit()
    ada.post("/gradio_api/queue/join", json={"data": ["x"], "fn_index": 0, "session_hash": "adas-third"})
    broken = httpx.Client(base_url=site.url, headers={"cookie": "bad[=x; ,;=; access-token-x"}, timeout=120)

    for client in (nobody, broken):
        answers = [
            client.post(
                "/gradio_api/cancel", json={"session_hash": "adas-third", "fn_index": 0, "event_id": ""}
            ),
            client.get("/gradio_api/heartbeat/adas-third"),
            client.post("/gradio_api/reset", json={"event_id": "x"}),
            client.post("/gradio_api/stream/x", json={"data": [], "session_hash": "adas-third"}),
            client.get("/gradio_api/queue/data?session_hash=adas-third"),
            client.post("/gradio_api/upload", files={"files": ("a.txt", b"a")}),
            client.get("/config"),
        ]
        assert {answer.status_code for answer in answers} <= {401, 404}, answers
    broken.close()


def test_a_spoiled_cookie_beside_a_good_one_does_not_open_the_gate(site: Site) -> None:
    ada, bob = site.visit("ada"), site.visit("bob")
    path = bring(ada, b"behind the cookie")
    good = "; ".join(f"{name}={value}" for name, value in bob.cookies.items())

    for cookie in (f"bad[=x; {good}", f'{good}; a"b=\\', f"=; {good}", f";;,; {good}"):
        with httpx.Client(base_url=site.url, headers={"cookie": cookie}, timeout=120) as client:
            assert client.get(f"/gradio_api/file={path}").status_code in (401, 404), cookie


def test_every_way_into_gradio_is_needed_by_the_page_or_shut(site: Site) -> None:
    ada = site.visit("ada")
    ways = {route for route in every_route(site.app) if route.startswith(API)}
    ours = BEFORE_LOG_IN | AFTER_LOG_IN

    shut = sorted(
        way for way in ways if way.removeprefix(API).split("/")[0].split("=")[0] not in {*ours, "file"}
    )
    for way in shut:
        address = way.replace("{", "").replace("}", "").replace(":path", "")
        assert ada.get(address).status_code == 404, way
        assert ada.post(address, json={}).status_code == 404, way

    assert len(ways) > 30
    assert {f"{API}component_server", f"{API}proxy={{url_path:path}}", f"{API}stream/{{event_id}}"} <= set(
        shut
    )
    assert ada.get(f"{API}file/etc/passwd").status_code == 404
    assert ada.get("/monitoring").status_code == 404


@pytest.mark.parametrize(
    "address", ["https://example.org/x", "http:/example.org", "HTTP://127.0.0.1:1/", "ftp://x/y"]
)
def test_nothing_is_fetched_from_elsewhere_for_anybody(site: Site, address: str) -> None:
    assert site.visit("ada").get(f"/gradio_api/file={address}").status_code == 404


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example", ""]
)
def test_a_page_of_another_site_may_ask_nothing(site: Site, origin: str) -> None:
    ada, headers = site.visit("ada"), {"origin": origin}

    answers = [
        ada.post(
            "/gradio_api/queue/join",
            json={"data": ["x"], "fn_index": 0, "session_hash": "s"},
            headers=headers,
        ),
        ada.post("/gradio_api/upload", files={"files": ("a.txt", b"a")}, headers=headers),
        ada.get("/config", headers=headers),
        ada.post("/login", data={"username": "ada", "password": site.codes["ada"]}, headers=headers),
        ada.get("/config", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}),
        ada.post("/login", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * len(answers)
    own = {"origin": site.url.rstrip("/"), "sec-fetch-site": "same-origin"}
    assert ada.get("/config", headers=own).status_code == 200
    assert (
        ada.get("/", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}).status_code
        == 200
    )


def test_the_cookie_stays_at_home_and_no_site_frames_the_page(site: Site) -> None:
    client = site.visit()

    answer = client.post("/login", data={"username": "ada", "password": site.codes["ada"]})

    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all("samesite=lax" in one.lower() and "samesite=none" not in one.lower() for one in cookies)
    assert all("httponly" in one.lower() for one in cookies)
    assert client.get("/").headers["x-frame-options"] == "SAMEORIGIN"
    assert client.get("/").headers["x-content-type-options"] == "nosniff"


def test_a_new_code_for_a_name_ends_what_the_old_one_opened(site: Site, place: Path) -> None:
    site.codes |= add(place / "class.json", ("mia",))
    thief = site.visit("mia")
    assert thief.get("/config").status_code == 200

    remove(place / "class.json", ("mia",))
    site.codes |= add(place / "class.json", ("mia",))

    assert thief.get("/config").status_code == 401
    assert site.visit("mia").get("/config").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 200_000, 400), (b'{"a":' * 200_000, 400), (b"\xff\xfe{", 400), (b"{", 400),
        (b'{"data": "' + b"x" * 17_000_000 + b'"}', 413), (b'{"session_hash": "' + b"s" * 5_000 + b'"}', 404),
    ],
)  # fmt: skip
def test_no_question_is_too_large_or_too_deep_for_the_gate(site: Site, body: bytes, status: int) -> None:
    ada = site.visit("ada")

    answer = ada.post("/gradio_api/queue/join", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == status
    assert ada.get("/config").status_code == 200


@pytest.mark.parametrize(
    "strange",
    ["a\x00b", "\ud800", "x" * 300, "../../x", "{}", "\u202e", "\U0001f408", "%2e%2e", "\r\nset-cookie: a=b"],
)
def test_strange_names_are_refused_or_answered_but_never_fall_over(site: Site, strange: str) -> None:
    ada = site.visit("ada")
    text = json.dumps({"data": ["x"], "fn_index": 0, "session_hash": strange, "event_id": strange})
    quoted = quote(strange, safe="", errors="surrogatepass")

    answers = [
        ada.post("/gradio_api/cancel", content=text, headers={"content-type": "application/json"}),
        ada.get(f"/gradio_api/file={quoted}"),
        ada.post(f"/gradio_api/reset?session_hash={quoted}", json={"event_id": "x"}),
        ada.post("/gradio_api/upload", files={"files": (strange.encode("utf-8", "replace").decode(), b"a")}),
    ]

    assert all(answer.status_code < 500 for answer in answers), answers
    assert all("a=b" not in str(answer.headers) for answer in answers)


def test_guessing_codes_ends_soon_and_shuts_nobody_else_out(site: Site) -> None:
    def guess(name: str, code: str, address: str) -> int:
        with httpx.Client(base_url=site.url, headers={"x-forwarded-for": address}, timeout=120) as client:
            return client.post("/login", data={"username": name, "password": code}).status_code

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: guess("ada", f"{number:012d}", "10.0.0.1"), range(40)))

    assert set(answers) == {400, 429}
    assert answers.count(400) == OF_A_PAIR
    assert guess("ada", site.codes["ada"], "10.0.0.1") == 429  # a right one too, from there
    assert guess("ada", site.codes["ada"], "10.0.0.2") == 200
    assert guess("bob", site.codes["bob"], "10.0.0.1") == 200  # and everyone else from there
    across = [guess(f"name {number}", "wrong", "10.0.0.1") for number in range(OF_AN_ADDRESS)]
    assert across[-1] == 429
    assert guess("bob", site.codes["bob"], "10.0.0.1") == 200


def test_a_wrong_code_is_told_in_a_sentence_that_says_what_to_do(site: Site) -> None:
    with httpx.Client(base_url=site.url, headers={"x-forwarded-for": "10.0.0.9"}, timeout=120) as stranger:
        page = stranger.get("/runs?x=1")
        form = {"username": "ada", "password": "wrong", "next": "runs?x=1"}
        wrong = stranger.post("/login", data=form, headers={"accept": "text/html"})
        plain = stranger.post("/login", data=form)
        right = {**form, "password": site.codes["ada"]}
        opened = stranger.post("/login", data=right, headers={"accept": "text/html"})
        inside = stranger.get("/runs")

    assert 'value="runs?x=1"' in page.text
    assert site.visit().get("/static/img/logo.svg").status_code == 401
    assert "<script" not in page.text
    assert (wrong.status_code, plain.status_code) == (400, 400)
    for said in (wrong.text, plain.json()["detail"]):
        assert "do not belong together. Check the spelling of both and try again" in said
        assert "Incorrect" not in said
    assert (opened.status_code, opened.headers["location"]) == (303, "./runs?x=1")
    assert "gradio_config" in inside.text
    assert 'name="password"' in site.visit().get("/login").text, "anyone who loads the address once more"
    assert site.visit("ada").get("/login").headers["location"] == "./"


def chunks(size: int, said: list[int] | None = None) -> Iterator[bytes]:
    """A form with one file of so many bytes, that does not say how long it is."""
    yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.zip"\r\n\r\n'
    for _ in range(size // 50_000):
        yield bytes(50_000)
        if said is not None:
            said.append(50_000)
    yield b"\r\n--x--\r\n"


FORM = {"content-type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    ("room", "code", "words"),
    [
        ({"disk": 500_000}, 507, "no room left on the disk"),
        ({"share": 500_000}, 507, "your share of the disk. Delete a run or a project"),
        ({"once": 500_000}, 413, "larger than one may be here. Choose fewer"),
    ],
)
@pytest.mark.parametrize("says_its_length", [True, False])
def test_an_upload_stops_where_its_room_ends_whether_it_says_its_length_or_not(
    site: Site, room: dict[str, int], code: int, words: str, says_its_length: bool
) -> None:
    ada, before = site.visit("ada"), set(site.private.rglob("*"))
    content = b"".join(chunks(2_000_000)) if says_its_length else chunks(2_000_000)
    try:
        site.room[0] = replace(WIDE, **room)
        refused = ada.post("/gradio_api/upload", content=content, headers=FORM)
        small = ada.post("/gradio_api/upload", files={"files": ("b.zip", b"b")})
    finally:
        site.room[0] = WIDE

    assert (refused.status_code, small.status_code) == (code, 200)
    assert words in refused.json()["detail"]
    left = {path for path in set(site.private.rglob("*")) - before if path.is_file()}
    assert {path.name for path in left} <= {"b.zip"}


def test_an_upload_counts_as_a_persons_own_until_it_is_taken_in(site: Site) -> None:
    ada, bob = site.visit("ada"), site.visit("bob")
    before = site.uploads.waiting_bytes("ada")

    (same,) = {
        client.post("/gradio_api/upload", content=chunks(100_000), headers=FORM).json()[0]
        for client in (ada, bob)
    }

    assert site.uploads.waiting_bytes("ada") == before + 100_000
    assert site.uploads.waiting_bytes("ada", but=Path(same)) == before
    site.uploads.taken("ada", Path(same))
    assert Path(same).is_file()  # bob has not taken it in yet
    assert site.uploads.waiting_bytes("ada") == before
    site.uploads.taken("bob", Path(same))
    assert not Path(same).exists()


def test_who_is_taken_off_the_list_is_out_at_once(site: Site, place: Path) -> None:
    site.codes |= add(place / "class.json", ("eve",))
    eve = site.visit("eve")
    assert eve.get("/config").status_code == 200

    remove(place / "class.json", ("eve",))

    assert eve.get("/config").status_code == 401
    assert site.visit("ada").get("/config").status_code == 200


def test_strangers_hear_of_health_whether_it_is_well_and_nothing_else(site: Site) -> None:
    ill = Health(
        well=False,
        version="1",
        waiting=0,
        running=0,
        free_disk_bytes=0,
        problems=("The disk is nearly full.",),
    )
    far = {"x-forwarded-for": "10.0.0.1"}

    for path in ("/healthz", "/healthz/"):
        assert site.visit().get(path, headers=far).json() == {"well": True}
    for strange in ({"host": "evil.example"}, {"via": "1.1 proxy"}, {"x-forwarded-host": "127.0.0.1"}):
        assert site.visit().get("/healthz", headers=strange).json() == {"well": True}, strange
    assert site.visit().get("/healthz").json()["waiting"] == 1, "who sits at this machine may know"
    assert site.visit("ada").get("/healthz", headers=far).json()["version"] == "1"
    site.health[0] = ill
    told = site.visit().get("/healthz", headers=far)
    assert (told.status_code, told.json()) == (503, {"well": False})
    assert site.visit().get("/healthz").json()["problems"] == ["The disk is nearly full."]


def test_nothing_of_ours_can_be_reached_through_the_file_route(site: Site, place: Path) -> None:
    (place / "project.json").write_text("secret")
    ada = site.visit("ada")
    ours = [
        place / "class.json", place / "project.json", Path(__file__), Path("/etc/passwd"),
        Path(__file__).parents[3] / "app.py", Path(__file__).parents[3] / "workspace" / "browser.key",
    ]  # fmt: skip

    for path in ours:
        for spelling in (str(path), f"/..{path}", f"%2e%2e{path}", f"{place}/private/../{path.name}"):
            assert ada.get(f"/gradio_api/file={spelling}").status_code in (403, 404), spelling


def test_a_path_that_gradio_reads_otherwise_than_the_gate_opens_nothing(site: Site) -> None:
    ada, bob, stranger = site.visit("ada"), site.visit("bob"), site.visit()
    path = bring(ada, b"behind a line break")

    for ending in ("%0A", "%0a%0a", "%0D%0A", "%00", "%0B", "%7F", "/", "/.", "%20", "."):
        answer = bob.get(f"/gradio_api/file={path}{ending}")
        assert answer.status_code in (403, 404), ending
        assert b"line break" not in answer.content, ending
    for way in ("/login%0A", "/login/%0A", "/%2Flogin", "/./login%0A", "/LOGIN", "/login%2F%0A", "/login;x"):
        tried = stranger.post(way, data={"username": "ada", "password": site.codes["ada"]})
        assert tried.status_code in (404, 405), way
        assert not tried.cookies, way
    for way in ("upload%0A", "upload%09", "cancel%0A", "queue%0A", "File=x", "UPLOAD", "%66ile/x", "ﬁle=x"):
        assert bob.post(f"/gradio_api/{way}", json={}).status_code == 404, way


def test_a_file_that_nobody_was_given_is_nobodys(site: Site, place: Path) -> None:
    left = place / "private" / "left" / "behind.txt"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("of a page that was forgotten")

    assert site.visit("ada").get(f"/gradio_api/file={left}").status_code == 404


def test_a_file_that_the_page_made_for_somebody_is_theirs_alone(site: Site) -> None:
    ada, bob = site.visit("ada"), site.visit("bob")
    made = ada.post("/gradio_api/run/make", json={"data": ["for ada"]}).json()["data"][0]["path"]
    event = ada.post("/gradio_api/call/make", json={"data": ["for ada, too"]}).json()["event_id"]
    heard = ada.get(f"/gradio_api/call/make/{event}").text
    queued = str(json.loads(heard.partition("data: ")[2].splitlines()[0])[0]["path"])

    assert queued != made
    assert ada.get(f"/gradio_api/file={made}").text == "for ada"
    assert ada.get(f"/gradio_api/file={queued}").text == "for ada, too"
    assert [bob.get(f"/gradio_api/file={path}").status_code for path in (made, queued)] == [404, 404]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "HEAD", "OPTIONS"])
def test_no_other_method_changes_or_tells_anything(site: Site, method: str) -> None:
    ada, bob = site.visit("ada"), site.visit("bob")
    path = bring(ada, b"of ada")
    ways = ("/config", "/gradio_api/upload", f"/gradio_api/file={path}", "/gradio_api/cancel")

    for client in (bob, site.visit()):
        for way in ways:
            answer = client.request(method, way)
            assert answer.status_code in (401, 404, 405), way
            assert b"of ada" not in answer.content


def test_what_one_thing_is_called_twice_is_not_asked(site: Site) -> None:
    ada, bob = site.visit("ada"), site.visit("bob")
    ada.post("/gradio_api/queue/join", json={"data": ["x"], "fn_index": 0, "session_hash": "adas-fourth"})
    body = '{"data": ["x"], "fn_index": 0, "session_hash": "adas-fourth", "session_hash": "bobs-fourth"}'

    told = bob.post("/gradio_api/queue/join", content=body, headers={"content-type": "application/json"})

    assert told.status_code == 400


def test_every_answer_tells_the_browser_who_may_frame_it(site: Site) -> None:
    ada, stranger = site.visit("ada"), site.visit()
    path = bring(ada, b"framed", "framed.txt")
    answers = [
        ada.get("/"), ada.get("/runs"), ada.get("/config"), ada.get(f"/gradio_api/file={path}"),
        ada.get("/static/none"), ada.get("/gradio_api/deep_link"), ada.request("PUT", "/"),
        stranger.get("/"), stranger.get("/config"), stranger.get("/healthz"), stranger.get("/nothing"),
        stranger.post("/login", data={"username": "ada", "password": site.codes["ada"]}),
        stranger.post("/", headers={"origin": "https://evil.example"}), ada.get("/theme.css"),
        site.visit("ada").get(CRASH),
    ]  # fmt: skip

    assert (
        {200, 303, 401, 403, 404, 405, 500} >= {answer.status_code for answer in answers} >= {200, 403, 500}
    )
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        for wanted in ("frame-ancestors 'self'", "object-src 'none'", "base-uri 'self'"):
            assert wanted in policy, answer.url
        assert answer.headers["x-content-type-options"] == "nosniff", answer.url
        assert answer.headers["referrer-policy"] == "same-origin", answer.url
        script = policy.partition("script-src")[2].partition(";")[0]
        assert "'unsafe-inline'" not in script, answer.url
        assert "*" not in policy, answer.url


def test_a_proxy_cannot_be_played_to_gradio(site: Site) -> None:
    ada = site.visit("ada")

    for header in ("x-forwarded-host", "x-gradio-server"):
        told = ada.get("/config", headers={header: "evil.example"})
        assert told.status_code == 200
        assert "evil.example" not in told.text, header


def test_a_link_of_another_site_logs_nobody_out(site: Site) -> None:
    ada = site.visit("ada")
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}

    assert ada.get("/logout", headers=link).status_code == 403
    assert ada.get("/config").status_code == 200
    assert ada.get("/logout", headers={**link, "sec-fetch-site": "same-origin"}).status_code == 302
    assert ada.get("/config").status_code == 401


def test_a_program_that_logs_in_brings_a_file_and_takes_one_home(site: Site, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("of a program")
    client = Client(
        site.url, auth=("ada", site.codes["ada"]), verbose=False, download_files=tmp_path,
        httpx_kwargs={"timeout": 300.0},
    )  # fmt: skip

    read = client.predict(handle_file(tmp_path / "notes.txt"), api_name="/read")
    made = client.predict("made for a program", api_name="/make")

    assert read == "of a program"
    assert Path(made).read_text() == "made for a program"


def test_where_nobody_logs_in_every_answer_has_its_policies_too() -> None:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/config":
            raise ValueError("a mistake")
        await say(send, 200, b"{}")

    served = ServedPages(names=THIS_MACHINE, pages=frozenset({"runs"}))
    gate = Gateway(page, health=lambda: WELL, served=served)
    asked = [
        ("GET", "http://localhost/"), ("GET", "http://localhost/runs"), ("GET", "http://localhost/healthz"),
        ("POST", "http://localhost/gradio_api/upload"), ("GET", "http://localhost/monitoring"),
        ("GET", "http://evil.example/"), ("DELETE", "http://localhost/"), ("GET", "http://localhost/config"),
    ]  # fmt: skip

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=gate, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport) as client:
            return [await client.request(method, url) for method, url in asked]

    answers = run(ask())
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 404, 403, 405, 500]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'self'; object-src 'none'; base-uri 'self'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"


KNOWN = {  # what gradio 6.31 registers next to its API
    "/", "/login", "/login/", "/logout", "/config", "/config/", "/favicon.ico", "/theme.css", "/robots.txt",
    "/manifest.json", "/assets/{path:path}", "/static/{path:path}", "/runs", "/runs/",
    # shut:
    "/svelte/{path:path}", "/pwa_icon", "/pwa_icon/{size}", "/monitoring", "/monitoring/summary",
    "/monitoring/{key}", "/openapi.json",
}  # fmt: skip
KNOWN_API = {  # and below it, by the first part of the way
    *AFTER_LOG_IN, *BEFORE_LOG_IN, "file=",
    # shut:
    "component_server", "custom_component", "deep_link", "dev", "file", "process_recording", "proxy=", "runs",
    "stream", "token", "undo-vibe-edit", "vibe-code", "vibe-edit", "vibe-starter-queries",
}  # fmt: skip


def test_gradio_registers_what_the_gate_was_made_for_and_nothing_else(site: Site) -> None:
    """A new gradio fails here? Look at each new way, then open it in ways.py or add it below."""
    routes = every_route(site.app)
    ways = {route.removeprefix(API).partition("/")[0].partition("{")[0] for route in routes if API in route}

    assert {route for route in routes if not route.startswith(API)} == KNOWN
    assert ways == KNOWN_API
    for shut in ("/svelte/x", "/pwa_icon", "/pwa_icon/9", "/monitoring", "/monitoring/x", "/openapi.json"):
        assert not is_open(shut, ("runs",)), shut


def test_gradio_keeps_what_the_gate_asks_it(site: Site) -> None:
    """The names of gradio's own that belongings.py reads."""
    ada = site.visit("ada")

    assert isinstance(site.app.tokens, dict)
    assert "ada" in site.app.tokens.values()
    names = {f"access-token-{site.app.cookie_id}", f"access-token-unsecure-{site.app.cookie_id}"}
    assert {cookie.name for cookie in ada.cookies.jar} <= names
    assert ada.cookies
