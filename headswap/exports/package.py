"""One zip that predicts the same anywhere: laid out, written as ONNX, run, compared, packed.

Flow:  bundle --lay_out--> folder --write_onnx, run_script--> Ways --seal_up--> zip

    NAME/  README.md predict.py predict_onnx.py predict_openvino.py pictures.py requirements.txt
           decoding_memory.py netpbm.py rgb.py: headswap's own, as they are
           labels.json preprocessing.json network.json weights.safetensors model.onnx model.xml model.bin
           thresholds.json where an image may have several labels
           predict_litert.py model.tflite model_int8.tflite
           check.json check/*            and what the bundle itself holds

The same bundle, images and versions give the same bytes. headswap opens the zip like any bundle.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from headswap.bundle.format import KEPT, PARTS, opened, read_card, read_dataset, read_report
from headswap.bundle.kept import kept_images
from headswap.bundle.predictor import Bundle, load_bundle
from headswap.data.manifest import Manifest
from headswap.data.transforms import wanted_px
from headswap.errors import BadUpload
from headswap.events import Listener, Note, Progress, silent
from headswap.exports.edge_cases import draw_edge_cases
from headswap.exports.litert import NoLiteRt, write_judged_int8, write_litert
from headswap.exports.model_card import CardFacts, model_card, requirements
from headswap.exports.onnx import NoOnnx, write_onnx, write_openvino
from headswap.exports.parity import (
    ExpectedAnswer,
    ParityCheck,
    QuantizedCheck,
    Route,
    check_of,
    choose_images,
    compare_predictions,
    expect,
    run_script,
)
from headswap.exports.quantized import quantization_summary
from headswap.exports.rebuild import CannotRebuild, spec_of
from headswap.network import InputSpec
from headswap.storage.files import (
    from_json,
    remove,
    replacing,
    room_on,
    sha256_of,
    to_json,
    to_plain,
    write_text,
)

CHECK, NETWORK, IMAGES = "check.json", "network.json", "check"
PAGE: Final = "page"
BUNDLE: Final = "bundle"
SCRIPT: Final = "predict.py"
ONNX: Final = "model.onnx"
OPENVINO: Final = "model.xml"
LITERT: Final = "model.tflite"
INT8: Final = "model_int8.tflite"
# The programs in the zip; what needs nothing of headswap is carried as it is.
PROGRAMS: Final = {
    "headswap.exports.templates": (
        "pictures.py",
        "predict.py",
        "predict_onnx.py",
        "predict_openvino.py",
        "predict_litert.py",
    ),
    "headswap.data": ("decoding_memory.py", "netpbm.py", "rgb.py"),
}
_ENDING = re.compile(r"\.[a-z0-9]{2,5}")
_STORED = (".safetensors", ".onnx", ".png", ".jpg", ".jpeg", ".webp")  # they hardly shrink
_LONGEST_NAME = 60  # letters of each half


@dataclass(frozen=True, kw_only=True)
class LaidOut:
    """A folder with everything but what has to be measured."""

    folder: str
    expected: tuple[ExpectedAnswer, ...]
    problem: str = ""  # why predict.py cannot be run


def zip_name(title: str, model: str) -> str:
    """The stem of the zip's name: project and network."""
    halves = (title, model.rpartition("/")[2].rpartition(":")[2])
    return "-".join(filter(None, (_slug(half) for half in halves))) or "headswap"


def _slug(text: str) -> str:
    letters = "".join(letter if letter.isalnum() or letter in "_." else "-" for letter in text.lower())
    return re.sub(r"-+", "-", letters)[:_LONGEST_NAME].strip("-._")


def take_home(
    bundle: Path,
    target: Path,
    *,
    manifest: Manifest | None = None,
    onnx: bool = True,
    also: Literal["openvino", "litert"] | None = None,
    allow_code: bool = False,
    listener: Listener = silent,
) -> ParityCheck:
    """Make the zip of a bundle, and measure that everything in it agrees.

    Args:
        bundle: folder or zip.
        target: where the zip goes; what is there is replaced as a whole.
        manifest: the images it was trained on, where they still are; None: drawings only.
        onnx: whether to write model.onnx.
        also: one more format. "openvino": model.xml and model.bin; "litert": model.tflite and, where the
            test images are at hand, model_int8.tflite.
        allow_code: let a bundle that was trained on one's own code import it.
        listener: hears `Progress` of step "save" in parts.

    Raises:
        BundleDamaged, BadSetting, DiskFull; NoLiteRt where its extra is missing.
    """
    import tempfile

    short_lived = tempfile.TemporaryDirectory(prefix="headswap-", ignore_cleanup_errors=True)
    with opened(bundle) as source, short_lived as temporary:
        loaded = load_bundle(source, allow_code=allow_code)
        title = manifest.name if manifest else read_dataset(source).name
        listener(Progress("save", 0, 4, unit="parts"))
        laid = lay_out(source, loaded, Path(temporary) / target.stem, manifest)
        routes = [bundle_route(loaded, laid)]
        listener(Progress("save", 1, 4, unit="parts"))
        routes.append(script_route(laid))
        listener(Progress("save", 2, 4, unit="parts"))
        if onnx:
            routes.append(onnx_route(loaded, laid))
        int8 = None
        if also == "openvino":
            routes.append(openvino_route(loaded, laid))
        if also == "litert":
            found, int8 = litert_routes(loaded, laid, manifest, listener)
            routes.extend(found)
        listener(Progress("save", 3, 4, unit="parts"))
        check = seal_up(source, laid, routes, title=title, target=target, int8=int8)
        listener(Progress("save", 4, 4, unit="parts"))
        return check


def located(manifest: Manifest, data: Path) -> Manifest:
    """The same images where they lie now: a folder with the files' names as they were.

    Raises:
        BadUpload: none of them is there.
    """
    found = tuple(
        replace(one, source=one.file)
        for one in manifest.images
        if (data / one.file).is_file() and sha256_of(data / one.file) == one.sha256
    )
    if not found:
        raise BadUpload(
            f"None of the pictures that this bundle was taught on is in {data}.",
            remedy="Give the folder that was taught, unpacked and unchanged, or leave --pictures out.",
        )
    return replace(manifest, root=str(data), images=found)


def lay_out(source: Path, bundle: Bundle, folder: Path, manifest: Manifest | None) -> LaidOut:
    """Fill a new folder with the bundle's files, the programs, their settings and the images."""
    with room_on(folder.parent):
        (folder / IMAGES).mkdir(parents=True)
        for name in PARTS:  # whatever else a stranger put there would lie next to the programs
            if (source / name).is_file():
                _link(source / name, folder / name)
        for home, names in PROGRAMS.items():
            for name in names:
                write_text(folder / name, (files(home) / name).read_text(encoding="utf-8"))
        write_text(folder / "requirements.txt", requirements(bundle.card))
        write_text(folder / "labels.json", json.dumps(bundle.classes, ensure_ascii=False, indent=1))
        if bundle.card.is_multi_label:
            write_text(folder / "thresholds.json", json.dumps(bundle.card.thresholds, indent=1))
        write_text(folder / "preprocessing.json", _preprocessing(bundle.card.input))
        truths = _copy_images(folder / IMAGES, manifest)
        problem = ""
        try:
            write_text(folder / NETWORK, to_json(spec_of(bundle), indent=1))
        except CannotRebuild as error:
            problem = error.problem
    return LaidOut(folder=str(folder), expected=expect(bundle, folder, truths), problem=problem)


def _link(source: Path, target: Path) -> None:
    """The same file under a second name, where the disk can; a copy elsewhere."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _copy_images(folder: Path, manifest: Manifest | None) -> dict[str, str | None]:
    """Images of the data set, then drawings: {file in the zip's folder: class or None}."""
    truths: dict[str, str | None] = {}
    for number, image in enumerate(choose_images(manifest) if manifest else (), start=1):
        part = "exam" if image.part == "test" else "practice"
        ending = Path(image.file).suffix.lower()
        name = f"{part}-{number:02}{ending if _ENDING.fullmatch(ending) else ''}"
        if manifest is not None:
            shutil.copyfile(manifest.path(image), folder / name)
        truths[f"{IMAGES}/{name}"] = image.class_name
    return truths | {f"{IMAGES}/{path.name}": None for path in draw_edge_cases(folder)}


def _preprocessing(spec: InputSpec) -> str:
    """Every number that `pictures.py` needs, and the same in sentences for other programs."""
    record = to_plain(spec) | {"wanted_px": wanted_px(spec), "steps": _steps(spec)}
    return json.dumps(record, indent=1)


def _steps(spec: InputSpec) -> list[str]:
    least = 2 * max(wanted_px(spec), 256)
    size = f"{spec.width} x {spec.height}"
    if spec.crop_mode == "crop":
        resized = (
            f"Resize ({spec.interpolation}, antialiased) so that the shorter side is {spec.resize_px} px."
        )
    elif spec.crop_mode == "border":
        resized = f"Resize ({spec.interpolation}, antialiased) to fit into {size} px; fill up with the mean."
    else:
        height, width = spec.squash_px or (spec.height, spec.width)
        resized = f"Resize ({spec.interpolation}, antialiased) to {width} x {height} px, whatever its shape."
    return [
        "Decode. A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, no side of it below "
        f"{least} px (libjpeg's scaled decoding, Pillow's draft mode).",
        "Turn it upright by its EXIF orientation; convert to RGB, transparency on white; ignore profiles.",
        *(["Convert to grey (ITU-R 601)."] if spec.channels == 1 else []),
        resized,
        f"Cut the centre, {size} px.",
        f"Divide by 255, subtract mean {list(spec.mean)}, divide by std {list(spec.std)}, per channel.",
        f"Order: picture, channel ({spec.channel_order if spec.channels == 3 else 'grey'}), row, column; "
        "float32.",
    ]


def bundle_route(bundle: Bundle, laid: LaidOut) -> Route:
    """The bundle asked again, all images at once."""
    folder = Path(laid.folder)
    said = list(bundle.predict_many([folder / one.file for one in laid.expected]))
    return compare_predictions(BUNDLE, laid.expected, said)


def script_route(laid: LaidOut) -> Route:
    """predict.py, really run."""
    if laid.problem:
        return Route(name=SCRIPT, problem=laid.problem)
    return run_script(Path(laid.folder), "predict.py", laid.expected, name=SCRIPT, hidden=("headswap",))


def onnx_route(bundle: Bundle, laid: LaidOut) -> Route:
    """model.onnx, written and really run; or why there is none."""
    folder = Path(laid.folder)
    try:
        write_onnx(bundle, folder / ONNX)
    except NoOnnx as error:
        remove(folder / "predict_onnx.py")
        return Route(name=ONNX, problem=error.problem)
    return run_script(
        folder,
        "predict_onnx.py",
        laid.expected,
        name=ONNX,
        hidden=("headswap", "torch", "timm", "torchvision"),
    )


def openvino_route(bundle: Bundle, laid: LaidOut) -> Route:
    """model.xml and model.bin, written and really run; or why there are none."""
    folder = Path(laid.folder)
    try:
        write_openvino(bundle, folder / OPENVINO)
    except NoOnnx as error:
        remove(folder / "predict_openvino.py")
        return Route(name=OPENVINO, problem=error.problem)
    hidden = ("headswap", "torch", "timm", "torchvision", "onnxruntime")
    return run_script(folder, "predict_openvino.py", laid.expected, name=OPENVINO, hidden=hidden)


def litert_routes(
    bundle: Bundle, laid: LaidOut, manifest: Manifest | None, listener: Listener = silent
) -> tuple[list[Route], QuantizedCheck | None]:
    """model.tflite, written and really run, and what became of model_int8.tflite.

    What the smaller one loses is said to the listener, before anything is handed over.
    """
    folder = Path(laid.folder)
    try:
        write_litert(bundle, folder / LITERT)
    except NoLiteRt as error:
        remove(folder / "predict_litert.py")
        return [Route(name=LITERT, problem=error.problem)], None
    hidden = ("headswap", "torch", "timm", "torchvision", "onnxruntime", "openvino")
    full = run_script(folder, "predict_litert.py", laid.expected, name=LITERT, hidden=hidden)
    try:
        int8 = write_judged_int8(bundle, folder / LITERT, folder / INT8, manifest)
    except NoLiteRt as error:
        return [full, Route(name=INT8, problem=error.problem)], None
    if int8.is_costly:
        listener(Note(quantization_summary(int8)))
    return [full], int8


def seal_up(
    source: Path,
    laid: LaidOut,
    routes: Sequence[Route],
    *,
    title: str,
    target: Path,
    int8: QuantizedCheck | None = None,
) -> ParityCheck:
    """Write check.json and the model card, and pack all of it, by rename."""
    folder = Path(laid.folder)
    scripts = {ONNX: "predict_onnx.py", OPENVINO: "predict_openvino.py", LITERT: "predict_litert.py"}
    for name, script in scripts.items():
        if not any(route.name == name for route in routes):
            remove(folder / script)
    check = check_of(routes, laid.expected, int8)
    write_text(folder / CHECK, to_json(check, indent=1))
    facts = CardFacts(
        title=title,
        card=read_card(source),
        report=read_report(source),
        manifest=read_dataset(source),
        check=check,
        kept=kept_images(source / KEPT),
    )
    write_text(folder / "README.md", model_card(facts))
    _pack(folder, target)
    return check


def read_check(zip_file: Path) -> ParityCheck:
    """What was measured, from the zip itself."""
    with zipfile.ZipFile(zip_file) as packed:
        name = next(name for name in packed.namelist() if name.rpartition("/")[2] == CHECK)
        check: ParityCheck = from_json(ParityCheck, packed.read(name))
    return check


def _pack(folder: Path, target: Path) -> None:
    """The same files give the same bytes: sorted, without clock and owner."""
    with replacing(target) as whole, zipfile.ZipFile(whole, "w") as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o100644 << 16
            stored = path.suffix in _STORED
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            with path.open("rb") as file, packed.open(info, "w", force_zip64=True) as entry:
                shutil.copyfileobj(file, entry, 1 << 20)
