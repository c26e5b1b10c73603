"""Pictures that wait for a name: how far it is, one of them large, and groups that get theirs with one press.

Flow:  LabelView --question_card, group_rows--> elements, their buttons edits (`edits.js`, `label.js`)

A picture is known by the beginning of its sha256.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import htpy as h

from headswap.app.service.labelling import LabelView
from headswap.app.service.labels import LabelGroup, LabelProgress, LabelState
from headswap.app.ui.widgets.icons import icon, plate
from headswap.app.ui.widgets.text import number, short
from headswap.counted import counted

GROUPS = 6  # shown at once
ID_LETTERS = 16  # of a sha256: enough to tell pictures of one heap apart
DIGITS = "1234567890"  # keys of the first ten classes
MOST_BUTTONS = 8  # classes next to the name of a group; more are in its list
MOST_LEFT = 50  # files that could not be read


def id_of(sha256: str) -> str:
    """How the page names a picture."""
    return sha256[:ID_LETTERS]


def shown_groups(state: LabelState) -> tuple[LabelGroup, ...]:
    """The groups that are drawn."""
    return state.open_groups[:GROUPS]


def asked(state: LabelState) -> str:
    """The sha256 of the picture that is asked now; empty while groups come first, or when none is left."""
    is_ready = len(state.classes) >= 2 or not state.open_groups
    return next(iter(state.open_questions), "") if is_ready else ""


def waiting(view: LabelView) -> h.Renderable:
    """How far the pass is, and the way out."""
    share = view.done / view.total if view.total else 0.0
    text = {
        "looking": f"{number(view.done)} of {number(view.total)} looked at",
        "grouping": "Putting together what looks alike",
    }.get(view.state, f"{counted(view.done, 'picture')} read" if view.done else "Reading the pictures")
    bar = h.div(
        ".bar", role="progressbar", aria_valuenow=f"{100 * share:.0f}", aria_valuemin=0, aria_valuemax=100,
        aria_valuetext=text, aria_label="Looking at the pictures",
    )  # fmt: skip
    return h.div(".hs-row.progress.labelling", data_state=view.state)[
        bar[h.i(style=f"width:{100 * share:.1f}%")],
        h.span(".hs-num")[text],
        h.button(".btn.small", type="button", data_edit="label-away")["Cancel"],
    ]


def question_card(found: LabelProgress, uri: str) -> h.Renderable:
    """How many have a name, the picture that is asked, and what to do with it all."""
    return h.div(".labelling.stack", data_state="ready")[
        _progress_line(found), _question(found, uri), _ends(found), _left_out(found)
    ]


def group_rows(found: LabelProgress, thumbnails: Mapping[str, str]) -> h.Renderable | None:
    """Groups that look alike, each with a field for its name; `thumbnails` maps sha256 to a data: URI."""
    groups = shown_groups(found.state)
    if not groups:
        return None
    more = len(found.state.open_groups) - len(groups)
    options = [h.option(value=name) for name in found.state.classes]
    return h.div(".alike")[
        h.h3(".serif", tabindex="-1")["Name a whole group with one press"],
        h.p(".hs-soft")["Press a picture to take it out of its group: it is asked about later."],
        h.datalist("#hs-label-classes")[options],
        [_group(one, found, thumbnails) for one in groups],
        h.p(".hs-note")[f"{counted(more, 'more group')} when these have a name."] if more else None,
    ]


def _progress_line(found: LabelProgress) -> h.Renderable:
    state, labels = (
        found.state,
        Counter(found.state.labels[one] for one in found.images if one in found.state.labels),
    )
    text = f"{number(found.named)} of {number(found.total)} have a name"
    share = found.named / max(1, found.total)
    bar = h.div(
        ".bar", role="progressbar", aria_valuenow=f"{100 * share:.0f}", aria_valuemin=0, aria_valuemax=100,
        aria_valuetext=text, aria_label="Pictures with a name",
    )  # fmt: skip
    keys = [
        h.li[h.span(title=name)[short(name, 22)], " ", h.b(".hs-num")[number(labels[name])]]
        for name in state.classes
        if labels[name]
    ]
    return h.div(".so-far")[
        h.div(".hs-row.between")[h.h2(tabindex="-1", role="status")[text], _undo(state)],
        bar[h.i(style=f"width:{100 * share:.1f}%")],
        h.ul(".tallies")[keys] if keys else None,
    ]


def _undo(state: LabelState) -> h.Renderable | None:
    if not state.steps:
        return None
    last = state.steps[-1]
    how_many = counted(len(last.sha256s), "picture")
    text = f"{how_many} named {last.name}" if last.name is not None else f"{how_many} left open"
    undo = h.button(".btn.small.quiet", type="button", data_edit="label-undo", aria_label=f"Undo: {text}")
    return h.span(".hs-row.last")[h.span(".hs-soft")[text], undo[icon("undo"), "Undo"]]


def _question(found: LabelProgress, uri: str) -> h.Renderable | None:
    state = found.state
    if not (sha256 := asked(state)):
        if found.named == found.total:
            return h.p(".live")["Every picture has a name."]
        if not state.classes:
            return h.p(".hs-soft")[
                "Name two groups below. Then it asks about single pictures, the most telling first."
            ]
        return h.p(".hs-soft")["Name a group of something else, too: then it asks about single pictures."]
    file = id_of(sha256)
    buttons = [_class_button(index, name, file) for index, name in enumerate(state.classes)]
    new = h.form(".new-name", data_edit="label-one", data_file=file)[
        h.input(
            type="text", maxlength=80, autocomplete="off", placeholder="something new",
            aria_label="It is something new: its name",
        ),
        h.button(".btn.small", type="submit")["Add"],
    ]  # fmt: skip
    unclear = h.button(".btn.small.quiet", type="button", data_edit="label-skip", data_file=file)
    return h.div(".asked")[
        h.span(".plate")[h.img(src=uri, alt=found.images[sha256].file)],
        h.div(".stack.tight")[
            h.h3(".serif", tabindex="-1")["What is this?"],
            h.div(".hs-row.names", role="group", aria_label="It is")[buttons],
            new,
            unclear["Cannot tell"],
            h.p(".hs-note.keys-hint")["On a keyboard, a digit is a class."] if buttons else None,
        ],
    ]


def _class_button(index: int, name: str, file: str) -> h.Renderable:
    digit = DIGITS[index] if index < len(DIGITS) else None
    press = h.button(
        ".btn", type="button", data_edit="label-one", data_name=name, data_file=file, data_digit=digit,
        aria_label=f"It is {name}", aria_keyshortcuts=digit, title=name,
    )  # fmt: skip
    return press[h.kbd(aria_hidden="true")[digit] if digit else None, short(name, 22)]


def _group(one: LabelGroup, found: LabelProgress, thumbnails: Mapping[str, str]) -> h.Renderable:
    files = " ".join(map(id_of, one.sha256s))
    how_many = counted(len(one.sha256s), "picture")
    title = f"These look like {one.name}" if one.name else "These look alike"
    field = h.form(".new-name", data_edit="label-group", data_file=files)[
        h.input(
            type="text", maxlength=80, autocomplete="off", list="hs-label-classes",
            placeholder="something else" if one.name else "All of these are …",
            aria_label=f"The name of this group of {how_many}",
        ),
        h.button(".btn.small", type="submit")["Name them"],
    ]  # fmt: skip
    known = found.state.classes if not one.name and len(found.state.classes) <= MOST_BUTTONS else ()
    buttons = [
        h.button(
            ".btn.small", type="button", data_edit="label-group", data_name=name, data_file=files,
            aria_label=f"All of these are {name}", title=name,
        )[short(name, 18)]
        for name in known
    ]  # fmt: skip
    if one.name:
        press = h.button(
            ".btn.small.primary", type="button", data_edit="label-group", data_name=one.name, data_file=files
        )
        buttons = [press["All of these are ", short(one.name, 22)]]
    return h.section(".alike-group", aria_label=f"{title}, {how_many}", data_name=one.name)[
        h.div(".hs-row.between")[h.h4[title], h.span(".hs-note.hs-num.how-many")[how_many]],
        h.ul(".heap")[[_thumb(sha256, found, thumbnails) for sha256 in one.sha256s]],
        h.div(".hs-row.names")[buttons, field],
    ]


def _thumb(sha256: str, found: LabelProgress, thumbnails: Mapping[str, str]) -> h.Renderable:
    file = found.images[sha256].file
    return h.li[
        h.label(title=file)[
            h.input(type="checkbox", checked=True, value=id_of(sha256), aria_label=f"{file} belongs to it"),
            plate(thumbnails.get(sha256, ""), ""),
        ]
    ]


def _ends(found: LabelProgress) -> h.Renderable:
    """Teach with what has a name, or put all of it away."""
    state, left = found.state, found.total - found.named - len(found.state.skipped)
    is_new = state.taken < len(state.steps)
    text = _about_the_others(left, uses=state.uses_rest)
    said: h.Node = None
    if state.taken and not is_new:
        said = h.p(role="status")[icon("good", "good"), f" Taken over, and shown below. {text}"]
    elif found.named:
        said = h.p(".hs-soft")[text]
    other = h.button(".link", type="button", data_edit="label-no-rest" if state.uses_rest else "label-rest")
    switch = other["Leave them out" if state.uses_rest else "Learn from guesses for them"]
    enough = h.button(
        ".btn.primary", type="button", data_edit="label-finish", disabled=not is_new or len(state.classes) < 2
    )
    away = h.button(".btn.small", type="button", data_edit="label-away")
    lost = (
        f"Yes: forget {counted(found.named, 'name')} that I gave"
        if is_new and found.named
        else "Yes, put them away"
    )
    return h.div(".ends-of")[
        said,
        h.p[switch] if left and found.named else None,
        h.div(".hs-row.between")[
            enough["Enough: teach with these"],
            h.details(".away")[h.summary["Put them away"], away[lost]],
        ],
    ]


def _about_the_others(left: int, *, uses: bool) -> str:
    """What becomes of pictures without a name."""
    if not left:
        return ""
    one = left == 1
    stay = "The one other stays" if one else f"The other {counted(left, 'picture')} stay"
    if not uses:
        return f"{stay} here without a name, and {'is' if one else 'are'} not used."
    them = "it" if one else "them"
    return f"{stay} here without a name. The head also learns from its guesses for {them}, if that helps."


def _left_out(found: LabelProgress) -> h.Renderable | None:
    """Files that could not be read, each with its sentence."""
    left = found.manifest.left_out
    if not left:
        return None
    more = len(left) - MOST_LEFT
    return h.details(".left-out", open=len(left) <= 3)[
        h.summary[f"{counted(len(left), 'file')} could not be read"],
        h.ul[[h.li[h.bdi[one.file], h.span(".hs-soft")[f": {one.reason}"]] for one in left[:MOST_LEFT]]],
        h.p(".hs-note")[f"And {number(more)} more."] if more > 0 else None,
    ]
