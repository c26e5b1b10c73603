from __future__ import annotations

import pytest

from headswap.counted import counted


@pytest.mark.parametrize(
    ("how_many", "noun", "plural", "said"),
    [
        (1, "picture", "", "1 picture"),
        (0, "picture", "", "0 pictures"),
        (1200, "picture", "", "1,200 pictures"),
        (1, "pass", "passes", "1 pass"),
        (2, "pass", "passes", "2 passes"),
    ],
)
def test_a_count_reads_as_a_person_says_it(how_many: int, noun: str, plural: str, said: str) -> None:
    assert counted(how_many, noun, plural) == said
