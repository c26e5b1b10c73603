from __future__ import annotations

import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from headswap.app.service import accounts as codes_module
from headswap.app.service.accounts import AccessCodes, add, read_people, remove
from headswap.errors import BadSetting, BundleDamaged, NotFound


def test_a_code_opens_for_its_name_only_and_is_kept_nowhere(tmp_path: Path) -> None:
    place = tmp_path / "class.json"

    made = add(place, ("ada", "Bob B."))

    codes = AccessCodes(place)
    assert all(
        re.fullmatch(r"([a-hj-km-np-z2-9]{4}-){2}[a-hj-km-np-z2-9]{4}", code) for code in made.values()
    )
    assert codes.knows("ada", made["ada"])
    assert codes.knows("ada", made["ada"].upper().replace("-", " "))
    assert not codes.knows("ada", made["Bob B."])
    assert not codes.knows("Ada", made["ada"])
    assert not codes.knows("eve", made["ada"])
    assert not codes.knows("ada", "")
    assert not any(code in place.read_text() for code in made.values())
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_two_people_with_the_same_code_would_have_different_hashes(tmp_path: Path) -> None:
    add(tmp_path / "class.json", ("ada", "bob"))

    ada, bob = read_people(tmp_path / "class.json").people

    assert ada.salt != bob.salt
    assert len(ada.code_hash) == 128


def test_people_come_and_go_while_the_server_runs(tmp_path: Path) -> None:
    place = tmp_path / "class.json"
    first = add(place, ("ada",))
    codes = AccessCodes(place)
    assert codes.knows("ada", first["ada"])

    second = add(place, ("bob",))
    os.utime(place, ns=(1, 1))  # however coarse the clock of the disk is
    assert codes.knows("bob", second["bob"])
    remove(place, ("ada",))

    assert not codes.knows("ada", first["ada"])
    place.unlink()
    assert not codes.knows("bob", second["bob"])


def test_a_stamp_changes_with_the_code_and_is_empty_without_one(tmp_path: Path) -> None:
    place = tmp_path / "class.json"
    add(place, ("ada",))
    codes = AccessCodes(place)
    first = codes.stamp("ada")

    remove(place, ("ada",))
    gone = codes.stamp("ada")
    add(place, ("ada",))
    os.utime(place, ns=(2, 2))

    assert first
    assert not gone
    assert codes.stamp("ada") not in ("", first)
    assert not codes.stamp("eve")


def test_a_file_spoiled_by_hand_throws_nobody_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = tmp_path / "class.json"
    made = add(place, ("ada",))
    codes = AccessCodes(place)
    assert codes.knows("ada", made["ada"])

    place.write_text("{")

    assert codes.knows("ada", made["ada"])
    assert codes.stamp("ada")
    assert not codes.knows("eve", made["ada"])
    assert caplog.messages == ["the file of codes cannot be read"]


@pytest.mark.parametrize("code", ["\ud800", "\x00", "x" * 1_000_000, "\u202e", "=1+1"])
def test_no_guess_is_more_than_wrong(tmp_path: Path, code: str) -> None:
    add(tmp_path / "class.json", ("ada",))
    codes = AccessCodes(tmp_path / "class.json")

    assert not codes.knows("ada", code)
    assert not codes.knows(code, code)


@pytest.mark.parametrize("name", ["", " ", "../ada", "a" * 41, "<b>", "-x", "\u202eabc"])
def test_names_are_letters_and_figures(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSetting, match="cannot be a name"):
        add(tmp_path / "class.json", (name,))
    assert not (tmp_path / "class.json").exists()


def test_mistakes_get_a_sentence(tmp_path: Path) -> None:
    place = tmp_path / "class.json"
    add(place, ("ada",))

    with pytest.raises(BadSetting, match=r"ada has a code already\. Remove the name"):
        add(place, ("ada",))
    with pytest.raises(BadSetting, match="bob has a code already"):
        add(place, ("bob", "bob"))
    with pytest.raises(NotFound, match=r"eve is not in class\.json"):
        remove(place, ("eve",))
    with pytest.raises(BadSetting, match="There is no file"):
        AccessCodes(tmp_path / "none.json")
    remove(place, ("ada",))
    with pytest.raises(BadSetting, match=r"No one is in class\.json"):
        AccessCodes(place)
    place.write_text("ada:secret")
    with pytest.raises(BundleDamaged, match="cannot be read"):
        AccessCodes(place)


def test_two_who_add_people_at_the_same_time_both_do(tmp_path: Path) -> None:
    place = tmp_path / "class.json"
    add(place, ("first",))

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: add(place, (f"pupil {number}",)), range(8)))
        list(pool.map(lambda number: remove(place, (f"pupil {number}",)), range(0, 8, 2)))

    names = {person.name for person in read_people(place).people}
    assert names == {"first", *(f"pupil {number}" for number in range(1, 8, 2))}
    codes = AccessCodes(place)
    assert all(codes.knows(name, made[int(name.split()[1])][name]) for name in names - {"first"})


def test_who_waits_too_long_for_another_change_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "class.json"
    add(place, ("ada",))
    monkeypatch.setattr(codes_module, "LOCK_TIMEOUT_S", 0.01)

    with (
        FileLock(f"{place}.lock"),
        pytest.raises(BadSetting, match=r"Someone else is changing class\.json\. Try again"),
    ):
        add(place, ("bob",))
    add(place, ("bob",))
