"""Verbs are run as a person runs them: through `headswap.cli.main.main`, with a cache of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headswap.cli.main import main


@pytest.fixture
def shell(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a verb; returns its exit code."""
    monkeypatch.setenv("HEADSWAP_CACHE", str(workspace))
    return lambda *arguments: main([str(argument) for argument in arguments])


@pytest.fixture
def answer(shell: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Runs a verb that must succeed; returns what --json prints."""

    def ask(*arguments: object) -> dict[str, Any]:
        capsys.readouterr()
        assert shell(*arguments, "--json") == 0
        record: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return record

    return ask
