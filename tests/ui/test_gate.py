"""The gate, around a real gradio app with two people logged in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx
import pytest
from starlette.middleware import Middleware

from headswap.service.codes import Codes, add, remove
from headswap.service.health import Health
from headswap.ui.gate import Gate
from headswap.ui.launch import knows

WELL = Health(well=True, version="1", waiting=1, running=0, free_disk_bytes=9)


class Site:
    """A page behind the gate, and who visits it."""

    def __init__(self, url: str, codes: dict[str, str], health: list[Health]) -> None:
        self.url, self.codes, self.health = url, codes, health
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
    people = Codes(place / "class.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(place / "private"))
        with gr.Blocks(analytics_enabled=False) as page:
            box = gr.Textbox()
            box.change(lambda text: text, box, box)
        page.queue().launch(
            prevent_thread_lock=True,
            quiet=True,
            auth=knows(people),
            app_kwargs={"middleware": [Middleware(Gate, health=lambda: health[0], is_in=people.has)]},
            ssr_mode=False,
            run_history=False,
            share=False,
        )
        site = Site(str(page.local_url), codes, health)
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
