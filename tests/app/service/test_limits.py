from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from headswap.app.service.limits import PROFILES, Limits, figures, limits_for, table
from headswap.errors import BadSetting


@pytest.mark.parametrize("profile", PROFILES)
def test_every_preset_says_every_figure(profile: str) -> None:
    rows = table(limits_for(profile))  # type: ignore[arg-type]

    assert len(rows) == len(figures()) + 1
    assert all(what and how_much for what, how_much in rows)


def test_a_class_is_held_closer_than_one_person() -> None:
    me, pupils = limits_for("me"), limits_for("class")

    assert pupils.pictures < me.pictures
    assert pupils.upload_mb < me.upload_mb
    assert pupils.waiting < me.waiting
    assert (me.disk_gb, me.hours_kept) == (0, 0)
    assert pupils.disk_gb > 0
    assert pupils.hours_kept > 0


def test_a_figure_is_changed_alone() -> None:
    assert limits_for("class", {"pictures": 7}) != limits_for("class")
    assert limits_for("class", {"pictures": 7}).waiting == limits_for("class").waiting
    with pytest.raises(BadSetting, match=r"waiting is 0\. Choose 1 or more"):
        limits_for("me", {"waiting": 0})


def test_the_table_of_the_documentation_says_the_same() -> None:
    text = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "| `--" in line
    ]

    said = {row[4].split("`")[1].strip("-").replace("-", "_"): row[1:4] for row in rows}

    for one in fields(Limits):
        shown = [_plain(getattr(limits_for(profile), one.name), one.name) for profile in PROFILES]
        assert said[one.name] == shown, one.name


def _plain(value: float | bool, name: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not value:
        return "for ever" if name == "hours_kept" else "no limit"
    return f"{value:,g}"
