from __future__ import annotations

from dataclasses import replace

from headswap.app.ui.widgets.cards import model_cards, search_choices, weights_tag
from headswap.app.ui.widgets.html import rendered
from headswap.network import NetworkCard, Weights

THREE = (("Small", "tf_efficientnet_lite0"), ("Balanced", "torchvision/resnet50"))


def test_what_a_library_does_not_state_is_neither_guessed_nor_listed(card: NetworkCard) -> None:
    drawn = rendered(model_cards(THREE, (card,), "tf_efficientnet_lite0"))
    known = rendered(model_cards(THREE, (replace(card, licence="MIT", year=2019),), "tf_efficientnet_lite0"))

    assert "not stated" not in drawn
    assert "<li></li>" not in drawn
    assert "102\u00a0MB to fetch" in drawn
    assert "<li>MIT</li><li>2019</li>" in known


def test_a_network_with_the_person_s_own_weights_is_not_to_be_fetched(card: NetworkCard) -> None:
    drawn = rendered(model_cards(THREE, (card,), "torchvision/resnet50", has_own_weights=True))

    assert "your own weights" in drawn
    assert "to fetch" not in drawn


def test_a_chosen_network_that_is_none_of_the_three_gets_a_card(card: NetworkCard) -> None:
    drawn = rendered(model_cards(THREE, (card,), "timm/vit_base_patch16_224"))

    assert "Your choice" in drawn
    assert drawn.count(" checked") == 1


def test_where_the_weights_are_is_said_with_a_word(card: NetworkCard) -> None:
    assert "on this machine" in rendered(weights_tag(replace(card, weights=Weights(state="here"))))
    assert "not available offline" in rendered(
        weights_tag(replace(card, weights=Weights(state="not available")))
    )


def test_networks_on_this_machine_are_found_first(card: NetworkCard) -> None:
    here = replace(card, name="zzz", zoo="timm", weights=Weights(state="here"))

    assert search_choices((card, here)) == [
        ("✓ zzz  (timm)", "timm/zzz"),
        ("⬇ resnet50  (torchvision)", "torchvision/resnet50"),
    ]
