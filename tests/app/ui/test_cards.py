from __future__ import annotations

import re
from dataclasses import replace

from headswap.app.service.fetching import FetchPolicy
from headswap.app.ui.widgets.cards import model_cards, search_choices, weights_tag
from headswap.app.ui.widgets.html import rendered
from headswap.network import NetworkCard, Weights
from headswap.threads import machine_text

THREE = (("Small", "tf_efficientnet_lite0"), ("Balanced", "torchvision/resnet50"))
ANY_NETWORK, NO_NETWORK = (
    FetchPolicy(networks=rule, cards=lambda _: (), fetched_bytes=lambda: 0).reasons_against()
    for rule in (("any",), ("here",))
)


def test_what_a_library_does_not_state_is_neither_guessed_nor_listed(card: NetworkCard) -> None:
    drawn = rendered(model_cards(THREE, (card,), "tf_efficientnet_lite0"))
    known = rendered(model_cards(THREE, (replace(card, licence="MIT", year=2019),), "tf_efficientnet_lite0"))

    assert "not stated" not in drawn
    assert "<li></li>" not in drawn
    assert "102\u00a0MB to download" in drawn
    assert "<li>MIT, 2019, says torchvision</li>" in known


def test_a_network_with_the_person_s_own_weights_is_not_to_be_fetched(card: NetworkCard) -> None:
    drawn = rendered(model_cards(THREE, (card,), "torchvision/resnet50", has_own_weights=True))

    assert "your own weights" in drawn
    assert "to download" not in drawn


def test_a_chosen_network_that_is_none_of_the_three_gets_a_card(card: NetworkCard) -> None:
    drawn = rendered(model_cards(THREE, (card,), "timm/vit_base_patch16_224"))

    assert "Your choice" in drawn
    assert drawn.count(" checked") == 1


def test_where_the_weights_are_is_said_with_a_word(card: NetworkCard) -> None:
    for allowed in (ANY_NETWORK, NO_NETWORK):
        here, lost = (replace(card, weights=Weights(state=state)) for state in ("here", "not available"))
        assert "on this machine" in rendered(weights_tag(here, allowed))
        assert "not available offline" in rendered(weights_tag(lost, allowed))


def test_a_network_that_may_not_be_fetched_says_so_before_it_is_chosen(card: NetworkCard) -> None:
    drawn = rendered(model_cards(THREE, (card,), "tf_efficientnet_lite0", reason_against=NO_NETWORK))

    assert "may not be downloaded here" in drawn
    assert "to download" not in drawn


def test_a_network_that_there_is_no_room_for_says_so_before_it_is_chosen(card: NetworkCard) -> None:
    full = FetchPolicy(weights_gb=1, cards=lambda _: (), fetched_bytes=lambda: 950_000_000).reasons_against()
    roomy = FetchPolicy(weights_gb=1, cards=lambda _: (), fetched_bytes=lambda: 850_000_000).reasons_against()

    assert "no room left here for its 102 MB" in rendered(weights_tag(card, full))
    assert "to download" in rendered(weights_tag(card, roomy))
    assert search_choices((card,), full) == [("✕ resnet50  (torchvision)", "torchvision/resnet50")]


def test_networks_on_this_machine_are_found_first(card: NetworkCard) -> None:
    here = replace(card, name="zzz", zoo="timm", weights=Weights(state="here"))

    assert search_choices((card, here), ANY_NETWORK) == [
        ("✓ zzz  (timm)", "timm/zzz"),
        ("⬇ resnet50  (torchvision)", "torchvision/resnet50"),
    ]


def test_networks_that_cannot_be_had_are_marked_and_found_last(card: NetworkCard) -> None:
    gone = replace(card, name="aaa", weights=Weights(state="not available"))
    other = replace(card, name="abc")

    assert search_choices((gone, other, card), lambda one: "" if one == card else "no") == [
        ("⬇ resnet50  (torchvision)", "torchvision/resnet50"),
        ("✕ aaa  (torchvision)", "torchvision/aaa"),
        ("✕ abc  (torchvision)", "torchvision/abc"),
    ]


def test_a_speed_is_stated_with_the_machine_it_was_measured_on(card: NetworkCard) -> None:
    without = rendered(model_cards(THREE, (card,), "torchvision/resnet50"))
    measured = rendered(model_cards(THREE, (card,), "torchvision/resnet50", {"torchvision/resnet50": 24.4}))

    assert "24\u00a0ms a picture here" in measured
    assert f"Here: {machine_text()}" in measured
    assert machine_text() not in without
    assert re.fullmatch(r".+, \d+ cores?", machine_text())
