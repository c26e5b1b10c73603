"""Images -> numbers, as they were prepared when the network was trained; and the questions' frame.

Flow:  file --read--> upright RGB --prepare--> (1, C, H, W) float32 --a network--> answers --> text

Used by predict.py and predict_onnx.py. Needs pillow and numpy; HEIC images need pillow-heif as well.
Every number comes from preprocessing.json and labels.json next to this file.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

try:  # next to this file, in the zip
    from decoding_memory import memory_to_decode  # type: ignore[import-not-found,unused-ignore]
    from netpbm import netpbm_levels  # type: ignore[import-not-found,unused-ignore]
    from rgb import to_rgb  # type: ignore[import-not-found,unused-ignore]
except ImportError:  # not packed yet
    from headswap.data.decoding_memory import memory_to_decode
    from headswap.data.netpbm import netpbm_levels
    from headswap.data.rgb import to_rgb

MOST_MEGAPIXELS = 200.0  # larger images are refused before they are decoded
MOST_MEMORY = 1_800_000_000  # bytes that decoding one may take
MOST_BYTES = 200 * 2**20  # of a file
MOST_LONG = 100.0  # strips longer than this times their width are refused, too
SOME_LEFT_OUT = 3  # an exit code that no failing Python gives
AT_ONCE = 16  # images that go through the network together
LEAST_PX = 256  # a JPEG is never reduced below twice this side
ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff",
    ".heic", ".heif", ".hif", ".avif", ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
SAVE_AGAIN = "Save it again as JPEG or PNG, or leave it out."
READERS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": ("pillow_heif", "HeifImageFile"),
    "PPM": ("PIL.PpmImagePlugin", "PpmImageFile"),
}
SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"),
    (b"BM", "BMP"), (b"II*\x00", "TIFF"), (b"MM\x00*", "TIFF"), (b"II+\x00", "TIFF"), (b"MM\x00+", "TIFF"),
)  # fmt: skip
FOREIGN = (
    (b"\x00\x00\x00\x0cjP", "a JPEG 2000 picture"), (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"DDS ", "a DDS texture"), (b"8BPS", "a Photoshop file"), (b"PF\n", "a PFM picture"),
    (b"Pf\n", "a PFM picture"), (b"P7\n", "a PAM picture"), (b"\x00\x00\x01\x00", "an icon"),
    (b"qoif", "a QOI picture"), (b"PK\x03\x04", "a zip"), (b"%PDF", "a PDF"), (b"<svg", "an SVG drawing"),
)  # fmt: skip
TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION = 0x0112  # the EXIF tag


class Problem(Exception):
    """One sentence about what cannot be done."""


# The frame of a command -------------------------------------------------------------


def main(description: str, open_network: Callable[[Path], Callable[[Any], Any]]) -> int:
    """Classify the images of a command line; returns the exit code: 2 for none, 3 for some unreadable.

    `open_network` takes the folder and gives a function from (N, C, H, W) float32 to (N, classes)
    probabilities and (N,) OOD scores, or None.
    """
    for stream in (sys.stdout, sys.stderr):  # letters that the encoding of a pipe lacks are escaped
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    choices = argparse.ArgumentParser(description=description)
    choices.add_argument("pictures", nargs="+", metavar="PICTURE", help="picture files, or folders of them")
    choices.add_argument("--json", action="store_true", help="one JSON object instead of lines to read")
    chosen = choices.parse_args()
    folder = Path(__file__).resolve().parent
    try:
        files = list(found(chosen.pictures))
        labels, spec = load(folder, "labels.json"), load(folder, "preprocessing.json")
        if (folder / "thresholds.json").is_file():  # an image may have several labels
            spec["thresholds"] = load(folder, "thresholds.json")
        said, left_out = answers(files, labels, spec, open_network(folder))
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 2
    if chosen.json:
        print(json.dumps({"predictions": said, "left_out": left_out}))
    else:
        print("\n".join(lines(said)), end="\n" if said else "")
        print("\n".join(left["reason"] for left in left_out), end="\n" if left_out else "", file=sys.stderr)
    return SOME_LEFT_OUT if said and left_out else 0 if said else 2


def found(names: list[str]) -> Iterator[Path]:
    """The files meant: each file that is named, and every image in each folder that is named."""
    for name in names:
        path = Path(name)
        if not path.is_dir():
            yield path
            continue
        inside = sorted(file for file in path.rglob("*") if is_meant(file))
        if not inside:
            raise Problem(f"There is no picture in {name}. Give a folder that holds some, or a picture.")
        yield from inside


def is_meant(file: Path) -> bool:
    """An image, and not what macOS leaves next to images on other disks (._bird.jpg)."""
    return file.suffix.lower() in ENDINGS and not file.name.startswith(".") and "__MACOSX" not in file.parts


def answers(
    files: list[Path], labels: list[str], spec: dict[str, Any], network: Callable[[Any], Any]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """What the network says of each file, most likely first, and the files that cannot be read."""
    said: list[dict[str, Any]] = []
    left_out: list[dict[str, str]] = []
    waiting: list[tuple[Path, Any]] = []
    for file in files:
        try:
            waiting.append((file, to_numbers(prepare(read(file, spec), spec), spec)))
        except Problem as problem:
            left_out.append({"file": str(file), "reason": str(problem)})
        if len(waiting) == AT_ONCE:
            said.extend(asked(waiting, labels, spec, network))
            waiting = []
    return [*said, *asked(waiting, labels, spec, network)], left_out


def asked(
    batch: list[tuple[Path, Any]], labels: list[str], spec: dict[str, Any], network: Callable[[Any], Any]
) -> Iterator[dict[str, Any]]:
    """What the network says of a few files at once."""
    if not batch:
        return
    rows, scores = network(np.concatenate([numbers for _, numbers in batch]))
    for number, (file, _) in enumerate(batch):
        order = np.argsort(-rows[number], kind="stable")
        several = {}
        if "thresholds" in spec:
            said = [labels[index] for index in order if rows[number][index] >= spec["thresholds"][index]]
            several = {"label": " + ".join(said) or "(no label)", "labels": said}
        yield {
            "file": str(file),
            "label": labels[order[0]],
            **several,
            "probabilities": {labels[index]: float(rows[number][index]) for index in order},
            "unlike": None if scores is None else float(scores[number]),
        }


def lines(said: list[dict[str, Any]]) -> Iterator[str]:
    """For one image every class, for several one line each."""
    if len(said) == 1:
        shares = said[0]["probabilities"]
        wide = max(len(name) for name in shares)
        for name, share in shares.items():
            mark = "  yes" if name in said[0].get("labels", ()) else ""
            yield f"{name:<{wide}}  {round(100 * share):>3} %{mark}"
        if (said[0]["unlike"] or 0.0) > 1.0:
            yield "It is unlike anything the network was taught on: take the answer as a guess."
    else:
        for one in said:
            warning = ", unlike anything it was taught on" if (one["unlike"] or 0.0) > 1.0 else ""
            if "labels" in one:
                yield f"{one['file']}: {one['label']}{warning}"
                continue
            share = round(100 * one["probabilities"][one["label"]])
            yield f"{one['file']}: {one['label']} ({share} %{warning})"


def load(folder: Path, name: str) -> Any:
    """One of the JSON files next to this one."""
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{name} is not next to this program, or is damaged. Unpack the whole zip.") from error


# Bytes -> an upright RGB image, by the rule and in the words of headswap ------------


def read(path: Path, spec: dict[str, Any]) -> Image.Image:
    """Decode one file: RGB, upright, transparency on white, the first frame of an animation."""
    name = shown(path.name)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Problem(
                f"{name} is larger than {MOST_BYTES // 2**20} MB. Make it smaller, or leave it out."
            )
        data = path.read_bytes()
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}. Give the path of a picture.") from error
    kind = kind_of(data, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks about odd files
            return decoded(kind, data, name, spec)
    except ImportError as error:
        raise Problem(f"{name} is {article(kind)} {kind} picture. Install pillow-heif to read it.") from error
    except MemoryError as error:
        raise Problem(f"{name} needs more memory than there is. {SAVE_AGAIN}") from error
    except (Problem, KeyboardInterrupt):
        raise
    except Exception as error:
        if re.search(r"truncat|end of (file|data)|EOF|incomplete", str(error), re.IGNORECASE):
            raise Problem(f"{name} is cut short. {SAVE_AGAIN}") from error
        begins = f"it begins like {article(kind)} {kind} picture"
        raise Problem(f"{name} is damaged: {begins} but cannot be decoded. {SAVE_AGAIN}") from error


def shown(name: str) -> str:
    """A file name that is safe in a sentence."""
    plain = "".join(letter for letter in name if unicodedata.category(letter) not in ("Cc", "Cf", "Cs"))
    return plain if len(plain) <= 80 else f"{plain[:60]}…{plain[-19:]}"


def article(kind: str) -> str:
    """The article that fits the name of a format."""
    return "an" if kind == "AVIF" else "a"


def kind_of(data: bytes, name: str) -> str:
    """The format, by the first bytes; the name's ending does not count."""
    for start, kind in SIGNATURES:
        if data.startswith(start):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        boxes = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
        brands = {boxes[at : at + 4] for at in range(0, len(boxes), 4)}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
            return "HEIC"
        raise Problem(f"{name} is a film, not a picture. {SAVE_AGAIN}")
    if re.match(rb"P[1-6]\s+[#\d]", data):
        return "PPM"
    if not data:
        raise Problem(f"{name} is empty. {SAVE_AGAIN}")
    for start, description in FOREIGN:
        if data.startswith(start):
            raise Problem(f"{name} is {description}, which is not read here. {SAVE_AGAIN}")
    raise Problem(f"{name} is not a picture. {SAVE_AGAIN}")


def decoded(kind: str, data: bytes, name: str, spec: dict[str, Any]) -> Image.Image:
    """A JPEG is reduced while it is decoded, never below twice the side that is wanted."""
    module, reader = READERS[kind]
    file = getattr(import_module(module), reader)(BytesIO(data))
    width, height = file.size
    check_size(name, width, height)
    if kind == "JPEG":
        least = 2 * max(spec["wanted_px"], LEAST_PX)
        file.draft(None, (least, least))
    check_memory(kind, name, file, (width, height), data)
    if kind == "PPM" and (levels := netpbm_levels(file, data)) is not None:
        return Image.fromarray(levels).convert("RGB")
    file.load()
    try:
        transpose = TRANSPOSES.get(file.getexif().get(ORIENTATION, 1))
    except Exception:  # noqa: BLE001  damaged metadata is no reason to lose the image
        transpose = None
    image: Image.Image = to_rgb(file)
    file.close()
    return image if transpose is None else image.transpose(transpose)


def check_size(name: str, width: int, height: int) -> None:
    """Refuse what is too large before it is decoded."""
    size = f"{name} is {width} x {height} pixels"
    if min(width, height) < 1:
        raise ValueError("no pixels")
    if width * height > MOST_MEGAPIXELS * 1e6:
        limit = f"the limit is {MOST_MEGAPIXELS:g} megapixels (MOST_MEGAPIXELS in pictures.py)"
        raise Problem(f"{size}; {limit}. Make it smaller, or leave it out.")
    if max(width, height) > MOST_LONG * min(width, height):
        raise Problem(
            f"{size}, a strip too narrow to show anything. Crop it to what matters, or leave it out."
        )


def check_memory(kind: str, name: str, file: Any, full_size: tuple[int, int], data: bytes) -> None:
    """Told from the header, before a pixel is decoded."""
    width, height = full_size
    need = memory_to_decode(kind, file, full_size, data)
    if need > MOST_MEMORY:
        most = int(width * height / 1e6 * MOST_MEMORY / need)
        limit = f"the limit is {most} megapixels for {article(kind)} {kind} picture of this sort"
        how = "Make it smaller" if kind == "JPEG" else "Save it as JPEG, make it smaller"
        setting = "(MOST_MEMORY in pictures.py)"
        raise Problem(f"{name} is {width} x {height} pixels; {limit} {setting}. {how}, or leave it out.")


# An image -> what the network expects ----------------------------------------------


def prepare(image: Image.Image, spec: dict[str, Any]) -> Any:
    """Resize and cut: (H, W, C) uint8."""
    if spec["channels"] == 1:
        image = image.convert("L")
    fill: tuple[int, ...] = (0,) * spec["channels"]
    height, width = spec["height"], spec["width"]
    if spec["fit"] == "squash":
        new_height, new_width = spec["squash_px"] or (height, width)
    elif spec["fit"] == "border":
        ratio = max(image.height / height, image.width / width)
        new_width, new_height = max(round(image.width / ratio), 1), max(round(image.height / ratio), 1)
        fill = tuple(round(255 * value) for value in spec["mean"][:: step(spec)])
    else:
        new_width, new_height = before_the_cut(image.width, image.height, spec)
    if (new_width, new_height) != image.size:
        image = image.resize((new_width, new_height), Image.Resampling[spec["interpolation"].upper()])
    image = cut_centre(image, width, height, fill if spec["channels"] > 1 else fill[0])
    return np.asarray(image).reshape(height, width, spec["channels"])


def to_numbers(pixels: Any, spec: dict[str, Any]) -> Any:
    """((value / 255) - mean) / std: (1, C, H, W) float32, in the network's order of channels."""
    channels_first = pixels[None, ..., :: step(spec)].transpose(0, 3, 1, 2)
    numbers = np.empty(channels_first.shape, np.float32)
    np.divide(channels_first, np.float32(255), out=numbers)
    numbers -= np.asarray(spec["mean"], np.float32).reshape(1, -1, 1, 1)
    numbers /= np.asarray(spec["std"], np.float32).reshape(1, -1, 1, 1)
    return numbers


def step(spec: dict[str, Any]) -> int:
    """-1 where the network wants blue first."""
    return -1 if spec["channel_order"] == "BGR" else 1


def before_the_cut(width: int, height: int, spec: dict[str, Any]) -> tuple[int, int]:
    """(width, height) that covers the frame from which the centre is cut."""
    resize_px = spec["resize_px"]
    if spec["height"] == spec["width"]:
        if width <= height:
            return resize_px, int(resize_px * height / width)
        return int(resize_px * width / height), resize_px
    short = min(spec["height"], spec["width"])
    ratio = min(
        height / (spec["height"] * resize_px // short),
        width / (spec["width"] * resize_px // short),
    )
    return round(width / ratio), round(height / ratio)


def cut_centre(image: Image.Image, width: int, height: int, fill: Any) -> Image.Image:
    """Cut the centre; where the image is smaller, surround it with `fill` first."""
    missing_x, missing_y = max(width - image.width, 0), max(height - image.height, 0)
    if missing_x or missing_y:
        padded = Image.new(image.mode, (image.width + missing_x, image.height + missing_y), fill)
        padded.paste(image, (missing_x // 2, missing_y // 2))
        image = padded
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))
