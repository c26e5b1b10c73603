"""Answers on the disk: their form, which older versions wrote too, and what counts for nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headswap.bundle.prediction import Prediction
from headswap.errors import UnreadableImage
from headswap.pipeline.kept_answers import KeptAnswers
from headswap.storage.files import to_plain

SAID = Prediction(file="a.png", label="cat", probabilities={"cat": 0.75, "dog": 0.25}, ood_score=0.5)
HALF_A_LETTER = "a\udc80.png"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(b"pixels")
    return tmp_path / "a.png"


def stamp(path: Path) -> str:
    return f"{path.stat().st_size} {path.stat().st_mtime_ns}"


def as_lines(*records: object) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in records)


def test_a_file_has_the_form_that_it_always_had(tmp_path: Path, image: Path) -> None:
    answers = KeptAnswers(tmp_path / "answers", "b1")

    answers.keep(HALF_A_LETTER, image, SAID)
    answers.keep("b", image, UnreadableImage("It is empty.", remedy="Leave it out."))

    known = {"stamp": stamp(image)}
    assert (tmp_path / "answers").read_bytes() == as_lines(
        {"bundle": "b1"},
        {"file": HALF_A_LETTER, **known, "said": to_plain(SAID)},
        {"file": "b", **known, "problem": "It is empty.", "remedy": "Leave it out."},
    )
    again = KeptAnswers(tmp_path / "answers", "b1")
    assert again.find(HALF_A_LETTER, image) == SAID
    assert str(again.find("b", image)) == str(UnreadableImage("It is empty.", remedy="Leave it out."))
    assert KeptAnswers(tmp_path / "answers", "b2").find("b", image) is None, "another bundle begins again"


@pytest.mark.parametrize(
    "line",
    [b'{"file": "a", "sta', b"[1]\n", b'{"file": "a"}\n', b'{"file": "a", "stamp": "S", "said": {}}\n'],
)
def test_a_line_that_is_no_whole_answer_counts_for_nothing(line: bytes, tmp_path: Path, image: Path) -> None:
    line = line.replace(b'"S"', json.dumps(stamp(image)).encode())
    whole = {"file": "b", "stamp": stamp(image), "said": to_plain(SAID)}
    (tmp_path / "answers").write_bytes(as_lines({"bundle": "b1"}, whole) + line)

    answers = KeptAnswers(tmp_path / "answers", "b1")

    assert answers.find("a", image) is None
    assert answers.find("b", image) == SAID
    answers.keep("a", image, SAID)
    assert KeptAnswers(tmp_path / "answers", "b1").find("a", image) == SAID
