"""Who goes on, who wins and why: decided on made-up answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import torch

from headswap.data.manifest import ImageRecord
from headswap.network import InputSpec, NetworkCard, Weights
from headswap.pipeline.race_rules import Racer, decide, round_images, some_of, survivors
from headswap.pipeline.scoring import NetworkScore


def a_racer(name: str, wrong: range, *, ms: float = 10.0, mb: float = 20.0, images: int = 100) -> Racer:
    """It answers 100 pictures of two classes; those of `wrong` wrongly."""
    labels = torch.arange(images) % 2
    said = labels.clone()
    said[list(wrong)] = 1 - said[list(wrong)]
    logits = 4.0 * torch.nn.functional.one_hot(said, 2).float()
    card = NetworkCard(name=name, zoo="timm", input=InputSpec(), weights=Weights(state="here"))
    judged = NetworkScore(logits=logits, labels=labels, head="last", right_last=0, computed=0, engine="torch")
    return Racer(card=card, ms=ms, parameters=1, size_bytes=int(1e6 * mb), judged=judged)


def an_image(number: int, name: str, group: int) -> ImageRecord:
    return ImageRecord(
        file=f"{name}/{number}.png", source=f"{name}/{number}.png", class_name=name,
        sha256=f"{number:064x}", width=10, height=10, fingerprint="0" * 64, brightness=0.5, group=group,
    )  # fmt: skip


def test_rounds_double_and_the_last_one_has_all() -> None:
    assert round_images(1000, classes=4, networks=8) == (250, 500, 1000)
    assert round_images(1000, classes=4, networks=2) == (1000,)
    assert round_images(150, classes=4, networks=16) == (150,)
    assert round_images(400, classes=40, networks=8) == (400,)
    assert round_images(400, classes=4, networks=0) == ()


def test_a_part_has_every_class_whole_groups_and_is_in_every_larger_part() -> None:
    images = [an_image(i, "abc"[i % 3], group=i // 6 * 3 + i % 3) for i in range(240)]

    small, large = some_of(images, 0.25, seed=3), some_of(images, 0.5, seed=3)

    assert {one.sha256 for one in small} < {one.sha256 for one in large}
    assert 0.2 * 240 <= len(small) <= 0.35 * 240
    for part in (small, large):
        inside = {one.group for one in part}
        assert [one for one in images if one.group in inside] == part
        assert {one.class_name for one in part} == {"a", "b", "c"}
    assert some_of(images, 0.25, seed=4) != small


def test_the_better_half_goes_on_with_whoever_is_as_good_and_faster() -> None:
    racers = [
        a_racer("best", range(4)),
        a_racer("second", range(5), ms=30),
        a_racer("as-good-and-fast", range(1, 6), ms=2),
        a_racer("as-good-and-slow", range(1, 6), ms=90),
        a_racer("bad", range(40), ms=1),
    ]

    result, kept = survivors(racers, 100, is_last=False)

    assert {one.name for one in kept} == {"best", "second", "as-good-and-fast"}
    words = {one.model: one.text for one in result.figures}
    assert words["timm/as-good-and-slow"] == "within chance as good as best, and slower"
    assert words["timm/bad"] == "behind best"
    bad = result.figures[-1]
    assert bad.behind == 0.36
    assert 0.25 < bad.behind_interval[0] < 0.36 < bad.behind_interval[1] < 0.46
    assert not bad.is_kept


def test_of_equally_good_networks_the_faster_is_taken_and_the_tie_is_said() -> None:
    racers = [a_racer("slow", range(4), ms=40), a_racer("fast", range(1, 6), ms=5)]
    result, kept = survivors(racers, 100, is_last=True)

    decision = decide(kept, result)

    assert decision.winner.name == "fast"
    assert "fast (95.0% right) and slow are equally good here" in decision.text
    assert "it is faster: 5.0 ms" in decision.text
    assert [one.text for one in decision.last.figures] == [
        "within chance as good as fast, and slower or larger", "taken",
    ]  # fmt: skip


def test_of_equally_good_and_fast_networks_the_smaller_is_taken() -> None:
    racers = [a_racer("large", range(4), ms=10, mb=90), a_racer("small", range(4), ms=10.5, mb=9)]
    result, kept = survivors(racers, 100, is_last=True)

    decision = decide(kept, result)

    assert decision.winner.name == "small"
    assert "it is smaller" in decision.text


def test_a_clear_winner_is_taken_however_slow_and_its_lead_is_said() -> None:
    racers = [a_racer("good", range(2), ms=90, mb=90), a_racer("poor", range(20), ms=1, mb=1)]
    result, kept = survivors(racers, 100, is_last=True)

    decision = decide(kept, result)

    assert decision.winner.name == "good"
    assert "good is right most often: 98.0%. The next, poor, is 18.0 points behind" in decision.text
    assert "chance" not in decision.text


def test_a_lead_that_may_be_chance_is_called_one() -> None:
    racers = [a_racer("good", range(2), ms=90), a_racer("poor", range(1, 6), ms=1)]
    result, kept = survivors(racers, 100, is_last=True)

    assert "that may still be chance" in decide(kept, result).text


def a_labelling_racer(name: str, noise: float, *, ms: float = 10.0) -> Racer:
    """It ranks 80 pictures with two labels, with noise."""
    random = torch.Generator().manual_seed(1)
    labels = (torch.rand(80, 2, generator=random) < 0.4).float()
    logits = 4 * labels - 2 + noise * torch.randn(80, 2, generator=random)
    racer = a_racer(name, range(0), ms=ms)
    racer.judged = NetworkScore(
        logits=logits, labels=labels, head="last", right_last=0, computed=0, engine="torch"
    )
    return racer


def test_networks_for_several_labels_are_ranked_by_mean_average_precision() -> None:
    racers = [a_labelling_racer("slow", 1.0, ms=40), a_labelling_racer("fast", 1.01, ms=5)]
    tied, kept = survivors(racers, 80, is_last=True)
    poor = a_labelling_racer("poor", 9.0, ms=1)
    clear, _ = survivors([racers[0], poor], 80, is_last=True)

    best, second = clear.figures
    assert [one.mean_average_precision for one in clear.figures] == [best.score, second.score]
    assert (best.model, second.is_tie, second.behind) == ("timm/slow", False, best.score - second.score)
    assert second.behind_interval[0] < second.behind < second.behind_interval[1]
    row = poor.row()
    assert (row.accuracy, row.mean_average_precision, row.score) == (None, second.score, second.score)
    words = decide([racers[0], poor], clear).text
    assert words.startswith(
        f"slow is the best: mean average precision {best.score:.2f}. The next, poor, is 0."
    )
    assert decide(kept, tied).winner.name == "fast"
    assert "equally good here" in decide(kept, tied).text


def test_a_part_of_pictures_with_several_labels_has_each_label_and_some_without() -> None:
    names = (("a",), ("a", "b"), ("b", "c"), ())
    images = [
        replace(an_image(i, "x", group=i), labels=names[i % 4], class_name=" + ".join(names[i % 4]))
        for i in range(160)
    ]

    part = some_of(images, 0.25, seed=3)

    counts = Counter(name for one in part for name in one.names or ("none",))
    assert counts["c"] == counts["none"] == 10
    assert 20 <= counts["a"] <= 30
    assert len(part) < 60


def test_a_network_alone_is_said_to_be_alone() -> None:
    result, kept = survivors([a_racer("one", range(3))], 100, is_last=True)

    assert decide(kept, result).text == "one is the only network that could be judged; it is right in 97.0%."
