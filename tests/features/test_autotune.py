from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headswap.features import autotune as choice
from headswap.features.autotune import autotune, extractor_for, measure, remembered
from headswap.features.engines import Engine, choose_engine, engines_here
from headswap.heads.detect import find_head
from headswap.network import Network

MakeNetwork = Callable[..., Network]
MakeImages = Callable[[int], NDArray[np.uint8]]


def test_what_was_measured_is_remembered(
    make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path
) -> None:
    network = make_network()
    site = find_head(network)

    found = measure(network, site, make_images(4), tmp_path)

    again = remembered(make_network(), site, tmp_path)
    assert set(found.milliseconds) == {engine.name for engine in engines_here()}
    assert again is not None
    assert again.name == found.fastest == min(found.milliseconds, key=found.milliseconds.__getitem__)
    assert extractor_for(network, site, tmp_path).engine == again


def test_without_a_measurement_torch_runs(make_network: MakeNetwork, tmp_path: Path) -> None:
    network = make_network()

    body = extractor_for(network, find_head(network), tmp_path)

    assert body.engine == choose_engine()
    assert not body.autotuned


def test_an_engine_that_was_named_is_taken(make_network: MakeNetwork, tmp_path: Path) -> None:
    network, engine = make_network(), Engine("cpu", "float32")

    body = extractor_for(network, find_head(network), tmp_path, engine)

    assert (body.engine, body.autotuned) == (engine, True)


def test_a_short_run_measures_nothing(
    make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path
) -> None:
    network = make_network()
    body = extractor_for(network, find_head(network), tmp_path)

    autotune(body, make_images(4), tmp_path, left_s=0.1)

    assert body.autotuned
    assert not list(tmp_path.iterdir())


def test_a_long_run_takes_the_fastest(
    make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    network = make_network()
    body = extractor_for(network, find_head(network), tmp_path)

    autotune(body, make_images(4), tmp_path, left_s=1e9)

    assert body.engine == remembered(network, body.site, tmp_path)


def test_a_damaged_memory_is_measured_anew(
    make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path
) -> None:
    network = make_network()
    site = find_head(network)
    measure(network, site, make_images(4), tmp_path)
    (tmp_path / "engines.json").write_text("{")

    assert remembered(network, site, tmp_path) is None


def test_another_machine_remembers_nothing(
    make_network: MakeNetwork, make_images: MakeImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network()
    site = find_head(network)
    measure(network, site, make_images(4), tmp_path)
    monkeypatch.setattr(choice, "machine_text", lambda: "another, 2 cores")

    assert remembered(network, site, tmp_path) is None
