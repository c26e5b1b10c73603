"""Where nothing can be written, a verb says so in one sentence, and before it has worked for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from headswap.cli.main import main


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A path below a file: no one can write there, an administrator neither."""
    (tmp_path / "file").touch()
    return tmp_path / "file"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1, captured.err
    return captured.err


@pytest.mark.parametrize("name", ["file/bundle", "long" * 100])
def test_a_bundle_that_cannot_be_written_is_refused_before_anything_is_taught(
    name: str,
    nowhere: Path,
    few_drawings: Path,
    shell: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = nowhere.parent / name

    assert shell("teach", few_drawings, "--out", place) == 2

    assert f"headswap: The bundle cannot be written to {place}: " in said(capsys)


def test_a_repeated_run_that_has_nowhere_to_go_is_refused(
    nowhere: Path,
    bundle: Path,
    few_drawings: Path,
    shell: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shell("teach", "--from", bundle, few_drawings, "--out", nowhere / "again") == 2

    assert "The bundle cannot be written to" in said(capsys)


@pytest.mark.parametrize(
    "words",
    [
        ("export", "bundle", "{}.zip"),
        ("lesson", "--notebook", "{}.ipynb"),
        ("compare", "pictures", "--models", "resnet18", "--plot", "{}.svg"),
        ("users", "add", "{}.json", "ada"),
    ],
    ids=lambda words: words[0],
)
def test_a_file_that_cannot_be_written_is_one_sentence(
    words: tuple[str, ...], tmp_path: Path, shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / ("long" * 100)

    assert shell(*(word.format(place) for word in words)) == 2

    assert "cannot be written: file name too long" in said(capsys)


def test_a_file_of_codes_in_a_folder_that_is_missing_is_one_sentence(
    tmp_path: Path, shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell("users", "add", tmp_path / "none" / "class.json", "ada") == 2

    assert f"There is no folder {tmp_path / 'none'}. Make it first" in said(capsys)


@pytest.mark.parametrize("cache", ["file", "file/cache"])
def test_a_cache_that_cannot_be_written_is_one_sentence(
    cache: str, nowhere: Path, few_drawings: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("HEADSWAP_CACHE", str(nowhere.parent / cache))

    assert main(["teach", str(few_drawings), "--out", str(nowhere.parent / "bundle")]) == 2

    assert "file" in (error := capsys.readouterr().err.strip().splitlines()[-1])
    assert error.startswith("headswap: ")
    assert not (nowhere.parent / "bundle").exists()
