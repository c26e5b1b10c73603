"""Closer looks, each in a dialog: one class with all its pictures, one picture large, a few side by side.

Flow:  what a person opened --Closer--> `closer` --> a dialog whose buttons are deeds (`deeds.js`)
"""

from __future__ import annotations

from headswap.app.ui.steps.classes import look_button, of_class
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import count, safe
from headswap.data.manifest import ImageRecord, Manifest

MOST_SHOWN = 120  # thumbnails in one dialog
_PARTS = {"train": "For practice.", "validation": "For choosing.", "test": "Locked away for the exam."}


def class_dialog(manifest: Manifest, name: str, thumbnails: dict[str, str], mistake: str = "") -> str:
    """One class: its pictures, another name, another home, or out."""
    pictures = of_class(manifest, name)
    others = "".join(f"<option>{safe(other)}</option>" for other in manifest.classes if other != name)
    fixes = (
        f'<form class="fix" data-deed="rename" data-name="{safe(name)}"><label>Its name<input type="text" '
        f'maxlength="80" autocomplete="off" value="{safe(name)}"></label>'
        '<button class="btn" type="submit">Rename</button></form>'
    )
    if others:
        fixes += (
            f'<form class="fix" data-deed="merge" data-name="{safe(name)}"><label>Put its pictures into'
            f'<select>{others}</select></label><button class="btn" type="submit">Merge</button></form>'
            '<div class="fix"><span class="hs-soft">Not wanted after all?</span>'
            f'<button class="btn" type="button" data-deed="drop-class" data-name="{safe(name)}">'
            "Leave the class out</button></div>"
        )
    body = f'{mistake}<div class="fixes-of">{fixes}</div>{_thumbs(pictures, thumbnails)}'
    return _dialog(safe(name), count(len(pictures), "picture"), body)


def image_dialog(manifest: Manifest, picture: ImageRecord, uri: str, mistake: str = "") -> str:
    """One picture, large, with its class; another class, or out."""
    options = "".join(
        f"<option{' selected' if name == picture.class_name else ''}>{safe(name)}</option>"
        for name in manifest.classes
    )
    body = (
        f'{mistake}<div class="large"><span class="plate"><img src="{uri}" alt="{safe(picture.file)}"></span>'
        f'<div class="stack tight"><p class="hs-soft">{_PARTS[picture.part]} '
        f'<span class="nowrap">{picture.width} × {picture.height} px.</span></p>'
        f'<form class="fix" data-deed="relabel" data-file="{safe(picture.file)}"><label>It is a'
        f'<select>{options}</select></label><button class="btn" type="submit">Change</button></form>'
        f'<form class="fix" data-deed="relabel" data-file="{safe(picture.file)}"><label>or something new'
        '<input type="text" maxlength="80" autocomplete="off" placeholder="What is it called?"></label>'
        '<button class="btn" type="submit">Change</button></form>'
        '<div class="fix"><span class="hs-soft">Not a good one?</span><button class="btn" type="button" '
        f'data-deed="drop" data-file="{safe(picture.file)}">Leave it out</button></div>'
        f'<button class="btn quiet back" type="button" data-deed="open" '
        f'data-name="{safe(picture.class_name)}">All of {safe(picture.class_name)}</button></div></div>'
    )
    return _dialog(safe(picture.class_name), f"<bdi>{safe(picture.file)}</bdi>", body)


def several_dialog(pictures: tuple[ImageRecord, ...], thumbnails: dict[str, str], title: str) -> str:
    """The pictures that a finding is about, each with its class; a press opens one."""
    return _dialog(
        safe(title),
        "Press one to change its class, or to leave it out.",
        _thumbs(pictures, thumbnails, named=True),
    )


def sure_dialog(question: str, deed: str, label: str) -> str:
    """Asks before all pictures go."""
    body = (
        '<p class="hs-soft">Undo brings them back.</p><div class="hs-row fixes">'
        f'<button class="btn primary" type="button" data-deed="{deed}">{label}</button>'
        '<button class="btn" type="button" data-close>Keep them</button></div>'
    )
    return _dialog(safe(question), "", body)


def _thumbs(pictures: tuple[ImageRecord, ...], thumbnails: dict[str, str], *, named: bool = False) -> str:
    made = "".join(
        f"<li>{look_button(picture, thumbnails[picture.sha256])}"
        f"{f'<span class=hs-note>{safe(picture.class_name)}</span>' if named else ''}</li>"
        for picture in pictures[:MOST_SHOWN]
        if picture.sha256 in thumbnails
    )
    more = len(pictures) - MOST_SHOWN
    note = f'<p class="hs-note">And {count(more, "more picture")}.</p>' if more > 0 else ""
    return f'<ul class="all">{made}</ul>{note}'


def _dialog(title: str, below: str, body: str) -> str:
    note = f'<p class="hs-note">{below}</p>' if below else ""
    return (
        '<dialog class="hs-dialog" aria-labelledby="hs-view-title"><div class="hs-row between top"><div>'
        f'<h2 id="hs-view-title" tabindex="-1" autofocus>{title}</h2>{note}</div>'
        '<button class="btn quiet" type="button" data-close aria-label="Close">'
        f"{icon('cross')}</button></div>{body}</dialog>"
    )
