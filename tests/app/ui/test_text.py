from __future__ import annotations

from headswap.app.ui.widgets.text import (
    counted_in_words,
    enumerate_names,
    file_size,
    in_words,
    millions,
    percent,
    prose,
    short,
)


def test_only_all_of_them_is_a_hundred_percent() -> None:
    assert [percent(share) for share in (0.0, 0.854, 0.999, 1.0)] == [
        "0\u00a0%",
        "85\u00a0%",
        "99\u00a0%",
        "100\u00a0%",
    ]


def test_numbers_read_as_a_person_says_them() -> None:
    assert in_words(4) == "four"
    assert counted_in_words(1, "name") == "one name"
    assert counted_in_words(12, "class", "classes") == "12 classes"
    assert in_words(12) == "12"
    assert millions(4_652_008) == "4.65 million numbers"
    assert millions(None) == "size not stated"
    assert file_size(13_500_000) == "13.5\u00a0MB"


def test_a_long_name_is_cut_for_a_drawing() -> None:
    assert short("vacuum cleaner", most=8) == "vacuum…"
    assert short("mug") == "mug"


def test_many_names_are_cut_short_in_a_sentence() -> None:
    assert enumerate_names(("bird", "bug", "fruit")) == "bird, bug and fruit"
    assert enumerate_names(tuple("abcdefgh")) == "a, b, c, d, e, f and two more"


def test_a_percent_in_a_sentence_stands_apart_from_its_number_and_is_never_broken_off() -> None:
    assert prose("It knows 85% of them.") == "It knows 85\u00a0% of them."
