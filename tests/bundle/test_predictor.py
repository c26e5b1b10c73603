"""What a prediction says in addition to the class, on a bundle trained with real weights."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headswap
from headswap.bundle.format import REFERENCE, pack, read_dataset
from headswap.evaluation.metrics import softmax
from headswap.storage.files import SEAL, sealed_folder


def test_a_train_image_is_its_own_nearest_and_nothing_strange(bundle: Path, few_drawings: Path) -> None:
    loaded = headswap.load_bundle(bundle)
    remembered = set(loaded.reference.sha256s) if loaded.reference else set()

    own = [
        path
        for path in sorted(few_drawings.rglob("*.png"))
        if hashlib.sha256(path.read_bytes()).hexdigest() in remembered
    ]
    predictions = list(loaded.predict_many(own))

    assert len(own) >= 15
    for path, prediction in zip(own, predictions, strict=True):
        assert prediction.nearest[0] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert prediction.ood_score is not None
        assert not prediction.is_ood


def test_noise_is_unlike_all_drawings(bundle: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)

    assert headswap.load_bundle(bundle).predict(Image.fromarray(noise)).is_ood


def test_the_old_head_says_what_the_pretrained_network_would_have_said(bundle: Path, sample: Path) -> None:
    import torch

    from headswap.data.transforms import to_float

    image = sample / "try" / "vehicle_rocket.png"
    loaded = headswap.load_bundle(bundle)
    pretrained = headswap.load_network("tf_efficientnet_lite0")

    old = loaded.predict(image).old_head
    batch = torch.from_numpy(to_float(loaded.prepare(image)[None], pretrained.input))
    with torch.inference_mode():
        true = pretrained.module.eval()(batch).softmax(1)[0]

    assert old is not None
    assert len(old) == 5
    best = int(true.argmax())
    assert next(iter(old)) == pretrained.class_names[best]
    assert abs(next(iter(old.values())) - float(true[best])) < 0.02


def test_what_a_bundle_remembers_is_sealed_small_and_travels_in_the_zip(bundle: Path, tmp_path: Path) -> None:
    packed = pack(bundle, tmp_path / "b.zip")

    assert REFERENCE in (bundle / "seal.json").read_text()
    assert (bundle / REFERENCE).stat().st_size < 0.3 * (bundle / "weights.safetensors").stat().st_size
    assert headswap.load_bundle(packed).reference is not None


def test_a_bundle_is_no_surer_than_the_images_that_checked_it(bundle: Path, few_drawings: Path) -> None:
    trained = headswap.load_bundle(bundle)
    checked = sum(image.part == "train" for image in read_dataset(bundle).images)

    said = list(trained.predict_many(sorted(few_drawings.rglob("*.png"))))

    assert all(abs(sum(one.probabilities.values()) - 1) < 1e-9 for one in said)
    assert max(one.sure for one in said) <= (checked + 1) / (checked + 2)


def test_a_bundle_of_version_0_1_still_opens_and_says_what_it_said(
    bundle: Path, few_drawings: Path, tmp_path: Path
) -> None:
    with sealed_folder(tmp_path / "old") as draft:
        for file in bundle.iterdir():
            if file.name != SEAL:
                shutil.copy(file, draft)
        card = json.loads((draft / "bundle.json").read_text())
        del card["even_share"]
        (draft / "bundle.json").write_text(json.dumps(card))
        report = json.loads((draft / "report.json").read_text())
        del report["even_share"]
        report["advice"] = ["Add pictures.", "Stop."]
        (draft / "report.json").write_text(json.dumps(report))
    image = sorted(few_drawings.rglob("*.png"))[0]

    old = headswap.load_bundle(tmp_path / "old")

    assert [one.sentence for one in old.report.advice] == ["Add pictures.", "Stop."]
    prepared = old.prepare(image)[None]
    plain = softmax(old.logits(prepared) / old.card.temperature)[0]
    assert old.predict(image).sure == pytest.approx(plain.max(), abs=1e-5)
