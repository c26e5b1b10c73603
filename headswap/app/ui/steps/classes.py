"""The pictures of a project: a bar and thumbnails per class, and the form for another class.

Flow:  Manifest + thumbnails --class_rows--> rows whose buttons are deeds (`deeds.js` sends them)
"""

from __future__ import annotations

from headswap.app.service.datasets import DatasetEdit
from headswap.app.ui.widgets.icons import icon, plate, term
from headswap.app.ui.widgets.text import count, in_words, safe
from headswap.data.manifest import ImageRecord, Manifest

SHOWN = 9  # thumbnails of a class; the tenth place says how many more


def shown_images(manifest: Manifest) -> tuple[ImageRecord, ...]:
    """The pictures whose thumbnails `class_rows` needs."""
    return tuple(picture for name in manifest.classes for picture in of_class(manifest, name)[:SHOWN])


def of_class(manifest: Manifest, name: str) -> tuple[ImageRecord, ...]:
    """The pictures of one class."""
    return tuple(picture for picture in manifest.pictures if picture.class_name == name)


def class_rows(manifest: Manifest, thumbnails: dict[str, str], change: DatasetEdit | None = None) -> str:
    """Draw every class; `thumbnails` maps sha256 to a data: URI."""
    exam = len(manifest.part("test"))
    rows = "".join(_row(manifest, name, thumbnails) for name in manifest.classes)
    title = f"{count(len(manifest.pictures), 'picture')} in {_classes(len(manifest.classes))}"
    return (
        f'<div class="hs-row between hs-head"><h2 tabindex="-1">{title}</h2><span class="hs-row keys">'
        f'<span class="key"><i class="kp"></i>{len(manifest.pictures) - exam} practice '
        f"{term('practice')}</span>"
        f'<span class="key"><i class="ke"></i>{exam} locked away for the exam '
        f"{term('exam')}</span>"
        f"</span></div>{changed(change)}"
        f'<div class="hs-panel klasses">{rows}{new_class("Another class")}</div>'
    )


def changed(change: DatasetEdit | None) -> str:
    """What was done last, and the way back."""
    if change is None:
        return ""
    done = safe(change.sentence)
    return (
        f'<div class="changed" role="status"><span>{done}</span>'
        f'<button class="btn small" type="button" data-deed="undo" aria-label="Undo: {done}">'
        f"{icon('undo')}Undo</button></div>"
    )


def new_class(label: str) -> str:
    """A class by name: it begins with its first pictures."""
    return (
        f'<form class="new-class"><label>{label}<input type="text" maxlength="80" autocomplete="off" '
        'placeholder="What is it called?"></label>'
        f'<span class="hs-row"><button class="btn" type="submit" data-add="">{icon("plus")}Choose pictures'
        f'</button><button class="btn" type="button" data-camera="">{icon("camera")}Camera</button></span>'
        '<span class="hs-note" role="alert"></span></form>'
    )


def _classes(how_many: int) -> str:
    return "one class" if how_many == 1 else f"{in_words(how_many)} classes"


def _row(manifest: Manifest, name: str, thumbnails: dict[str, str]) -> str:
    pictures = of_class(manifest, name)
    exam = sum(picture.part == "test" for picture in pictures)
    most = max(manifest.counts.values())
    label = (
        f"{safe(name)}: {count(len(pictures), 'picture')}, {len(pictures) - exam} for practice, {exam} "
        "for the exam"
    )
    small = [look_button(p, thumbnails[p.sha256]) for p in pictures[:SHOWN] if p.sha256 in thumbnails]
    if len(pictures) > SHOWN:
        small.append(
            f'<button class="plate more" type="button" data-deed="open" data-name="{safe(name)}" '
            f'aria-label="All {len(pictures)} pictures of {safe(name)}">+ {len(pictures) - SHOWN}</button>'
        )
    practice = (len(pictures) - exam) / max(1, len(pictures))
    parts = f'<i class="p" style="flex:{practice:.3f}"></i>'
    parts += f'<i class="e" style="flex:{1 - practice:.3f}"></i>' if exam else ""
    return (
        f'<div class="klass" data-class="{safe(name)}"><h3 title="{safe(name)}">{safe(name)}</h3>'
        '<div class="mid">'
        f'<div class="split" role="img" aria-label="{label}" '
        f'style="width:{100 * len(pictures) / most:.1f}%">{parts}</div>'
        f'<div class="thumbs">{"".join(small)}</div></div><div class="ends"><span class="tally hs-num">'
        f"{len(pictures)}</span>{_ends(name)}</div></div>"
    )


def look_button(picture: ImageRecord, uri: str) -> str:
    """A thumbnail that opens its picture."""
    return (
        f'<button class="look" type="button" data-deed="look" data-file="{safe(picture.file)}">'
        f"{plate(uri, picture.file)}</button>"
    )


def _ends(name: str) -> str:
    """The three buttons at the end of a row."""
    buttons = (
        ("plus", f'data-add="{safe(name)}"', f"Add pictures to {safe(name)}"),
        ("camera", f'data-camera="{safe(name)}"', f"Add to {safe(name)} with the camera"),
        ("more", f'data-deed="open" data-name="{safe(name)}"', f"Rename, merge or leave out {safe(name)}"),
    )
    return "".join(
        f'<button class="btn quiet" type="button" {what} aria-label="{says}" title="{says}">{icon(name)}'
        "</button>"
        for name, what, says in buttons
    )
