"""Closer looks, each in a dialog: one class with all its pictures, one picture large, a few side by side.

Flow:  what a person opened --Closer--> `closer` --> a dialog whose buttons are edits (`edits.js`)
"""

from __future__ import annotations

import htpy as h

from headswap.app.ui.steps.classes import SEVERAL, of_class, thumbnail_button
from headswap.app.ui.widgets.icons import icon
from headswap.counted import counted
from headswap.data.manifest import ImageRecord, Manifest

MOST_SHOWN = 120  # thumbnails in one dialog
_PARTS = {"train": "For practice.", "validation": "For choosing.", "test": "Locked away for the exam."}


def class_dialog(
    manifest: Manifest, name: str, thumbnails: dict[str, str], mistake: h.Node = None
) -> h.Renderable:
    """One class: its pictures, another name, another home, or out."""
    images = of_class(manifest, name)
    others = [h.option[other] for other in manifest.classes if other != name]
    rename = h.form(".fix", data_edit="rename", data_name=name)[
        h.label["Its name", h.input(type="text", maxlength=80, autocomplete="off", value=name)],
        h.button(".btn", type="submit")["Rename"],
    ]
    merge = h.form(".fix", data_edit="merge", data_name=name)[
        h.label["Put its pictures into", h.select[others]], h.button(".btn", type="submit")["Merge"]
    ]
    drop = h.div(".fix")[
        h.span(".hs-soft")["Not wanted after all?"],
        h.button(".btn", type="button", data_edit="drop-class", data_name=name)["Leave the class out"],
    ]
    fixes = h.div(".fixes-of")[rename, (merge, drop) if others else None]
    if manifest.is_multi_label:
        fixes = h.p(".hs-note")[SEVERAL]
    return dialog(name, counted(len(images), "picture"), (mistake, fixes, _thumbs(images, thumbnails)))


def image_dialog(manifest: Manifest, image: ImageRecord, uri: str, mistake: h.Node = None) -> h.Renderable:
    """One picture, large, with its class; another class, or out."""
    relabel = h.form(".fix", data_edit="relabel", data_file=image.file)
    change = h.button(".btn", type="submit")["Change"]
    options = [h.option(selected=name == image.class_name)[name] for name in manifest.classes]
    typed = h.input(type="text", maxlength=80, autocomplete="off", placeholder="What is it called?")
    drop = h.button(".btn", type="button", data_edit="drop", data_file=image.file)
    back = h.button(".btn.quiet.back", type="button", data_edit="open", data_name=image.class_name)
    large = h.div(".large")[
        h.span(".plate")[h.img(src=uri, alt=image.file)],
        h.div(".stack.tight")[
            h.p(".hs-soft")[
                f"{_PARTS[image.part]} ", h.span(".nowrap")[f"{image.width} × {image.height} px."]
            ],
            image.labels is None and relabel[h.label["It is a", h.select[options]], change],
            image.labels is None and relabel[h.label["or something new", typed], change],
            h.div(".fix")[h.span(".hs-soft")["Not a good one?"], drop["Leave it out"]],
            image.labels is None and back[f"All of {image.class_name}"],
        ],
    ]
    return dialog(image.class_name, h.bdi[image.file], (mistake, large))


def several_dialog(images: tuple[ImageRecord, ...], thumbnails: dict[str, str], title: str) -> h.Renderable:
    """The pictures that a finding is about, each with its class; a press opens one."""
    below = "Press one to change its class, or to leave it out."
    return dialog(title, below, _thumbs(images, thumbnails, named=True))


def sure_dialog(question: str, action: str, label: str) -> h.Renderable:
    """Asks before all pictures go."""
    body = (
        h.p(".hs-soft")["Undo brings them back."],
        h.div(".hs-row.fixes")[
            h.button(".btn.primary", type="button", data_edit=action)[label],
            h.button(".btn", type="button", data_close=True)["Keep them"],
        ],
    )
    return dialog(question, None, body)


def _thumbs(images: tuple[ImageRecord, ...], thumbnails: dict[str, str], *, named: bool = False) -> h.Node:
    made = [
        h.li[
            thumbnail_button(image, thumbnails[image.sha256]),
            h.span(".hs-note")[image.class_name] if named else None,
        ]
        for image in images[:MOST_SHOWN]
        if image.sha256 in thumbnails
    ]
    more = len(images) - MOST_SHOWN
    return h.ul(".all")[made], more > 0 and h.p(".hs-note")[f"And {counted(more, 'more picture')}."]


def dialog(title: str, below: h.Node, body: h.Node) -> h.Renderable:
    """A headline with a line below it, a way to close, and what it is about."""
    return h.dialog(".hs-dialog", aria_labelledby="hs-view-title")[
        h.div(".hs-row.between.top")[
            h.div[
                h.h2("#hs-view-title", tabindex="-1", autofocus=True)[title],
                h.p(".hs-note")[below] if below else None,
            ],
            h.button(".btn.quiet", type="button", data_close=True, aria_label="Close")[icon("cross")],
        ],
        body,
    ]
