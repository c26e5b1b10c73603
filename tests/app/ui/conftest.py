"""Small, complete records for the drawings: one hostile class name among them."""

from __future__ import annotations

import pytest

from headswap.data.manifest import Finding, ImageRecord, Manifest, SkippedFile
from headswap.evaluation.report import Advice, Calibration, LabelIssue, Report, TestAnswer
from headswap.heads.site import Candidate, HeadLayer, HeadSite
from headswap.network import InputSpec, NetworkCard, Weights
from headswap.pipeline.inspect import BackboneBlock, Inspection

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def hostile() -> str:
    return HOSTILE


@pytest.fixture
def card() -> NetworkCard:
    weights = Weights(state="to fetch", size_bytes=102_500_000)
    return NetworkCard(
        name="resnet50", zoo="torchvision", input=InputSpec(), weights=weights, parameters=25_557_032,
        num_classes=1000,
    )  # fmt: skip


@pytest.fixture
def inspection(card: NetworkCard) -> Inspection:
    site = HeadSite(
        layers=(HeadLayer(path="fc", kind="Linear", in_features=2048),), num_classes=1000,
        input_size=(3, 224, 224),
        evidence=("Its answers came straight out of fc.",),
        candidates=(Candidate(path="conv1", kind="Conv2d", shape=(64, 3, 7, 7), reason="it is the first"),),
    )  # fmt: skip
    stages = tuple(
        BackboneBlock(path=f"layer{i}", kind="Sequential", parameters=1000 * i) for i in range(1, 13)
    )
    return Inspection(
        card=card, site=site, stages=stages, backbone_parameters=23_508_032, head_parameters=2_049_000,
        class_names=("tench, Tinca tinca", "goldfish", HOSTILE), seconds=0.3,
    )  # fmt: skip


@pytest.fixture
def manifest() -> Manifest:
    images = tuple(
        ImageRecord(
            file=f"{name}/{i}.png", source=f"{name}/{i}.png", class_name=name, sha256=f"{len(name)}-{i}",
            width=9, height=9, fingerprint="0" * 64, brightness=0.5, part="test" if i == 0 else "train",
        )
        for name in (HOSTILE, "mug")
        for i in range(12)
    )  # fmt: skip
    return Manifest(
        name="pens", root="/nowhere", classes=(HOSTILE, "mug"), images=images,
        left_out=(SkippedFile(file="notes<b>.txt", reason="It is not a picture."),),
        findings=(Finding(code="few", sentence="Few pictures. Add some.", files=("mug/1.png", "gone.png")),),
    )  # fmt: skip


@pytest.fixture
def report() -> Report:
    answers = (
        TestAnswer(file="a.png", sha256="a", truth=0, probabilities=(0.9, 0.1)),
        TestAnswer(file="b.png", sha256="b", truth=0, probabilities=(0.3, 0.7)),
        TestAnswer(file="c.png", sha256="c", truth=1, probabilities=(0.4, 0.6)),
    )
    return Report(
        classes=(HOSTILE, "mug"), method="exam", answers=answers, right=2, total=3, accuracy=2 / 3,
        interval=(0.21, 0.94), baseline_class=HOSTILE, baseline_accuracy=2 / 3, train_right=9,
        train_total=9, class_scores=(), confusion=((1, 1), (0, 1)),
        calibration=Calibration(temperature=1.1, error_before=0.2, error_after=0.1),
        label_issues=(LabelIssue(file="d.png", sha256="d", label=0, suggested=1, sure=0.7),),
        advice=(Advice(code="mixed", sentence="Add <pictures>."),),
    )  # fmt: skip
