"""Image classifiers of transformers: found, swapped, their config kept true, saved and loaded again."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from headswap.errors import HeadNotFound
from headswap.heads.detect import find_head
from headswap.heads.swap import swap_head
from tests.heads.families import WithoutNumbers

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

TINY: dict[str, dict[str, Any]] = {
    "ViTForImageClassification": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "image_size": 32,
        "patch_size": 8,
    },
    "ResNetForImageClassification": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    "ConvNextForImageClassification": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
    "DeiTForImageClassificationWithTeacher": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "image_size": 32,
        "patch_size": 8,
    },
    "MobileNetV2ForImageClassification": {"depth_multiplier": 0.35, "image_size": 64},
}
HEADS = {
    "ViTForImageClassification": ("classifier",),
    "ResNetForImageClassification": ("classifier.1",),
    "ConvNextForImageClassification": ("classifier",),
    "DeiTForImageClassificationWithTeacher": ("cls_classifier", "distillation_classifier"),
    "MobileNetV2ForImageClassification": ("classifier",),
}


def tiny(name: str, labels: int = 10) -> Any:
    builder = getattr(transformers, name)
    torch.manual_seed(0)
    return builder(builder.config_class(num_labels=labels, **TINY[name])).eval()


@pytest.mark.parametrize("name", TINY)
def test_the_config_follows_the_head_and_comes_back(name: str) -> None:
    net = tiny(name)
    labels, ids = dict(net.config.id2label), dict(net.config.label2id)

    record = swap_head(net, 4)

    assert record.old_site.paths == HEADS[name]
    assert net.config.num_labels == net.num_labels == 4
    assert net.config.id2label == {number: f"LABEL_{number}" for number in range(4)}
    assert net.config.label2id == {f"LABEL_{number}": number for number in range(4)}
    record.undo()
    assert (net.config.id2label, net.config.label2id) == (labels, ids)
    assert net.config.num_labels == net.num_labels == 10


@pytest.mark.parametrize("name", [name for name in TINY if "Teacher" not in name])
def test_the_networks_own_loss_is_right_after_the_swap(name: str) -> None:
    net = tiny(name)
    size = find_head(net).input_size
    swap_head(net, 4, init_std=0.5)
    images, labels = torch.rand(3, *size), torch.tensor([0, 3, 1])

    answer = net(pixel_values=images, labels=labels)

    assert answer.logits.shape == (3, 4)
    torch.testing.assert_close(answer.loss, nn.functional.cross_entropy(answer.logits, labels))


def test_the_loss_is_right_for_another_count_than_the_first_one() -> None:
    net = tiny("ViTForImageClassification", labels=2)
    net(pixel_values=torch.rand(1, 3, 32, 32), labels=torch.tensor([1]))  # settles the problem type

    swap_head(net, 7)

    answer = net(pixel_values=torch.rand(2, 3, 32, 32), labels=torch.tensor([6, 0]))
    torch.testing.assert_close(answer.loss, nn.functional.cross_entropy(answer.logits, torch.tensor([6, 0])))


def test_a_regression_turned_into_a_classifier_gets_a_classifiers_loss() -> None:
    net = tiny("ViTForImageClassification", labels=1)
    net(pixel_values=torch.rand(1, 3, 32, 32), labels=torch.tensor([0.5]))
    net.config.problem_type = "regression"

    record = swap_head(net, 3)

    answer = net(pixel_values=torch.rand(2, 3, 32, 32), labels=torch.tensor([2, 0]))
    torch.testing.assert_close(answer.loss, nn.functional.cross_entropy(answer.logits, torch.tensor([2, 0])))
    record.undo()
    assert net.config.problem_type == "regression"


@pytest.mark.parametrize("name", TINY)
def test_a_swapped_network_is_saved_and_loaded_again(name: str, tmp_path: Path) -> None:
    net = tiny(name)
    size = find_head(net).input_size
    swap_head(net, 4)
    net.config.id2label = dict(enumerate(["ant", "bee", "cat", "dog"]))

    net.save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = type(net).from_pretrained(tmp_path).eval()

    images = torch.rand(2, *size)
    torch.testing.assert_close(again(images).logits, net(images).logits)
    assert again.config.id2label[3] == "dog"


def test_an_encoder_of_transformers_is_refused() -> None:
    config = transformers.ViTConfig(**TINY["ViTForImageClassification"])

    with pytest.raises(HeadNotFound, match=r"gives features \(`last_hidden_state`, `pooler_output`\)"):
        find_head(transformers.ViTModel(config))


def test_an_embedding_model_is_refused() -> None:
    config = transformers.CLIPVisionConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
    )

    with pytest.raises(HeadNotFound, match=r"gives features \(`image_embeds`"):
        find_head(transformers.CLIPVisionModelWithProjection(config))


def every_class() -> list[str]:
    return sorted(name for name in dir(transformers) if name.endswith("ForImageClassification"))


@pytest.mark.slow
@pytest.mark.parametrize("name", every_class())
def test_every_class_that_takes_an_image_is_right(name: str) -> None:
    """Those that cannot be built from their default configuration, or take no picture, are left out."""
    builder = getattr(transformers, name)

    def build(labels: int) -> Any:
        with torch.device("meta"), WithoutNumbers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return builder(builder.config_class(num_labels=labels))

    try:
        net, other = build(10), build(9)
    except (ImportError, ValueError, AttributeError) as error:
        pytest.skip(f"cannot be built here: {error}"[:100])
    if net.main_input_name != "pixel_values" or "spatial_shapes" in inspect.signature(net.forward).parameters:
        pytest.skip("takes no picture")
    shapes = {key: value.shape for key, value in other.named_parameters()}
    truth = {key for key, value in net.named_parameters() if value.shape != shapes[key]}

    record = swap_head(net, 3)

    places = tuple(f"{path}." for path in (*record.site.all_paths, *record.site.tail_paths))
    assert {key for key, _ in net.named_parameters() if f"{key}.".startswith(places)} == truth
    assert net.config.num_labels == 3
