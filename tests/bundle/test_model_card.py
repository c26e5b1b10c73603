from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from headswap.bundle.format import read_card, read_dataset, read_report
from headswap.evaluation.report import LabelIssue, Shortcut
from headswap.exports.model_card import CardFacts, model_card, plain, requirements
from headswap.exports.parity import Route, check_of


@pytest.fixture
def facts(bundle: Path) -> CardFacts:
    ways = [
        Route(name="predict.py", images=16, same=16, largest_difference=2e-6),
        Route(name="model.onnx", problem="ONNX holds 2 GB in one file, and this network is larger."),
    ]
    return CardFacts(
        title="My <b>drawings", card=read_card(bundle), report=read_report(bundle),
        manifest=read_dataset(bundle), check=check_of(ways, []),
    )  # fmt: skip


def test_the_hub_reads_its_task_library_licence_and_accuracy(facts: CardFacts) -> None:
    awkward = replace(facts, title='mugs: "red" & blue\n---\n# no')

    data: Any = ModelCard(model_card(awkward)).data

    assert data.pipeline_tag == "image-classification"
    assert (data.library_name, data.license) == ("headswap", "apache-2.0")
    assert data.model_name == awkward.title
    (judged,) = data.eval_results or []
    assert judged.metric_value == pytest.approx(facts.report.accuracy, abs=1e-4)


def test_it_says_what_it_is_how_good_and_what_it_was_taught_on(facts: CardFacts) -> None:
    text = model_card(facts)

    assert "\n---\n\n# My &lt;b>drawings\n" in text
    assert "`tf_efficientnet_lite0` of timm" in text
    assert "the true figure is probably" in text
    assert "| bird | 8 |" in text
    assert "24 pictures:" in text
    assert "| predict.py | 16 of 16 | 2.0e-06 |" in text
    assert "| model.onnx | not run | ONNX holds 2 GB" in text
    assert "predict_onnx.py picture.jpg" not in text
    assert "licence of the pretrained weights is" in text
    assert "torch 2" in text


def test_shortcuts_and_doubted_labels_are_told(facts: CardFacts) -> None:
    report = replace(
        facts.report,
        label_issues=(LabelIssue(file="bird/a|b.png", sha256="0", label=0, suggested=1, sure=0.9),),
        shortcuts=(Shortcut(name="brightness", lesson="it may have learned darkness.", right=20, total=24),),
    )

    text = model_card(replace(facts, report=report))

    assert "- bird/a\\|b.png: sorted as bird, looks like fruit" in text
    assert "told by brightness alone in 20 of 24 pictures: it may have learned darkness." in text


def test_a_hostile_name_stays_text() -> None:
    assert plain("<img src=x>\n|\u202e&") == "&lt;img src=x> \\|&amp;"


def test_the_requirements_are_the_network_s_own_library_and_no_headswap(facts: CardFacts) -> None:
    lines = requirements(facts.card).splitlines()

    needed = [line.split(">=")[0] for line in lines if not line.startswith("#")]
    assert needed == ["torch", "timm", "numpy", "pillow"]
    assert not any("+" in line for line in lines)  # "2.13.0+cpu" is on no index
