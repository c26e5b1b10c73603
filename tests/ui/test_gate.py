"""The gate, around a real gradio app with two people logged in."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import httpx
import pytest
from starlette.middleware import Middleware

from headswap.service.codes import Codes, add, remove
from headswap.service.health import Health
from headswap.service.uploads import Uploads
from headswap.ui.belongings import Turns
from headswap.ui.counting import UploadCounter, UploadRoom
from headswap.ui.gate import Gate
from headswap.ui.launch import calm, knows
from headswap.ui.ways import AFTER_LOG_IN, API, BEFORE_LOG_IN

AT_ONCE, WRONG = 6, 20  # guesses that one address may make here
WIDE = UploadRoom(disk=10**12, share=10**12, once=10**12)
WELL = Health(well=True, version="1", waiting=1, running=0, free_disk_bytes=9)


def read_file(place: str | None) -> str:
    return Path(place or "/dev/null").read_text()


class Site:
    """A page behind the gate, and who visits it."""

    def __init__(
        self,
        url: str,
        codes: dict[str, str],
        health: list[Health],
        app: Any,
        room: list[UploadRoom],
        uploads: Uploads,
        private: Path,
    ) -> None:
        self.uploads, self.private = uploads, private
        self.url, self.codes, self.health, self.app, self.room = url, codes, health, app, room
        self._visits: list[httpx.Client] = []

    def visit(self, name: str = "") -> httpx.Client:
        client = httpx.Client(base_url=self.url, timeout=20.0)
        self._visits.append(client)
        if name:
            answer = client.post("/login", data={"username": name, "password": self.codes[name]})
            assert answer.status_code == 200
        return client

    def close(self) -> None:
        for client in self._visits:
            client.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def served(place: Path) -> Iterator[Site]:
    health = [WELL]
    codes = add(place / "class.json", ("ada", "bob"))
    people, guesses = Codes(place / "class.json"), Turns(at_once=AT_ONCE, in_a_while=WRONG, while_s=600)
    room, uploads = [WIDE], Uploads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(place / "private"))
        with gr.Blocks(analytics_enabled=False) as page:
            box, file = gr.Textbox(), gr.File()
            box.change(lambda text: text, box, box)
            box.submit(lambda text: text, box, box, api_name="repeat")
            file.change(read_file, file, box, api_name="read")
        page.queue()
        calm(page)
        page.launch(
            prevent_thread_lock=True,
            quiet=True,
            auth=knows(people),
            app_kwargs={
                "middleware": [
                    Middleware(
                        Gate,
                        health=lambda: health[0],
                        stamp=people.stamp,
                        guesses=guesses,
                        uploads=UploadCounter(lambda person: room[0], uploads),
                    )
                ]
            },
            ssr_mode=False,
            run_history=False,
            share=False,
        )
        site = Site(str(page.local_url), codes, health, page.app, room, uploads, place / "private")
        yield site
        site.close()
        page.close()


@pytest.fixture
def site(served: Site) -> Site:
    served.health[0] = WELL
    return served


def bring(client: httpx.Client, content: bytes, name: str = "secret.zip") -> str:
    answer = client.post("/gradio_api/upload", files={"files": (name, content)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()[0])


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
    broken = httpx.Client(base_url=site.url, headers={"cookie": "bad[=x; ,;=; access-token-x"})

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
        with httpx.Client(base_url=site.url, headers={"cookie": cookie}) as client:
            assert client.get(f"/gradio_api/file={path}").status_code in (401, 404), cookie


def test_every_way_into_gradio_is_needed_by_the_page_or_shut(site: Site) -> None:
    ada = site.visit("ada")
    ways = {route for route in every_route(site) if route.startswith(API)}
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


def every_route(site: Site) -> set[str]:
    found, heap = set(), list(site.app.routes)
    while heap:
        one = heap.pop()
        inner = getattr(one, "original_router", one)  # how newer FastAPI keeps what was included
        heap.extend(getattr(inner, "routes", []))
        found.add(str(getattr(one, "path", "")))
    return found


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
    def guess(code: str, address: str) -> int:
        with httpx.Client(base_url=site.url, headers={"x-forwarded-for": address}, timeout=60) as client:
            return client.post("/login", data={"username": "ada", "password": code}).status_code

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: guess(f"{number:012d}", "10.0.0.1"), range(80)))

    assert set(answers) == {400, 429}
    assert answers.count(400) < WRONG + AT_ONCE
    one_by_one = [guess("wrong", "10.0.0.1") for _ in range(WRONG)]
    assert one_by_one[-1] == 429
    assert guess(site.codes["ada"], "10.0.0.1") == 429  # a right one too, from there
    assert guess(site.codes["ada"], "10.0.0.2") == 200


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


def test_health_is_for_everybody_and_names_nobody(site: Site) -> None:
    said = site.visit().get("/healthz")

    assert (said.status_code, said.json()["waiting"]) == (200, 1)
    site.health[0] = Health(
        well=False,
        version="1",
        waiting=0,
        running=0,
        free_disk_bytes=0,
        problems=("The disk is nearly full.",),
    )
    ill = site.visit().get("/healthz")
    assert (ill.status_code, ill.json()["problems"]) == (503, ["The disk is nearly full."])


def test_nothing_of_ours_can_be_reached_through_the_file_route(site: Site, place: Path) -> None:
    (place / "project.json").write_text("secret")
    ada = site.visit("ada")
    ours = [
        place / "class.json", place / "project.json", Path(__file__), Path("/etc/passwd"),
        Path(__file__).parents[2] / "app.py", Path(__file__).parents[2] / "workspace" / "browser.key",
    ]  # fmt: skip

    for path in ours:
        for spelling in (str(path), f"/..{path}", f"%2e%2e{path}", f"{place}/private/../{path.name}"):
            assert ada.get(f"/gradio_api/file={spelling}").status_code in (403, 404), spelling
