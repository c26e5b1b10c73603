"""Which altered copies are found as near duplicates, and which pictures are joined that are none.

    python -m benchmarks.near_duplicates FOLDER... [--copies 50] [--json FILE]

Of each folder of class folders, some pictures are altered in memory, one way at a time, and grouped with
all the others. Printed as a table: copies that share a group with their picture, by the difference hash
alone and by all that headswap does; then how many of the pictures as they are share a group with another
one, and the largest group. Whether these are the same thing twice, a person has to look.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from headswap.data.duplicates import group_alike
from headswap.data.fingerprint import fingerprint_of
from headswap.data.ingest import ingest
from headswap.data.manifest import ImageRecord
from headswap.data.store import reread

Alter = Callable[[Image.Image, random.Random], Image.Image]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument(
        "--copies", type=int, default=50, help="pictures that are altered; default: %(default)s"
    )
    parser.add_argument("--json", type=Path, help="the table, a set after the other")
    choices = parser.parse_args()
    columns = [measured(folder, choices.copies) for folder in choices.folders]
    if choices.json:
        names = (folder.name for folder in choices.folders)
        choices.json.write_text(json.dumps(dict(zip(names, columns, strict=True)), indent=1) + "\n")
    say("| |", *(f" {folder.name} |" for folder in choices.folders))
    say("|---|" + "--:|" * len(columns))
    for row in columns[0]:
        say(f"| {row} |", *(f" {column[row]} |" for column in columns))


def measured(folder: Path, copies: int) -> dict[str, str]:
    """One column of the table: what is measured -> before, after."""
    manifest = ingest(folder).manifest
    dice = random.Random(0)
    chosen = sorted(dice.sample(range(len(manifest.images)), min(copies, len(manifest.images))))
    images = [reread(manifest, manifest.images[row]) for row in chosen]
    start = time.process_time()
    grouped = group_alike(manifest.images)
    seconds = time.process_time() - start
    found = {
        "pictures, copies of each kind": f"{len(manifest.images)}, {len(chosen)}",
        **{
            name: _recall(manifest.images, chosen, images, alter, dice) for name, alter in ALTERATIONS.items()
        },
    }
    sizes = [Counter(groups) for groups in (group_alike(plain(manifest.images)), grouped)]
    alike = [sum(size for size in each.values() if size > 1) for each in sizes]
    found["as they are: pictures in a group"] = f"{alike[0]} → {alike[1]}"
    found["as they are: the largest group"] = f"{max(sizes[0].values())} → {max(sizes[1].values())}"
    found["seconds of one core to group them"] = f"{seconds:.2f}"
    return found


def _recall(
    records: Sequence[ImageRecord],
    chosen: Sequence[int],
    images: Sequence[Image.Image],
    alter: Alter,
    dice: random.Random,
) -> str:
    copies = [copy_of(records[row], alter(image, dice)) for row, image in zip(chosen, images, strict=True)]
    everything = [*records, *copies]
    before, after = group_alike(plain(everything)), group_alike(everything)
    count = len(records)
    return " → ".join(
        str(sum(groups[row] == groups[count + at] for at, row in enumerate(chosen)))
        for groups in (before, after)
    )


def plain(images: Sequence[ImageRecord]) -> list[ImageRecord]:
    """The same without thumbnails: the difference hash alone decides."""
    return [replace(image, thumbnail="") for image in images]


def copy_of(record: ImageRecord, image: Image.Image) -> ImageRecord:
    """The record of an altered copy."""
    look = fingerprint_of(image)
    return replace(
        record,
        file=f"copy of {record.file}",
        sha256=hashlib.sha256(image.tobytes()).hexdigest(),
        fingerprint=look.bits,
        thumbnail=look.thumbnail,
    )


def _saved(quality: int) -> Alter:
    def alter(image: Image.Image, _dice: random.Random) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return alter


def _cropped(share: float) -> Alter:
    def alter(image: Image.Image, _dice: random.Random) -> Image.Image:
        across, down = round(image.width * share), round(image.height * share)
        return image.crop((across, down, image.width - across, image.height - down))

    return alter


def _cornered(image: Image.Image, dice: random.Random) -> Image.Image:
    across, down = image.width // 10, image.height // 10
    left, top = dice.choice((0, across)), dice.choice((0, down))
    return image.crop((left, top, left + image.width - across, top + image.height - down))


def _turned(degrees: float) -> Alter:
    return lambda image, dice: image.rotate(degrees * dice.choice((-1, 1)), Image.Resampling.BICUBIC)


def _screenshot(image: Image.Image, dice: random.Random) -> Image.Image:
    across, down = round(0.08 * image.width), round(0.12 * image.height)
    around = Image.new(
        "RGB", (image.width + 2 * across, image.height + 2 * down), dice.choice(("white", "black"))
    )
    around.paste(image, (across, down))
    return around


def _next_frame(image: Image.Image, dice: random.Random) -> Image.Image:
    """Up to 3 % shifted and nearer, up to 1.5 degrees turned, up to 8 % brighter or darker, with noise."""
    x, y, nearer = (dice.uniform(-0.03, 0.03) for _ in range(3))
    turn = np.radians(dice.uniform(-1.5, 1.5))
    place = (1 + nearer, turn, x * image.width, -turn, 1 + nearer, y * image.height)
    seen = image.transform(image.size, Image.Transform.AFFINE, place, Image.Resampling.BICUBIC)
    noise = np.random.default_rng(dice.randrange(2**32)).normal(0, 5, (image.height, image.width, 3))
    pixels = np.asarray(seen, np.float32) * dice.uniform(0.92, 1.08) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


ALTERATIONS: dict[str, Alter] = {
    "JPEG, quality 30": _saved(30),
    "half the size": lambda image, _: image.resize((max(1, image.width // 2), max(1, image.height // 2))),
    "30 % brighter": lambda image, _: ImageEnhance.Brightness(image).enhance(1.3),
    "blurred": lambda image, _: image.filter(ImageFilter.GaussianBlur(max(1, image.width / 100))),
    "5 % cropped on every side": _cropped(0.05),
    "10 % cropped on every side": _cropped(0.10),
    "20 % cropped on every side": _cropped(0.20),
    "10 % cropped at a corner": _cornered,
    "mirrored": lambda image, _: ImageOps.mirror(image),
    "turned 3°": _turned(3),
    "turned 10°": _turned(10),
    "screenshot with a border": _screenshot,
    "next frame of a burst": _next_frame,
}


def say(*parts: str) -> None:
    sys.stdout.write("".join(parts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
