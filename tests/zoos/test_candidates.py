"""Who may race: what is here, what may be fetched, and what a library states against it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headswap.errors import BadSetting
from headswap.network import InputSpec, NetworkCard, Weights
from headswap.pipeline.race import RaceSetting, race
from headswap.zoos.candidates import ANY_USE, SHORT_LIST, NetworkLimits, candidates
from headswap.zoos.catalogue import build_network, describe_network
from headswap.zoos.zoo import ZooSettings

LITE, SMALL = "timm/tf_efficientnet_lite0", "timm/mobilenetv3_small_050"


def a_card(licence: str | None, mb: float = 20) -> NetworkCard:
    weights = Weights(state="here", size_bytes=int(1e6 * mb))
    return NetworkCard(name="n", zoo="timm", input=InputSpec(), weights=weights, licence=licence)


@pytest.mark.parametrize(
    ("limits", "card", "reason"),
    [
        (NetworkLimits(), a_card(None), ""),
        (NetworkLimits(any_use=True), a_card("apache-2.0"), ""),
        (NetworkLimits(any_use=True), a_card("cc-by-nc-4.0"), "its licence is cc-by-nc-4.0, which may not"),
        (NetworkLimits(any_use=True), a_card(None), "its library states no licence, which may not"),
        (NetworkLimits(most_mb=19.5), a_card("mit"), "its weights have 20 MB, more than 19.5"),
        (NetworkLimits(most_mb=20), a_card("mit"), ""),
    ],
)
def test_what_a_library_states_is_held_against_the_limits(
    limits: NetworkLimits, card: NetworkCard, reason: str
) -> None:
    assert limits.reason_against(card).startswith(reason)
    assert bool(limits.reason_against(card)) == bool(reason)


def test_the_short_list_exists_and_allows_any_use_by_what_timm_states() -> None:
    cards = [describe_network(name) for name in SHORT_LIST]

    assert [card.full_name for card in cards] == list(SHORT_LIST)
    assert all(card.licence in ANY_USE for card in cards)
    assert sum(card.weights.size_bytes or 0 for card in cards) < 390e6, "as the page says"


def test_only_what_may_be_fetched_is_and_only_where_one_agrees(tmp_path: Path) -> None:
    settings = ZooSettings(cache=tmp_path)

    here = candidates(NetworkLimits(), settings=settings)
    more = candidates(NetworkLimits(fetch=True), may_fetch=SHORT_LIST[:1], settings=settings)
    offline = candidates(NetworkLimits(fetch=True), settings=ZooSettings(cache=tmp_path, offline=True))

    names = {card.full_name for card in here.cards}
    assert LITE in names
    assert {card.full_name for card in more.cards} - names == {SHORT_LIST[0]}
    assert {card.full_name for card in offline.cards} == names


def test_a_measured_pace_is_held_against_the_limit() -> None:
    limits = NetworkLimits(most_ms=20)

    assert limits.reason_against_pace(20.0) == ""
    assert limits.reason_against_pace(20.26) == "one prediction takes 20.3 ms here, more than 20"
    assert NetworkLimits().reason_against_pace(9000.0) == ""


def test_a_limit_that_is_no_number_above_nothing_is_refused() -> None:
    with pytest.raises(BadSetting, match=r"most_ms is -1\.0\. Choose a number above 0, such as 50"):
        NetworkLimits(most_ms=-1.0)


def test_a_network_is_fetched_for_a_race_and_one_that_cannot_be_ends_nothing(
    hub_shelf, few_drawings: Path, tmp_path: Path
) -> None:
    from safetensors.torch import save

    weights = save(build_network(SMALL).module.state_dict())
    hub_shelf.files["/timm/mobilenetv3_small_050.lamb_in1k/resolve/main/model.safetensors"] = weights
    setting = RaceSetting(
        limits=NetworkLimits(fetch=True, most_mb=19), folds=3, may_fetch=(SMALL, "timm/lcnet_050")
    )

    found = race(few_drawings, setting, workspace=tmp_path, settings=ZooSettings(cache=tmp_path / "weights"))

    rows = {row.model: row for row in found.rows}
    assert found.race is not None
    assert found.race.winner == LITE
    assert rows[SMALL].total == found.race.train_images
    assert rows["timm/lcnet_050"].state == "not done"
    assert "lcnet_050" in rows["timm/lcnet_050"].reason
