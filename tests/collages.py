"""Pictures with several labels, made of the sample's drawings: none, one or two of them in a square."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from PIL import Image

SIDE = 128  # px of each drawing
KINDS = (("bird",), ("bird", "fruit"), ("fruit",), ("fruit", "vehicle"), ("vehicle",), ("vehicle", "bird"))


def make_collages(sample: Path, folder: Path, *, rounds: int) -> Path:
    """Write images and labels.csv into a new folder; each drawing is in one picture only.

    Args:
        sample: the folder of the sample set.
        folder: where they go.
        rounds: each gives seven pictures: with one label three times, with two three times, and with none.
    """
    drawings = {
        name: iter(sorted((sample / "train" / name).iterdir())) for name in sorted({*KINDS[1], *KINDS[3]})
    }
    lines, numbers = ["file,label"], count()
    folder.mkdir(parents=True)
    for number in range(rounds):
        for kinds in KINDS:
            collage = Image.new("RGB", (2 * SIDE, 2 * SIDE), (235, 235, 230))
            for place, name in enumerate(kinds):
                with Image.open(next(drawings[name])) as drawing:
                    collage.paste(drawing.convert("RGB").resize((SIDE, SIDE)), (place * SIDE, place * SIDE))
            file = f"{next(numbers):03}.jpg"
            collage.save(folder / file, quality=90)
            lines.append(f"{file},{';'.join(kinds)}")
        file = f"{next(numbers):03}.jpg"
        shade = 40 + 20 * number
        Image.radial_gradient("L").rotate(30 * number).resize((2 * SIDE, 2 * SIDE)).point(
            lambda value, shade=shade: (value + shade) % 256
        ).convert("RGB").save(folder / file)
        lines.append(f"{file},")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
