"""The zip, made for real: every program in it run without headswap, and the differences measured."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import headswap
from headswap.data.manifest import Manifest
from headswap.errors import BadUpload
from headswap.exports.package import located, read_check, take_home, zip_name
from headswap.exports.parity import BOUND, ParityCheck
from tests.bundle.conftest import Untaught

WITHOUT_HEADSWAP = """
import json, runpy, sys
sys.modules["headswap"] = None
for sys.argv in json.loads(sys.argv[1]):
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        for stream in (sys.stdout, sys.stderr):
            print(end="\\0", file=stream, flush=True)
        print(ended.code, end="\\0", flush=True)
"""


@pytest.fixture(scope="module")
def packed(
    bundle: Path, few_images: Manifest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ParityCheck]:
    target = tmp_path_factory.mktemp("home") / "drawings.zip"
    return target, take_home(bundle, target, manifest=few_images)


@pytest.fixture(scope="module")
def unpacked(packed: tuple[Path, ParityCheck], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("elsewhere")
    with zipfile.ZipFile(packed[0]) as archive:
        for name in archive.namelist():
            archive.extract(name, place)
    return place / "drawings"


@dataclass(frozen=True)
class Said:
    """How a program of the zip ended, and what it wrote."""

    code: int
    out: bytes
    err: bytes


def ask(folder: Path, *commands: str, encoding: str = "utf-8") -> list[Said]:
    """Run programs of the zip one after the other, in one process: what each imports is dear."""
    lines = json.dumps([command.split() for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HEADSWAP, lines],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    out, err = (stream.split(b"\0")[:-1] for stream in (done.stdout, done.stderr))
    return [Said(int(code), told, wrong) for told, code, wrong in zip(out[::2], out[1::2], err, strict=True)]


def test_all_ways_agree_within_the_bound_on_images_of_every_kind(packed: tuple[Path, ParityCheck]) -> None:
    check = packed[1]

    assert check.agree
    assert len(check.images) == 10
    assert len(check.drawings) == 6
    assert [way.name for way in check.routes] == ["bundle", "predict.py", "model.onnx"]
    for way in check.routes:
        assert way.problem == ""
        assert (way.same, way.images) == (16, 16)
        assert way.largest_difference is not None
        assert way.largest_difference < BOUND / 10
    assert read_check(packed[0]) == check


def test_the_zip_holds_what_it_promises_the_same_bytes_every_time_and_nothing_that_a_stranger_put_there(
    packed: tuple[Path, ParityCheck], bundle: Path, few_images: Manifest, tmp_path: Path, unpacked: Path
) -> None:
    planted = Path(shutil.copytree(bundle, tmp_path / "planted"))
    for name in ("numpy.py", "PIL.py", "json.py", "sitecustomize.py"):
        (planted / name).write_text(f"open({str(tmp_path / 'was run')!r}, 'a').write('{name}')")

    check = take_home(planted, tmp_path / "drawings.zip", manifest=few_images)

    assert not (tmp_path / "was run").exists()
    assert all(way.problem == "" for way in check.routes)
    with zipfile.ZipFile(tmp_path / "drawings.zip") as again:
        inside_again = {Path(name).name for name in again.namelist()}
    assert not inside_again & {"numpy.py", "PIL.py", "json.py", "sitecustomize.py"}
    assert (tmp_path / "drawings.zip").read_bytes() == packed[0].read_bytes()
    names = {path.name for path in unpacked.iterdir()}
    assert names >= {
        "README.md", "weights.safetensors", "labels.json", "preprocessing.json", "network.json", "predict.py",
        "predict_onnx.py", "pictures.py", "decoding_memory.py", "netpbm.py", "rgb.py", "requirements.txt",
        "model.onnx", "check.json", "check",
    }  # fmt: skip
    assert json.loads((unpacked / "labels.json").read_text()) == ["bird", "fruit", "vehicle"]
    inside = [path for path in unpacked.rglob("*") if path.is_file() and path.suffix != ".safetensors"]
    everything = b"".join(path.read_bytes() for path in inside)
    assert str(Path.home()).encode() + b"/" not in everything
    assert few_images.root.encode() not in everything


@pytest.fixture(scope="module")
def polish(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a class, and with a picture, whose name the encoding of some pipes lacks."""
    folder = Path(shutil.copytree(unpacked, tmp_path_factory.mktemp("polish") / "drawings"))
    (folder / "labels.json").write_text(json.dumps(["Łódź", "fruit", "vehicle"]), encoding="utf-8")
    shutil.copyfile(folder / "check" / "exam-01.png", folder / "żółw.png")
    return folder


def test_a_stranger_asks_predict_py_about_one_image_several_and_a_folder(polish: Path) -> None:
    one, many = ask(polish, "predict.py żółw.png", "predict.py check README.md --json", encoding="cp1252")

    assert one.code == 0, one.err
    told = one.out.decode("cp1252").splitlines()
    assert sorted(line.split()[0] for line in told) == ["\\u0141ód\\u017a", "fruit", "vehicle"]
    assert told[0].endswith(" %")
    said = json.loads(many.out)
    assert len(said["predictions"]) == 16
    assert "README.md is not a picture" in said["left_out"][0]["reason"]


def test_a_class_that_the_encoding_of_a_pipe_lacks_is_escaped_and_ends_no_program(polish: Path) -> None:
    plain, record = ask(
        polish, "predict_onnx.py żółw.png", "predict_onnx.py --json żółw.png", encoding="cp1252"
    )

    assert (plain.code, record.code) == (0, 0)
    assert "\\u0141ód\\u017a" in plain.out.decode("cp1252")
    (said,) = json.loads(record.out.decode("ascii"))["predictions"]
    assert (said["file"], "Łódź" in said["probabilities"]) == ("żółw.png", True)


def test_mistakes_are_one_sentence(unpacked: Path) -> None:
    nothing, some = ask(
        unpacked, "predict_onnx.py nothing.png", "predict_onnx.py nothing.png check/rotated.jpg"
    )

    assert nothing.code == 2
    assert nothing.err.decode().strip() == (
        "nothing.png cannot be read: No such file or directory. Give the path of a picture."
    )
    assert some.code == 3
    assert b"check/rotated.jpg" not in some.err
    assert some.out


def test_headswap_opens_the_zip_and_the_unpacked_folder_like_any_bundle(
    packed: tuple[Path, ParityCheck], unpacked: Path
) -> None:
    expected = packed[1].images[0]

    for place in (packed[0], unpacked):
        said = headswap.load_bundle(place).predict(unpacked / expected.file)
        assert said.label == expected.label


def test_openvino_is_written_run_and_compared_on_wish_and_without_onnx_nothing_of_it_is_in_the_zip(
    untaught: Untaught, tmp_path: Path
) -> None:
    check = headswap.export(untaught("timm/test_vit"), tmp_path / "o.zip", form="openvino", onnx=False)

    assert [way.name for way in check.routes] == ["bundle", "predict.py", "model.xml"]
    assert check.agree
    route = check.routes[-1]
    assert route.agrees
    assert route.largest_difference is not None
    assert route.largest_difference < 1e-4
    with zipfile.ZipFile(tmp_path / "o.zip") as packed:
        names = {name.partition("/")[2] for name in packed.namelist()}
        assert "python predict_openvino.py picture.jpg" in packed.read("o/README.md").decode()
    assert {"model.xml", "model.bin", "predict_openvino.py"} <= names
    assert not [name for name in names if "onnx" in name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        "squeezenet1_1",
        pytest.param("googlenet", marks=pytest.mark.thorough),
        pytest.param("timm/deit_tiny_distilled_patch16_224", marks=pytest.mark.thorough),
        pytest.param("MobileViTForImageClassification", marks=pytest.mark.thorough),
    ],
)
def test_networks_of_every_zoo_agree(model: str, untaught: Untaught, tmp_path: Path) -> None:
    check = take_home(untaught(model), tmp_path / "o.zip")

    assert [(way.name, way.problem, way.agrees) for way in check.routes] == [
        ("bundle", "", True), ("predict.py", "", True), ("model.onnx", "", True),
    ]  # fmt: skip


def test_a_network_of_ones_own_code_needs_that_file_beside_predict_py(
    untaught: Untaught, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from torch import nn\n\ndef small(num_classes=5):\n    return nn.Sequential(\n"
    code += "        nn.Conv2d(3, 4, 9, 8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),\n"
    code += "        nn.Linear(4, num_classes))\n"
    (tmp_path / "my_network.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    place = untaught("my_network:small")

    check = take_home(place, tmp_path / "o.zip", allow_code=True)

    bundle_route, script, onnx = check.routes
    assert bundle_route.agrees
    assert (
        script.problem
        == "Python cannot find my_network. Put the file that defines my_network:small next to predict.py."
    )
    assert onnx.agrees
    with zipfile.ZipFile(tmp_path / "o.zip") as archive:
        assert b"put `my_network.py` next to `predict.py`" in archive.read("o/README.md")
        archive.extractall(tmp_path / "out")
    (tmp_path / "out" / "o" / "my_network.py").write_text(code)
    (alone,) = ask(tmp_path / "out" / "o", "predict.py check/palette.png")
    assert alone.code == 0, alone.err


def test_the_images_are_found_again_by_their_content(
    few_images: Manifest, few_drawings: Path, tmp_path: Path
) -> None:
    assert len(located(few_images, few_drawings).images) == 24
    with pytest.raises(BadUpload, match="None of the pictures"):
        located(few_images, tmp_path)


@pytest.mark.parametrize(
    ("title", "model", "name"),
    [
        (
            "Four kinds of drawings",
            "timm/tf_efficientnet_lite0",
            "four-kinds-of-drawings-tf_efficientnet_lite0",
        ),
        ("../..\\ <b>", "own/a.b:small", "b-small"),
        ("Größe", "torchvision/resnet18", "größe-resnet18"),
        ("", "", "headswap"),
    ],
)
def test_the_zip_is_named_after_project_and_network(title: str, model: str, name: str) -> None:
    assert zip_name(title, model) == name
