"""One server for every module that asks a real network: what costs is to start the process that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headswap.app.service.limits import Limits
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings


@pytest.fixture(scope="session")
def service(few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Every module has a project of its own here, and looks at nothing else. Runs one run at a time."""
    place, limits = tmp_path_factory.mktemp("service"), Limits(spare=False)  # one run needs no second worker
    with Service(Settings(workspace=place, sample=few_drawings, limits=limits)) as running:
        yield running
