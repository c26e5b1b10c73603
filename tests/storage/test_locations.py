"""Where the sample set and the workspace lie, in a clone and in an installed headswap."""

from __future__ import annotations

from pathlib import Path

import pytest
from platformdirs import user_data_path

from headswap.storage import locations
from headswap.storage.locations import (
    clone_folder,
    default_workspace,
    install_command,
    sample_folder,
    why_not_writable,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package as a wheel lays it out: no clone around it."""
    package = tmp_path / "site-packages" / "headswap"
    (package / "assets" / "sample" / "train").mkdir(parents=True)
    monkeypatch.setattr(locations, "_PACKAGE", package)
    return package


def test_a_clone_keeps_its_sample_set_and_its_workspace_beside_the_package() -> None:
    assert clone_folder() == ROOT
    assert sample_folder() == ROOT / "assets" / "sample"
    assert default_workspace() == ROOT / "workspace"
    assert install_command("app") == "pip install -r requirements.txt"


def test_an_installed_headswap_holds_its_sample_set_and_keeps_data_where_the_system_wants_it(
    installed: Path,
) -> None:
    assert clone_folder() is None
    assert sample_folder() == installed / "assets" / "sample"
    assert default_workspace() == user_data_path("headswap", appauthor=False) / "workspace"
    assert install_command("app") == 'pip install "headswap[app]"'


def test_the_probe_of_a_place_leaves_nothing_behind(tmp_path: Path) -> None:
    assert why_not_writable(tmp_path / "new" / "deep" / "bundle") == ""
    assert why_not_writable(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert why_not_writable(tmp_path / "file" / "bundle") == "not a directory"
    assert why_not_writable(tmp_path / ("long" * 100)) == "file name too long"
    assert why_not_writable(Path("/proc/headswap/bundle"))
