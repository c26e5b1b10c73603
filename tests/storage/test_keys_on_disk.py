"""Names in code may change: what lies on a disk or goes to a program keeps its keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headswap.app.service.lessons.progress import CastVote
from headswap.data.manifest import ImageRecord
from headswap.exports.parity import ParityCheck, Route
from headswap.lessons.lesson import Number
from headswap.pipeline.comparison import Race, RaceRound, RoundFigure
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.plots.figure import Bar, Curve, Figure
from headswap.storage.files import from_json, to_json, to_plain

ROUND_FIGURE = RoundFigure(
    model="a", right=1, total=2, interval=(0.0, 1.0), head="last", behind=0.0, behind_interval=(0.0, 0.0),
    is_tie=True, is_kept=True, text="taken",
)  # fmt: skip
RECORDS = (
    (Bar(text="right", value=0.8, said="80 %"), "words"),
    (Curve(text="flat", points=((0.0, 1.0),)), "words"),
    (Figure(text="two bars", bars=(Bar(text="right", value=0.8, said="80 %"),)), "words"),
    (Number(name="exam", value=0.5, text="exam right"), "words"),
    (ROUND_FIGURE, "words"),
    (Race(train_images=4, test_images=1, rounds=(RaceRound(images=4, figures=(ROUND_FIGURE,)),)), "words"),
    (Experiment(data=DataConfig(source="birds")), "teach"),
    (CastVote(who="1", choice=0, address_key="k"), "place"),
    (ParityCheck(bound=0.1, agree=True, routes=(Route(name="page"),), images=(), drawings=()), "ways"),
    (
        ImageRecord(
            file="a.png", source="a.png", class_name="a", sha256="0", width=9, height=9,
            fingerprint="1", brightness=0.5,
        ),
        "look",
    ),
)  # fmt: skip
NAMES = {"text", "train", "address_key", "routes", "fingerprint"}


def keys(plain: Any) -> Iterator[str]:
    """Every key of a record and of the records in it."""
    if isinstance(plain, dict):
        yield from plain
        plain = list(plain.values())
    if isinstance(plain, list):
        for one in plain:
            yield from keys(one)


@pytest.mark.parametrize(("record", "key"), RECORDS, ids=lambda one: type(one).__name__)
def test_a_name_that_changed_keeps_its_key(record: object, key: str) -> None:
    plain = to_plain(record)

    assert key in plain
    assert NAMES.isdisjoint(keys(plain))
    assert from_json(type(record), to_json(record)) == record
