"""Pictures -> numbers, as they were prepared when the network was taught; and the questions' frame.

Flow:  file --read--> upright RGB --prepare--> (1, C, H, W) float32 --a network--> probabilities --> text

Used by predict.py and predict_onnx.py. Needs pillow and numpy; HEIC pictures need pillow-heif as well.
Every number comes from preprocessing.json and labels.json beside this file.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MOST_MEGAPIXELS = 25.0  # larger pictures are refused before they are decoded
MOST_LONG = 100.0  # so are strips that are longer than this times their width
LEAST_PX = 256  # a JPEG is never reduced below twice this side
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif")
READERS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": ("pillow_heif", "HeifImageFile"),
}
SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"),
    (b"BM", "BMP"), (b"II*\x00", "TIFF"), (b"MM\x00*", "TIFF"), (b"II+\x00", "TIFF"), (b"MM\x00+", "TIFF"),
)  # fmt: skip
TURNS = {
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
    """Name the pictures of a command line; returns the exit code.

    `open_network` takes the folder and gives a function from (1, C, H, W) float32 to probabilities.
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
        said, left_out = answers(files, labels, spec, open_network(folder))
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 2
    if chosen.json:
        print(json.dumps({"predictions": said, "left_out": left_out}))
    else:
        print("\n".join(lines(said)), end="\n" if said else "")
        print("\n".join(left["reason"] for left in left_out), end="\n" if left_out else "", file=sys.stderr)
    return 0 if said else 2


def found(names: list[str]) -> Iterator[Path]:
    """The files meant: each file that is named, and every picture in each folder that is named."""
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
    """A picture, and not what macOS leaves beside pictures on other disks (._bird.jpg)."""
    return file.suffix.lower() in ENDINGS and not file.name.startswith(".") and "__MACOSX" not in file.parts


def answers(
    files: list[Path], labels: list[str], spec: dict[str, Any], network: Callable[[Any], Any]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """What the network says of each file, most likely first, and the files that cannot be read."""
    said, left_out = [], []
    for file in files:
        try:
            pixels = to_numbers(prepare(read(file, spec), spec), spec)
        except Problem as problem:
            left_out.append({"file": str(file), "reason": str(problem)})
            continue
        row = network(pixels)
        order = np.argsort(-row, kind="stable")
        said.append(
            {
                "file": str(file),
                "label": labels[order[0]],
                "probabilities": {labels[number]: float(row[number]) for number in order},
            }
        )
    return said, left_out


def lines(said: list[dict[str, Any]]) -> Iterator[str]:
    """For one picture every class, for several one line each."""
    if len(said) == 1:
        shares = said[0]["probabilities"]
        wide = max(len(name) for name in shares)
        yield from (f"{name:<{wide}}  {round(100 * share):>3} %" for name, share in shares.items())
    else:
        for one in said:
            yield f"{one['file']}: {one['label']} ({round(100 * one['probabilities'][one['label']])} %)"


def load(folder: Path, name: str) -> Any:
    """One of the JSON files beside this one."""
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{name} is not beside this program, or is damaged. Unpack the whole zip.") from error


# Bytes -> an upright RGB picture ----------------------------------------------------


def read(path: Path, spec: dict[str, Any]) -> Image.Image:
    """Decode one file: RGB, upright, transparency on white, the first frame of an animation."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}. Give the path of a picture.") from error
    kind = kind_of(data, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks about odd files
            return decoded(kind, data, path, spec)
    except ImportError as error:
        raise Problem(f"{path} is a {kind} picture. Install pillow-heif to read it.") from error
    except (Problem, KeyboardInterrupt):
        raise
    except Exception as error:
        raise Problem(f"{path} is damaged or cut short. Save it again as JPEG or PNG.") from error


def kind_of(data: bytes, path: Path) -> str:
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
    raise Problem(f"{path} is not a picture that can be read. Save it as JPEG or PNG.")


def decoded(kind: str, data: bytes, path: Path, spec: dict[str, Any]) -> Image.Image:
    """A JPEG is reduced while it is decoded, never below twice the side that is wanted."""
    module, reader = READERS[kind]
    file = getattr(import_module(module), reader)(BytesIO(data))
    width, height = file.size
    if width * height > MOST_MEGAPIXELS * 1e6 or max(width, height) > MOST_LONG * min(width, height):
        raise Problem(f"{path} is {width} x {height} pixels, too large or too narrow. Make it smaller.")
    if kind == "JPEG":
        least = 2 * max(spec["wanted_px"], LEAST_PX)
        file.draft(None, (least, least))
    file.load()
    try:
        turn = TURNS.get(file.getexif().get(ORIENTATION, 1))
    except Exception:  # noqa: BLE001  damaged metadata is no reason to lose the picture
        turn = None
    image = to_rgb(file)
    return image if turn is None else image.transpose(turn)


def to_rgb(file: Image.Image) -> Image.Image:
    """Any mode to RGB without losing range."""
    if file.mode == "F" or file.mode.startswith("I"):
        return deep_grey(file)
    if file.mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        turned = ImageCms.profileToProfile(file, lab, srgb, outputMode="RGB")
        return turned if turned is not None else file.convert("RGB")
    if file.has_transparency_data:
        see_through = file.convert("RGBA")
        white = Image.new("RGB", file.size, "white")
        white.paste(see_through, mask=see_through.getchannel("A"))
        return white
    return file.convert("RGB")


def deep_grey(file: Image.Image) -> Image.Image:
    """16-bit, 32-bit and decimal grey to 8 bits; the brightest value that the format holds is white."""
    values = np.asarray(file)  # (H, W) uint16, int32 or float32
    opaque = values != file.info.get("transparency", np.nan)
    if file.mode.startswith("I;16"):
        low, high = 0.0, 4095.0 if values.max(initial=0) <= 4095 else 65535.0
    else:
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        if low >= 0 and high <= 255:
            low, high = 0.0, 1.0 if file.mode == "F" and high <= 1 else 255.0
    span = max(high - low, 1e-12)
    with np.errstate(invalid="ignore", over="ignore"):
        levels = (np.nan_to_num(values.astype(np.float32), nan=low, posinf=high, neginf=low) - low) / span
    grey = np.clip(levels * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(np.where(opaque, grey, np.uint8(255))).convert("RGB")


# A picture -> what the network expects ----------------------------------------------


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
    """Cut the centre; where the picture is smaller, surround it with `fill` first."""
    missing_x, missing_y = max(width - image.width, 0), max(height - image.height, 0)
    if missing_x or missing_y:
        padded = Image.new(image.mode, (image.width + missing_x, image.height + missing_y), fill)
        padded.paste(image, (missing_x // 2, missing_y // 2))
        image = padded
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))
