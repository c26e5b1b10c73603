from __future__ import annotations

import os
from pathlib import Path

import pytest

from headswap.ui.belongings import LONGEST_NAME, MOST_REMEMBERED, Owners, Turns, address_of


def test_a_session_is_theirs_who_named_it_first() -> None:
    owners = Owners()

    assert owners.take("session", "ada")
    assert owners.take("session", "ada")
    assert not owners.take("session", "bob")
    assert owners.may("another", "bob")
    assert not owners.take("x" * (LONGEST_NAME + 1), "bob")


def test_a_file_may_be_of_several() -> None:
    owners = Owners()
    owners.add("/a", "ada")
    owners.add("/a", "bob")

    assert owners.may("/a", "ada")
    assert owners.may("/a", "bob")
    assert not owners.may("/a", "eve")


def test_no_more_is_remembered_than_memory_can_bear() -> None:
    owners = Owners()
    for number in range(MOST_REMEMBERED + 10):
        owners.add(f"{number}", "ada")

    assert owners.may("9", "bob")
    assert not owners.may("10", "bob")


def test_all_spellings_of_a_file_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "e\u0301.zip").touch()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    place = f"{tmp_path}/there/e\u0301.zip"

    spellings = [
        place, f"/{place}", f"///{place}", f"{tmp_path}/./there/../there//e\u0301.zip", "there/e\u0301.zip",
        "../" * 40 + place[1:], f"{tmp_path}/link/e\u0301.zip", f"{tmp_path}/there/\u00e9.zip",
    ]  # fmt: skip
    assert {address_of(spelling) for spelling in spellings} == {address_of(place)}
    assert address_of(f"{tmp_path}/there/E\u0301.ZIP") == address_of(place)
    assert address_of("a\0b") == "a\0b"
    assert address_of(os.devnull)


def test_guesses_are_counted_by_who_makes_them() -> None:
    turns = Turns(at_once=2, in_a_while=3, while_s=1000.0)

    assert [turns.begin("ann"), turns.begin("ann"), turns.begin("ann")] == [True, True, False]
    assert turns.begin("bob")
    turns.end("ann", failed=True)
    turns.end("ann", failed=True)
    assert turns.begin("ann")
    turns.end("ann", failed=True)
    assert not turns.begin("ann")
    turns.end("bob", failed=False)
    assert turns.begin("bob")


def test_wrong_guesses_are_forgiven_after_a_while() -> None:
    turns = Turns(at_once=2, in_a_while=1, while_s=0.0)
    turns.begin("ann")
    turns.end("ann", failed=True)

    assert turns.begin("ann")
