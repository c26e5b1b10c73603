from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headswap.app.jobs.store import Store
from headswap.app.service import doctor
from headswap.app.service.doctor import diagnose


@pytest.mark.parametrize("system", ["Darwin", "Windows"])
def test_it_says_what_is_not_held_here_and_that_is_no_illness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr(doctor, "is_held_by_system", lambda: False)

    reader, memory = doctor._reader(), doctor._memory()

    assert f"is not held on this system ({system})" in reader.finding
    assert reader.is_well
    assert "limits are only watched on this system" in memory.finding


def part(workspace: Path, name: str) -> doctor.Part:
    return next(part for part in diagnose(workspace).parts if part.name == name)


def test_a_sound_installation_is_well(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs.sqlite")
    store.submit("ada", "project", "{}", "key")
    store.close()

    checkup = diagnose(tmp_path)

    ours = [part for part in checkup.parts if part.name not in ("disk", "memory")]  # those are this machine's
    assert [part.name for part in ours if not part.is_well] == []
    assert len(ours) == 11
    found = {part.name: part.finding for part in checkup.parts}
    assert "torch 2" in found["versions"]
    assert "tf_efficientnet_lite0" in found["weights"]
    assert found["engines"]
    assert found["job store"] == "whole, 1 run"


def test_a_cluster_that_is_named_is_asked_and_one_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a-token")

    assert doctor._cluster("").is_well
    for on, said in (
        (
            "http://127.0.0.1:1",
            "http://127.0.0.1:1 is the address of a dashboard, which takes jobs of Ray and no images.",
        ),
        ("127.0.0.1:1", "No cluster answers at 127.0.0.1:1."),
    ):
        found = doctor._cluster(on)
        assert (found.finding, found.is_well) == (said, False)
    monkeypatch.setattr(doctor, "find_cluster", lambda on: f"{on}:6379")
    assert doctor._cluster("head").finding == "answers at head:6379"


def test_a_damaged_job_store_is_found_and_not_touched(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs.sqlite")
    for number in range(50):
        store.submit("ada", "project", "x" * 2000, str(number))
    store.close()
    data = bytearray((tmp_path / "jobs.sqlite").read_bytes())
    data[4096 * 3 : 4096 * 12] = b"\xff" * 4096 * 9
    (tmp_path / "jobs.sqlite").write_bytes(data)

    found = part(tmp_path, "job store")

    assert "is damaged" in found.finding
    assert "move" in found.remedy
    assert (tmp_path / "jobs.sqlite").read_bytes() == bytes(data)


def test_a_workspace_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    assert "cannot be written to" in part(Path("/proc/headswap"), "workspace").finding


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED", (*doctor.NEEDED, "no-such-package"))

    found = part(tmp_path, "versions")

    assert "missing: no-such-package" in found.finding
    assert "pip install -r requirements.txt" in found.remedy
    assert not diagnose(tmp_path).is_well


def test_without_the_page_the_core_is_well_and_how_to_add_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = doctor._version
    beside = {name for name in doctor.PAGE if name != "markupsafe"}  # that comes with torch
    monkeypatch.setattr(doctor, "_version", lambda name: "" if name in beside else known(name))

    found = part(tmp_path, "page")

    assert found.is_well
    assert found.finding == "not installed; `pip install -r requirements.txt` adds it"


def test_half_a_page_needs_mending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: "" if name == "segno" else known(name))

    found = part(tmp_path, "page")

    assert "missing: segno" in found.finding
    assert not found.is_well


def test_a_library_that_cannot_be_imported_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    found = part(tmp_path, "devices")

    assert "cannot be looked at" in found.finding
    assert "pip install" in found.remedy
