"""The gate behind GRADIO_ROOT_PATH: gradio strips the prefix, and every rule holds with it and without."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.app.ui.site import Site, bring, serving

PREFIX = "/school"
BOTH = pytest.mark.parametrize("prefix", [PREFIX, ""], ids=["with the prefix", "without"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("school"), prefix=PREFIX) as site:
        yield site


@pytest.fixture(scope="module")
def ada(site: Site) -> httpx.Client:
    return site.visit("ada")


@pytest.fixture(scope="module")
def bob(site: Site) -> httpx.Client:
    return site.visit("bob")


@BOTH
def test_an_upload_is_served_to_who_brought_it_and_to_nobody_else(
    site: Site, ada: httpx.Client, bob: httpx.Client, prefix: str
) -> None:
    path = bring(ada, f"of ada {prefix}".encode(), prefix=prefix)

    for way in (f"{PREFIX}/gradio_api/file={path}", f"/gradio_api/file={path}"):
        assert ada.get(way).status_code == 200
        for stranger, status in ((bob, 404), (site.visit(), 401)):
            for method in ("GET", "HEAD"):
                assert stranger.request(method, way).status_code == status
        assert bob.get(f"{way}%0A").status_code == 404
    for way in (f"{PREFIX}{PREFIX}/gradio_api/file={path}", f"{PREFIX}//gradio_api/file={path}",
                f"/SCHOOL/gradio_api/file={path}", f"{PREFIX}x/gradio_api/file={path}",
                f"{PREFIX}/../gradio_api/file={path}", f"{PREFIX}/gradio_api/file/{path}"):  # fmt: skip
        assert bob.get(way).status_code == 404, way


@BOTH
def test_sessions_and_events_are_their_owners_alone(
    ada: httpx.Client, bob: httpx.Client, prefix: str
) -> None:
    session = f"adas{prefix.replace('/', '-')}"
    ask = {"data": ["x"], "fn_index": 0, "session_hash": session}
    api = f"{prefix}/gradio_api"

    assert ada.post(f"{api}/queue/join", json=ask).status_code == 200
    event = ada.post(f"{api}/call/repeat", json={"data": ["adas words"]}).json()["event_id"]
    answers = [
        bob.post(f"{api}/queue/join", json=ask),
        bob.get(f"{api}/queue/data", params={"session_hash": session}),
        bob.get(f"{api}/heartbeat/{session}"),
        bob.post(f"{api}/cancel", json={"session_hash": "bobs", "fn_index": 0, "event_id": event}),
        bob.post(f"{api}/reset", json={"event_id": event}),
        bob.get(f"{api}/call/repeat/{event}"),
    ]

    assert [answer.status_code for answer in answers] == [404] * len(answers)
    own = {"session_hash": session, "fn_index": 0, "event_id": ""}
    assert ada.post(f"{api}/cancel", json=own).status_code == 200, "and it works for who owns it"
    assert ada.post(f"{api}/reset", json={"event_id": event}).status_code == 200


@BOTH
def test_without_a_log_in_nothing_behind_the_page_answers(site: Site, prefix: str) -> None:
    stranger = site.visit()
    api = f"{prefix}/gradio_api"

    answers = [
        stranger.post(f"{api}/upload", files={"files": ("a.txt", b"a")}),
        stranger.post(f"{api}/cancel", json={"session_hash": "x", "fn_index": 0, "event_id": ""}),
        stranger.post(f"{api}/reset", json={"event_id": "x"}),
        stranger.post(f"{api}/queue/join", json={"data": ["x"], "fn_index": 0, "session_hash": "x"}),
        stranger.get(f"{api}/heartbeat/x"),
        stranger.get(f"{api}/info"),
        stranger.get(f"{prefix}/config"),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert [stranger.get(f"{prefix}{shut}").status_code for shut in ("/monitoring", "/openapi.json")] == [
        404,
        404,
    ]
    assert 'name="password"' in stranger.get(f"{prefix}/").text


@BOTH
def test_the_log_in_is_counted_and_opens(site: Site, prefix: str) -> None:
    far = {"x-forwarded-for": f"10.0.1.{len(prefix)}"}
    with httpx.Client(base_url=site.url, headers=far, timeout=120) as eve:
        tried = [
            eve.post(f"{prefix}/login", data={"username": "bob", "password": "x"}).status_code
            for _ in range(8)
        ]
        opened = eve.post(f"{prefix}/login", data={"username": "ada", "password": site.codes["ada"]})
        inside = eve.get(f"{prefix}/config")

    assert (tried[0], tried[-1]) == (400, 429)
    assert (opened.status_code, inside.status_code) == (200, 200)


@BOTH
def test_health_and_the_answers_policies_are_found(site: Site, prefix: str) -> None:
    told = site.visit().get(f"{prefix}/healthz")

    assert told.json()["waiting"] == 1
    assert "frame-ancestors 'self'" in told.headers["content-security-policy"]
