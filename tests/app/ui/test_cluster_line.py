"""Step 3 says where pictures are looked at, on a server that has a cluster."""

from __future__ import annotations

import pytest

from headswap.app.jobs.cluster import ClusterWatch
from headswap.app.ui.steps.train import cluster_line
from headswap.app.ui.widgets.html import rendered
from headswap.cluster.crew import ClusterLost, ClusterRefused
from headswap.errors import BadSetting, HeadswapError

MANY, FEW = 289, 288  # a chunk and the first few, and one more


@pytest.mark.parametrize(
    ("images", "is_lost", "words"),
    [
        (MANY, False, "the lab's cluster (12 processors)"),
        (FEW, False, "this machine, which is quicker for so few pictures"),
        (MANY, True, "the lab's cluster, which does not answer just now: runs wait for it"),
        (FEW, True, "this machine"),
    ],
)
def test_where_pictures_are_looked_at(images: int, is_lost: bool, words: str) -> None:
    watch = ClusterWatch(lambda: 12)
    watch.check()
    if is_lost:
        watch.lost(ClusterLost("No cluster answers.", remedy="Start one."))

    drawn = rendered(cluster_line(watch, images)).replace("&#39;", "'")

    assert drawn.startswith('<p class="hs-soft"><b>Where: </b>')
    assert words in drawn
    assert ('aria-label="cluster? ' in drawn) is ("cluster" in words)


@pytest.mark.parametrize("kind", [ClusterRefused, BadSetting])
def test_a_cluster_that_answers_and_refuses_is_not_said_to_be_silent(kind: type[HeadswapError]) -> None:
    watch = ClusterWatch(lambda: 12)
    watch.lost(kind("oak has torch 1.0, and the machine that asks has not.", remedy="Install the same."))

    drawn = rendered(cluster_line(watch, MANY)).replace("&#39;", "'")

    assert (
        "the lab's cluster, which cannot be used: oak has torch 1.0, and the machine that asks has not. "
        "Runs wait for that."
    ) in drawn
    assert "does not answer" not in drawn


def test_before_the_first_look_no_number_is_named_and_without_a_cluster_nothing_is_said() -> None:
    assert "the lab's cluster <" in rendered(cluster_line(ClusterWatch(lambda: 12), MANY)).replace(
        "&#39;", "'"
    )
    assert cluster_line(None, MANY) is None
    assert cluster_line(ClusterWatch(lambda: 12), 0) is None
