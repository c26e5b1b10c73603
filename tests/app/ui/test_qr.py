"""The link for phones: a code that a camera reads, an address that is not taken from a stranger."""

from __future__ import annotations

from headswap.app.ui.widgets.html import rendered
from headswap.app.ui.widgets.qr import follow_url, link_card, qr_code

KEY = "a" * 32


def test_the_address_is_the_one_of_this_page() -> None:
    assert follow_url("https://192.168.1.5:7860/follow", KEY) == f"https://192.168.1.5:7860/follow?key={KEY}"


def test_what_is_no_address_is_not_used() -> None:
    for strange in ("javascript:alert(1)", "https://x/<b>", "", "http://" + "x" * 5000):
        assert follow_url(strange, KEY) == f"/follow?key={KEY}"


def test_the_code_is_drawn_inside_the_page_dark_on_light() -> None:
    drawn = qr_code(f"https://class.local/follow?key={KEY}")

    assert drawn.startswith("<svg role")
    assert 'stroke="#000"' in drawn
    assert "#fff" in drawn


def test_an_address_that_only_this_machine_knows_is_said_to_be_one() -> None:
    assert "this machine only" in rendered(link_card("http://127.0.0.1:7860/follow?key=1", stop="unshare"))
    assert "this machine only" not in rendered(link_card("https://class.local/follow?key=1", stop="unshare"))
