from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch

from headswap.errors import WeightsDamaged, WeightsNotHere
from headswap.events import silent
from headswap.zoos import hub, transformers_classes, transformers_zoo
from headswap.zoos.catalogue import list_networks
from headswap.zoos.transformers_zoo import TransformersZoo
from headswap.zoos.zoo import ZooSettings

transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")

NAME = "MobileNetV2ForImageClassification"


@pytest.fixture
def offline(tmp_path: Path) -> TransformersZoo:
    return TransformersZoo(ZooSettings(cache=tmp_path, offline=True))


@pytest.fixture
def saved(tmp_path: Path):
    """A small network of three classes, written by save_pretrained."""
    config = transformers.MobileNetV2Config(
        num_labels=3, id2label={0: "ant", 1: "bee", 2: "cat"}, depth_multiplier=0.35, image_size=96
    )
    module = transformers.MobileNetV2ForImageClassification(config)
    folder = tmp_path / "saved"
    module.save_pretrained(folder)
    transformers.MobileNetV2ImageProcessorPil(
        size={"shortest_edge": 110}, crop_size={"height": 96, "width": 96}
    ).save_pretrained(folder)
    return folder, module


def test_a_folder_written_by_save_pretrained_is_loaded_with_its_labels_and_preprocessing(
    offline: TransformersZoo, tmp_path: Path, saved, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, module = saved
    shutil.copytree(folder, tmp_path / "transformers" / NAME)

    capfd.readouterr()
    network = offline.load(NAME, silent)

    assert capfd.readouterr().err == ""  # no bars, no remarks: the shell's own are enough
    assert offline.describe(NAME).weights.text == "on this machine"
    assert network.class_names == ("ant", "bee", "cat")
    assert network.card.num_classes == 3
    assert (network.input.size, network.input.resize_px) == ((3, 96, 96), 110)
    assert not network.head_is_new
    again = offline.build(NAME, num_classes=5, variant=network.card.variant, device="meta").module
    assert again.config.depth_multiplier == 0.35
    assert again.classifier.out_features == 5
    theirs = module.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in network.module.state_dict().items())


def test_a_checkpoint_without_a_head_gets_a_new_one_and_says_so(
    offline: TransformersZoo, tmp_path: Path, saved
) -> None:
    folder, module = saved
    shutil.copytree(folder, tmp_path / "transformers" / NAME)
    module.mobilenet_v2.save_pretrained(tmp_path / "transformers" / NAME)

    network = offline.load(NAME, silent)

    assert network.head_is_new
    assert network.class_names == ()
    assert network.card.num_classes == 0


def test_a_body_with_holes_is_refused(offline: TransformersZoo, tmp_path: Path, saved) -> None:
    from safetensors.torch import load_file, save_file

    place = tmp_path / "transformers" / NAME
    shutil.copytree(saved[0], place)
    state = load_file(place / "model.safetensors")
    gone = next(name for name in state if name.startswith("mobilenet_v2."))
    del state[gone]
    save_file(state, place / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(
        WeightsDamaged, match=r"does not fit MobileNetV2ForImageClassification: it lacks mobilenet"
    ):
        offline.load(NAME, silent)


def test_a_damaged_file_is_refused(offline: TransformersZoo, tmp_path: Path, saved) -> None:
    place = tmp_path / "transformers" / NAME
    shutil.copytree(saved[0], place)
    (place / "model.safetensors").write_bytes((place / "model.safetensors").read_bytes()[:5000])

    with pytest.raises(
        WeightsDamaged, match=r"cannot be read as the weights of MobileNetV2.*download it again"
    ):
        offline.load(NAME, silent)


def test_a_folder_of_another_class_is_refused(offline: TransformersZoo, tmp_path: Path, saved) -> None:
    shutil.copytree(saved[0], tmp_path / "transformers" / "ViTForImageClassification")

    with pytest.raises(WeightsNotHere, match=r"are of another network \(mobilenet_v2\).*save_pretrained"):
        offline.load("ViTForImageClassification", silent)


def test_the_documented_checkpoint_is_fetched_once(hub_shelf, tmp_path: Path, saved) -> None:
    repository = TransformersZoo()._offered[NAME].repository
    for path in saved[0].iterdir():
        hub_shelf.files[f"/{repository}/resolve/main/{path.name}"] = path.read_bytes()
    zoo = TransformersZoo(ZooSettings(cache=tmp_path / "cache"))
    before = zoo.describe(NAME).weights.text

    network = zoo.load(NAME, silent)

    assert before == "to be downloaded (size not stated)"
    assert zoo.describe(NAME).weights.state == "here"
    assert network.class_names == ("ant", "bee", "cat")
    assert hub.cached_repositories() == {repository}


def test_a_documented_checkpoint_of_another_network_costs_a_kilobyte_and_is_refused(
    hub_shelf, tmp_path: Path
) -> None:
    repository = TransformersZoo()._offered[NAME].repository
    hub_shelf.files[f"/{repository}/resolve/main/config.json"] = json.dumps({"model_type": "llama"}).encode()

    with pytest.raises(WeightsNotHere, match=r"are of another network \(llama\)"):
        TransformersZoo(ZooSettings(cache=tmp_path / "cache")).load(NAME, silent)

    assert not any("safetensors" in asked for asked in hub_shelf.asked)


@pytest.mark.parametrize(
    "key",
    ["attn_implementation", "_attn_implementation", "auto_map", "quantization_config", "use_kernels", "dtype",
     "torch_dtype", "backbone", "backbone_config", "use_timm_backbone", "_name_or_path", "return_dict",
     "torchscript", "architectures", "a key of tomorrow"],
)  # fmt: skip
def test_of_a_configuration_from_outside_only_what_the_class_itself_names_is_read(
    offline: TransformersZoo, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[dict[str, object]] = []
    real = transformers.MobileNetV2Config.from_dict
    monkeypatch.setattr(
        transformers.MobileNetV2Config,
        "from_dict",
        lambda said, **more: read.append(said) or real(said, **more),
    )
    variant = {"depth_multiplier": 0.35, "id2label": {"0": "ant", "1": "bee"}, key: "someone/code"}

    module = offline.build(NAME, variant=json.dumps(variant), device="meta").module

    assert read == [{"depth_multiplier": 0.35, "id2label": {"0": "ant", "1": "bee"}}]
    assert module.config.num_labels == 2


def test_a_configuration_inside_a_configuration_is_read_in_the_same_way() -> None:
    said = {
        "vision_config": {"hidden_size": 32, "auto_map": {"AutoModel": "x.y"}, "_attn_implementation": "x/y"},
        "text_config_dict": {"hidden_size": 7},
        "projection_dim": [{"auto_map": 1}],
        "num_labels": 3,
    }

    kept = transformers_zoo._of_the_class(said, transformers_zoo._own_settings("CLIPForImageClassification"))

    assert kept == {"vision_config": {"hidden_size": 32}, "num_labels": 3}


def test_what_a_checkpoint_of_each_class_says_of_itself_is_read_as_a_whole() -> None:
    for name in TransformersZoo().names():
        own = transformers_zoo._own_settings(name)
        config = transformers_classes.default_config(name, num_labels=3)
        said = json.loads(config.to_json_string(use_diff=False))

        again = transformers_zoo._config(name, None, json.dumps(said))

        left = {key for key in own if again.to_dict().get(key) != config.to_dict().get(key)}
        assert not left, (name, left)
        assert again.num_labels == 3, name


def test_the_loss_of_a_built_network_follows_its_number_of_classes() -> None:
    network = TransformersZoo().build(NAME, num_classes=4)

    with torch.no_grad():
        out = network.module(torch.zeros(2, *network.input.size), labels=torch.tensor([0, 3]))

    assert out.logits.shape == (2, 4)
    assert network.module.config.num_labels == 4
    assert torch.isfinite(out.loss)


def test_every_class_builds_on_meta_and_takes_an_image_of_its_size() -> None:
    zoo = TransformersZoo()

    for name in zoo.names():
        network = zoo.build(name, num_classes=7, device="meta")
        assert any(7 in parameter.shape for parameter in network.module.parameters()), name
        assert zoo.describe(name).parameters in (None, zoo.count_parameters(name))


LISTED_AGAIN = """
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from headswap.zoos.catalogue import list_networks
from headswap.zoos.zoo import ZooSettings

cards = list_networks("transformers/*", settings=ZooSettings(cache=Path(sys.argv[1]), offline=True))
assert "transformers" not in sys.modules
print(*(f"{card.name} {card.input.height} {card.weights.source}" for card in cards), sep="\\n")
"""


def test_what_the_library_states_is_asked_once_for_each_version(tmp_path: Path) -> None:
    cards = list_networks("transformers/*", settings=ZooSettings(cache=tmp_path, offline=True))

    done = subprocess.run(
        [sys.executable, "-c", LISTED_AGAIN, str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert len(cards) > 30
    assert done.stdout.splitlines() == [
        f"{card.name} {card.input.height} {card.weights.source}" for card in cards
    ]


def test_a_library_without_a_version_is_asked_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(package: str) -> str:
        raise PackageNotFoundError(package)

    whole = transformers_classes.offered_classes(tmp_path / "kept")
    monkeypatch.setattr(transformers_classes, "version", unknown)

    assert transformers_classes.offered_classes(tmp_path / "not kept") == whole
    assert not (tmp_path / "not kept").exists()


def test_a_kept_answer_that_is_damaged_or_cannot_be_kept_is_asked_again(tmp_path: Path) -> None:
    whole = transformers_classes.offered_classes(tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_text(kept.read_text()[:1000])
    (tmp_path / "a file").touch()

    transformers_classes._kept_in.cache_clear()
    assert transformers_classes.offered_classes(tmp_path / "kept") == whole
    assert transformers_classes.offered_classes(tmp_path / "a file") == whole
    transformers_classes._kept_in.cache_clear()
    assert transformers_classes.offered_classes(tmp_path / "kept") == whole
    assert kept.stat().st_size > 1000
