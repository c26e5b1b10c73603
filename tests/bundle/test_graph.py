from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn.functional import interpolate

from headswap.bundle.heatmap import heat_of
from headswap.bundle.predictor import load_bundle
from headswap.data.transforms import to_float
from headswap.exports.graph import DeployedNetwork
from headswap.exports.onnx import write_onnx
from tests.bundle.conftest import Untaught


@pytest.mark.parametrize("head", ["last", "wide"])
def test_the_graph_says_everything_that_the_bundle_says(
    head: str, bundle: Path, wide_bundle: Path, sample: Path, tmp_path: Path
) -> None:
    loaded = load_bundle(bundle if head == "last" else wide_bundle)
    pictures = sorted((sample / "try").iterdir())[:4]

    outputs = write_onnx(loaded, tmp_path / "web.onnx", for_web=True)

    assert outputs == ("probabilities", "unlike", "places")
    session = onnxruntime.InferenceSession(tmp_path / "web.onnx", providers=["CPUExecutionProvider"])
    for picture in pictures:
        seen, expected = loaded.prepare(picture), loaded.predict(picture)
        given = {"pictures": to_float(seen[None], loaded.card.input)}
        shares, unlike, places = session.run(list(outputs), given)
        label = loaded.classes.index(expected.label)
        for name, share in zip(loaded.classes, shares[0], strict=True):
            assert share == pytest.approx(expected.probabilities[name], abs=1e-5)
        assert unlike[0] == pytest.approx(expected.ood_score, abs=1e-4)
        assert np.abs(smooth(places[0, label], seen.shape[:2]) - heat_of(loaded, seen, label)).max() < 1e-3


def smooth(spoken: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As the heat map of headswap is smoothed and scaled."""
    found = torch.from_numpy(spoken)
    for_it = found.clamp_min(0) if found.max() > 0 else found - found.min()
    wide = interpolate(for_it[None, None], size, mode="bicubic")[0, 0].clamp_min(0)
    return (wide / wide.max()).numpy()


@pytest.mark.parametrize("model", ["timm/test_vit", "timm/deit_tiny_distilled_patch16_224", "squeezenet1_1"])
def test_where_a_heat_map_needs_a_gradient_there_is_none(model: str, untaught: Untaught) -> None:
    assert "places" not in DeployedNetwork(load_bundle(untaught(model)), with_heat=True).outputs


def test_many_images_are_asked_at_once(bundle: Path, sample: Path, tmp_path: Path) -> None:
    loaded = load_bundle(bundle)
    pictures = sorted((sample / "try").iterdir())[:5]

    outputs = write_onnx(loaded, tmp_path / "model.onnx")

    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    seen = np.stack([loaded.prepare(picture) for picture in pictures])
    shares, unlike = session.run(list(outputs), {"pictures": to_float(seen, loaded.card.input)})
    assert shares.shape == (5, 3)
    expected = [one.ood_score for one in loaded.predict_many(pictures)]
    assert unlike == pytest.approx(expected, abs=1e-4)
