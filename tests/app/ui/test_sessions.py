from __future__ import annotations

import os
from pathlib import Path

import pytest

from headswap.app.ui.gateway.sessions import LONGEST_NAME, FileOwners, SessionOwners, address_of


def test_a_session_is_theirs_who_named_it_first() -> None:
    sessions = SessionOwners()

    assert sessions.take("session", "ada")
    assert sessions.take("session", "ada")
    assert not sessions.take("session", "bob")
    assert sessions.take("another", "bob")
    assert not sessions.take("x" * (LONGEST_NAME + 1), "bob")


def test_a_file_may_be_of_several_and_of_nobody_else() -> None:
    files = FileOwners()
    files.add("/a", "ada")
    files.add("/a", "bob")

    assert files.may("/a", "ada")
    assert files.may("/a", "bob")
    assert not files.may("/a", "eve")
    assert not files.may("/never seen", "ada")


def test_a_file_is_remembered_while_it_exists_and_belongs_to_nobody_afterwards(tmp_path: Path) -> None:
    files = FileOwners(first_sweep=10)
    kept = tmp_path / "Kept.zip"
    kept.touch()
    files.add(str(kept), "ada")
    for number in range(200):
        files.add(str(tmp_path / f"{number}"), "bob")

    assert files.may(str(kept), "ada")
    assert not files.may(str(kept), "bob")
    assert not files.may(str(tmp_path / "0"), "bob"), "it is gone, and its line with it"
    assert not files.may(str(tmp_path / "0"), "ada")


def test_who_opens_many_sessions_pushes_out_their_own_and_nobody_elses() -> None:
    sessions = SessionOwners(most=3)
    sessions.take("adas", "ada")
    for number in range(50):
        assert sessions.take(f"{number}", "bob")

    assert not sessions.take("adas", "bob")
    assert "adas" in sessions
    assert "0" not in sessions


def test_a_session_that_is_in_use_is_not_the_one_that_is_forgotten() -> None:
    sessions = SessionOwners(most=3)
    for number in range(50):
        sessions.take("open page", "ada")
        sessions.take(f"{number}", "ada")

    assert not sessions.take("open page", "bob")


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
