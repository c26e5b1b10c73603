"""Example pictures to try: those of the sample set whose names begin with one of the person's classes."""

from __future__ import annotations

from pathlib import Path

from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import image_uri, percent, safe
from headswap.bundle.prediction import Prediction
from headswap.storage.places import sample_folder

FOLDER = sample_folder() / "try"


def examples_for(classes: tuple[str, ...]) -> tuple[Path, ...]:
    """`bird_hen_01.png` is an example where a class is called bird."""
    if not FOLDER.is_dir():
        return ()
    return tuple(path for path in sorted(FOLDER.iterdir()) if path.stem.split("_")[0] in classes)


def example_strip(paths: tuple[Path, ...], said: tuple[Prediction, ...], chosen: int) -> str:
    """Buttons with the pictures, and below each what the network says of it; a button sends its number."""
    if not paths:
        return ""
    buttons = "".join(
        f'<li><button class="plate" type="button" data-example="{i}" '
        f'aria-pressed="{str(i == chosen).lower()}" '
        f'aria-label="Example {i + 1}{_spoken(said, i)}"><img '
        f'src="{image_uri(path.read_bytes(), "png")}" alt="">'
        f"</button>{_told(path, said, i)}</li>"
        for i, path in enumerate(paths)
    )
    return f'<h3>Examples it has never seen</h3><ul class="examples">{buttons}</ul>'


def _spoken(said: tuple[Prediction, ...], i: int) -> str:
    return f": it says {safe(said[i].label)}, {percent(said[i].sure)} sure" if i < len(said) else ""


def _told(path: Path, said: tuple[Prediction, ...], i: int) -> str:
    if i >= len(said):
        return '<span class="told" aria-hidden="true">…</span>'
    right = path.stem.split("_")[0] == said[i].label
    mark = icon("check", "good") if right else icon("cross", "bad")
    return f'<span class="told" aria-hidden="true">{mark}{safe(said[i].label)}</span>'
