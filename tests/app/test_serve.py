"""A server with a cluster: what must not be used is refused at once, what is away is waited for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from headswap.app import serve
from headswap.app.jobs import cluster
from headswap.app.jobs.queue import QueueSettings
from headswap.app.service.settings import Settings
from headswap.cli.main import main
from headswap.cluster.crew import ClusterLost
from headswap.errors import BadSetting


def refuse(error: BadSetting) -> Callable[[str], str]:
    def find(_on: str) -> str:
        raise error

    return find


@pytest.mark.parametrize("words", [["--on", "ray://x:1"], []])
def test_what_the_shell_refuses_the_page_refuses_with_one_sentence(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not words:
        monkeypatch.setenv("HEADSWAP_CLUSTER", "ray://x:1")

    code = main(["serve", "--no-browser", "--workspace", str(tmp_path), *words])

    assert code == 2
    assert capsys.readouterr().err.startswith("headswap: ray:// is not used")


def settings(tmp_path: Path, on: str = "auto") -> Settings:
    return Settings(workspace=tmp_path, sample=tmp_path, queue=QueueSettings(cluster=on))


def test_a_cluster_that_does_not_answer_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = ClusterLost("No cluster answers at 10.0.0.1:6379.", remedy="Start one.")
    monkeypatch.setattr(serve, "find_cluster", refuse(away))

    watch = serve._cluster(settings(tmp_path))

    assert watch is not None
    assert watch.state.trouble is away
    assert serve._cluster(settings(tmp_path, on="")) is None


def test_one_whose_machines_do_not_see_the_workspace_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unseen = BadSetting("10.0.0.2 does not see the folder.", remedy="Name another.")
    monkeypatch.setattr(serve, "find_cluster", lambda _on: "10.0.0.1:6379")
    monkeypatch.setattr(cluster, "find_cluster", refuse(unseen))

    with pytest.raises(BadSetting, match=r"10\.0\.0\.2 does not see the folder\. Name another"):
        serve._cluster(settings(tmp_path))
