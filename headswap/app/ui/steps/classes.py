"""The pictures of a project: a bar and thumbnails per class, and the form for another class.

Flow:  Manifest + thumbnails --class_rows--> rows whose buttons are edits (`edits.js` sends them)
"""

from __future__ import annotations

import htpy as h

from headswap.app.service.datasets import DatasetEdit
from headswap.app.ui.widgets.icons import icon, plate, term
from headswap.app.ui.widgets.text import counted_in_words
from headswap.counted import counted
from headswap.data.manifest import ImageRecord, Manifest

SEVERAL = "The labels are those of your table. To change them, change the table and bring it again."
SHOWN = 9  # thumbnails of a class; the tenth place says how many more


def shown_images(manifest: Manifest) -> tuple[ImageRecord, ...]:
    """The pictures whose thumbnails `class_rows` needs."""
    return tuple(image for name in manifest.classes for image in of_class(manifest, name)[:SHOWN])


def of_class(manifest: Manifest, name: str) -> tuple[ImageRecord, ...]:
    """The pictures of one class, or with one label."""
    return tuple(image for image in manifest.images if name in image.names)


def class_rows(
    manifest: Manifest, thumbnails: dict[str, str], change: DatasetEdit | None = None
) -> h.Renderable:
    """Draw every class; `thumbnails` maps sha256 to a data: URI."""
    test = len(manifest.part("test"))
    train = len(manifest.images) - test
    several = manifest.is_multi_label
    kinds = (
        f"with {counted(len(manifest.classes), 'label')}"
        if several
        else f"in {counted_in_words(len(manifest.classes), 'class', 'classes')}"
    )
    title = f"{counted(len(manifest.images), 'picture')} {kinds}"
    return h.fragment[
        h.div(".hs-row.between.hs-head")[
            h.h2(tabindex="-1")[title],
            h.span(".hs-row.keys")[
                h.span(".key")[h.i(".kp"), f"{train} practice ", term("practice")],
                h.span(".key")[h.i(".ke"), f"{test} locked away for the exam ", term("exam")],
            ],
        ],
        changed(change),
        h.div(".hs-panel.klasses")[
            [_row(manifest, name, thumbnails) for name in manifest.classes],
            h.p(".hs-note")[SEVERAL] if several else new_class("Another class"),
        ],
    ]


def changed(change: DatasetEdit | None) -> h.Renderable | None:
    """What was done last, and the way back."""
    if change is None:
        return None
    undo = h.button(".btn.small", type="button", data_edit="undo", aria_label=f"Undo: {change.sentence}")
    return h.div(".changed", role="status")[h.span[change.sentence], undo[icon("undo"), "Undo"]]


def new_class(label: str) -> h.Renderable:
    """A class by name: it begins with its first pictures."""
    return h.form(".new-class")[
        h.label[
            label, h.input(type="text", maxlength=80, autocomplete="off", placeholder="What is it called?")
        ],
        h.span(".hs-row")[
            h.button(".btn", type="submit", data_add="")[icon("plus"), "Choose pictures"],
            h.button(".btn", type="button", data_camera="")[icon("camera"), "Camera"],
        ],
        h.span(".hs-note", role="alert"),
    ]


def _row(manifest: Manifest, name: str, thumbnails: dict[str, str]) -> h.Renderable:
    images = of_class(manifest, name)
    most = max(manifest.counts.values())
    return h.div(".klass", data_class=name)[
        h.h3(title=name)[name],
        h.div(".mid")[_split(name, images, most), h.div(".thumbs")[_thumbs(name, images, thumbnails)]],
        h.div(".ends")[
            h.span(".tally.hs-num")[len(images)], None if manifest.is_multi_label else _ends(name)
        ],
    ]


def _split(name: str, images: tuple[ImageRecord, ...], most: int) -> h.Renderable:
    """The bar of a class: as long as the class is large, in two parts."""
    how_many = len(images)
    test = sum(image.part == "test" for image in images)
    share = (how_many - test) / max(1, how_many)
    label = f"{name}: {counted(how_many, 'picture')}, {how_many - test} for practice, {test} for the exam"
    bar = h.div(".split", role="img", aria_label=label, style=f"width:{100 * how_many / most:.1f}%")
    return bar[
        h.i(".p", style=f"flex:{share:.3f}"), h.i(".e", style=f"flex:{1 - share:.3f}") if test else None
    ]


def _thumbs(name: str, images: tuple[ImageRecord, ...], thumbnails: dict[str, str]) -> h.Node:
    """A few pictures, and a button for the rest."""
    small = [thumbnail_button(p, thumbnails[p.sha256]) for p in images[:SHOWN] if p.sha256 in thumbnails]
    if len(images) <= SHOWN:
        return small
    says = f"All {len(images):,} pictures of {name}"
    more = h.button(".plate.more", type="button", data_edit="open", data_name=name, aria_label=says)
    return [*small, more[f"+ {len(images) - SHOWN}"]]


def thumbnail_button(image: ImageRecord, uri: str) -> h.Renderable:
    """A thumbnail that opens its picture."""
    return h.button(".look", type="button", data_edit="look", data_file=image.file)[plate(uri, image.file)]


def _ends(name: str) -> h.Node:
    """The three buttons at the end of a row."""
    buttons = (
        ("plus", {"data-add": name}, f"Add pictures to {name}"),
        ("camera", {"data-camera": name}, f"Add to {name} with the camera"),
        ("more", {"data-edit": "open", "data-name": name}, f"Rename, merge or leave out {name}"),
    )
    return [
        h.button(".btn.quiet", what, type="button", aria_label=says, title=says)[icon(mark)]
        for mark, what, says in buttons
    ]
