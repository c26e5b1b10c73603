"""Tried pictures as a grid: by what it says of them, least sure first; one of them large; what to do.

Flow:  BatchAnswers + GridChoice --sections_of--> Section --grid--> elements, their buttons edits (`edits.js`)

A picture is known by the beginning of its sha256; a class filter by its number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import htpy as h

from headswap.app.service.batch_files import BatchView
from headswap.app.service.batches import BatchAnswers, TriedImage
from headswap.app.service.datasets import DatasetEdit
from headswap.app.ui.steps.classes import changed
from headswap.app.ui.steps.gallery import dialog
from headswap.app.ui.widgets.icons import icon, plate
from headswap.app.ui.widgets.text import number, percent, short
from headswap.counted import counted
from headswap.data.manifest import NO_LABEL, SkippedFile

PAGE = 60  # thumbnails at once
FEWEST = 6  # of a class, where all classes are shown
ID_LETTERS = 16  # of a sha256: enough to tell pictures of one batch apart
MOST_BUTTONS = 12  # classes; more are a list
MOST_NAMED = 50  # files that could not be read
SEVERAL = (
    "Each picture stands under every label that it is said to have. To learn from those that are wrong, add "
    "them to your table with the right labels, and bring it again in step 2."
)
ALL, DOUBTFUL, OOD, CLASS = "all", "doubtful", "unlike", "class-"


@dataclass(frozen=True)
class GridChoice:
    """What of a batch is looked at."""

    filter: str = ALL  # all, doubtful, unlike, or class-NUMBER
    page: int = 0

    @property
    def text(self) -> str:
        return f"{self.filter} {self.page}"


@dataclass(frozen=True)
class Section:
    """Pictures under one headline."""

    title: str
    filter: str
    all: tuple[TriedImage, ...]  # least sure first
    shown: tuple[TriedImage, ...]


@dataclass(frozen=True, kw_only=True)
class GridContext:
    """What is drawn next to the pictures."""

    view: BatchView
    classes: tuple[str, ...]  # of the run that answered
    names: tuple[str, ...]  # of the project's classes as they are now
    named: Mapping[str, str]  # sha256 -> the class that a person gave it
    is_old: bool  # another run answered than the one that is shown
    change: DatasetEdit | None = None  # what was done last
    is_multi_label: bool = False  # a picture may have several labels, and stands under each of them

    @property
    def sections(self) -> tuple[str, ...]:
        """What pictures stand under."""
        return (*self.classes, NO_LABEL) if self.is_multi_label else self.classes


def choice_of(text: str) -> GridChoice:
    """Read what the page remembers; whatever is no choice shows all."""
    kind, _, page = text.partition(" ")
    return GridChoice(kind or ALL, int(page) if page.isdecimal() and len(page) < 6 else 0)


def id_of(one: TriedImage) -> str:
    """How the page names a picture."""
    return one.image.sha256[:ID_LETTERS]


def worst_first(tried: Sequence[TriedImage]) -> tuple[TriedImage, ...]:
    """Unlike ones, then the least sure."""
    return tuple(sorted(tried, key=lambda one: (not one.said.is_ood, one.said.sure)))


def filtered(answers: BatchAnswers, chosen: str, classes: tuple[str, ...]) -> tuple[TriedImage, ...]:
    """The pictures of a filter, worst first; one that is not there shows all."""
    tried = answers.tried
    if chosen == DOUBTFUL:
        tried = tuple(one for one in tried if one.is_doubtful)
    elif chosen == OOD:
        tried = tuple(one for one in tried if one.said.is_ood)
    elif name := _class_of(chosen, classes):
        tried = tuple(one for one in tried if name in one.names)
    return worst_first(tried)


def sections_of(answers: BatchAnswers, choice: GridChoice, classes: tuple[str, ...]) -> tuple[Section, ...]:
    """What is shown: a few of each class, or one page of a filter."""
    found = filtered(answers, choice.filter, classes)
    if choice.filter in (DOUBTFUL, OOD) or _class_of(choice.filter, classes):
        first = min(choice.page, max(0, len(found) - 1) // PAGE) * PAGE
        title = {DOUBTFUL: "Not sure", OOD: "Unlike all practice pictures"}.get(choice.filter)
        title = title or _class_of(choice.filter, classes)
        return (Section(title, choice.filter, found, found[first : first + PAGE]),)
    groups = {name: tuple(one for one in found if name in one.names) for name in classes}
    most = max(FEWEST, PAGE // max(1, sum(map(bool, groups.values()))))
    return tuple(
        Section(name, f"{CLASS}{index}", groups[name], groups[name][:most])
        for index, name in enumerate(classes)
        if groups[name]
    )[: PAGE // FEWEST]


def grid(
    answers: BatchAnswers, choice: GridChoice, context: GridContext, thumbnails: Mapping[str, str]
) -> h.Renderable:
    """Draw it; `thumbnails` maps sha256 to a data: URI."""
    sections = sections_of(answers, choice, context.sections)
    return h.div(".batch")[
        _headline(answers, context.view),
        _old() if context.is_old else None,
        h.p(".hs-note")[SEVERAL] if context.is_multi_label else None,
        changed(context.change) if context.change else None,
        _filters(answers, choice, context.sections) if answers.tried else None,
        [_section(one, choice, context, thumbnails) for one in sections],
        _it_is_them(context.names) if answers.tried and not context.is_multi_label else None,
        _left_out(answers.manifest.left_out),
    ]


def progress(view: BatchView) -> h.Renderable:
    """How far it is, and the way out."""
    if view.state == "predicting":
        text, share = f"{number(view.done)} of {number(view.total)}", view.done / max(1, view.total)
    else:
        text = f"{counted(view.done, 'picture')} read" if view.done else "Reading the pictures"
        share = 0.0
    bar = h.div(
        ".bar", role="progressbar", aria_valuenow=f"{100 * share:.0f}", aria_valuemin=0, aria_valuemax=100,
        aria_valuetext=text, aria_label="Trying the pictures",
    )  # fmt: skip
    return h.div(".hs-row.progress", data_state=view.state)[
        bar[h.i(style=f"width:{100 * share:.1f}%")],
        h.span(".hs-num")[text],
        h.button(".btn.small", type="button", data_edit="stop-tried")["Cancel"],
    ]


def large_dialog(
    one: TriedImage,
    uri: str,
    said: h.Node,
    context: GridContext,
    after: TriedImage | None,
    mistake: h.Node = None,
) -> h.Renderable:
    """One picture large, with its bars and reasons; what it is; the next one."""
    onward = None
    if after:
        next_one = h.button(".btn.quiet", type="button", data_edit="look-tried", data_file=id_of(after))
        onward = next_one["Next picture"]
    name = context.named.get(one.image.sha256)
    body = h.div(".large.tried-large")[
        h.div(".stack.tight")[
            h.span(".plate")[h.img(src=uri, alt=one.image.file)],
            _tag("good", "good", f"You said: {name}") if name else None,
            None if context.is_multi_label else _it_is("name-one", context.names, id_of(one)),
            onward,
        ],
        said,
    ]
    return dialog(one.said.label, h.bdi[one.image.file], (mistake, body))


def _class_of(chosen: str, classes: tuple[str, ...]) -> str:
    index = chosen.removeprefix(CLASS)
    is_one = chosen.startswith(CLASS) and index.isdecimal() and len(index) < 6 and int(index) < len(classes)
    return classes[int(index)] if is_one else ""


def _headline(answers: BatchAnswers, view: BatchView) -> h.Renderable:
    tried = answers.tried
    ood = sum(one.said.is_ood for one in tried)
    doubtful = sum(one.is_doubtful for one in tried)
    headline = f"{counted(len(tried), 'picture')} tried"
    if view.is_stopped:
        headline = f"Stopped: {number(len(tried))} of {counted(view.total, 'picture')} tried"
    facts = [f"It is not sure of {number(doubtful)}"] if doubtful else []
    facts += (
        [f"{number(ood)} {'is' if ood == 1 else 'are'} unlike anything it has practised on"] if ood else []
    )
    return h.div(role="status")[
        h.h3(".serif", tabindex="-1")[headline],
        h.p(".hs-soft")[f"{', and '.join(facts)}. Those come first: look at them."] if facts else None,
        resume_row(view),
    ]


def resume_row(view: BatchView) -> h.Renderable | None:
    """Where some have no answer yet: answer them too."""
    if not view.can_resume:
        return None
    left = view.total - view.done
    return h.div(".hs-row")[
        h.button(".btn.small", type="button", data_edit="go-on-tried")["Go on"],
        h.span(".hs-note")[
            f"{counted(left, 'picture')} have no answer yet. Those that have one are not asked again."
        ],
    ]


def _old() -> h.Renderable:
    return h.div(".callout.accent")[
        icon("info"),
        h.p[
            "These are the answers of another run. ",
            h.button(".link", type="button", data_edit="try-again")["Try the same pictures again"],
        ],
    ]


def _filters(answers: BatchAnswers, choice: GridChoice, classes: tuple[str, ...]) -> h.Renderable:
    tried, of_class = answers.tried, Counter(name for one in answers.tried for name in one.names)
    known = [(ALL, "All", len(tried)), (DOUBTFUL, "Not sure", sum(one.is_doubtful for one in tried))]
    known += [(OOD, "Unlike", sum(one.said.is_ood for one in tried))]
    known += [(f"{CLASS}{index}", name, of_class[name]) for index, name in enumerate(classes)]
    buttons = []
    for key, title, how_many in known:
        is_on = key == choice.filter
        if how_many or is_on or key == ALL:
            press = h.button(
                ".btn.small", type="button", data_edit="show-tried", data_name=key,
                aria_pressed=str(is_on).lower(), title=title,
            )  # fmt: skip
            buttons.append(press[h.span[short(title, 22)], h.span(".hs-num")[number(how_many)]])
    return h.div(".hs-row.filters", role="group", aria_label="Which pictures")[buttons]


def _section(
    one: Section, choice: GridChoice, context: GridContext, thumbnails: Mapping[str, str]
) -> h.Renderable:
    all_of_them = h.button(
        ".btn.small.quiet", type="button", data_all=True, aria_label=f"Tick all shown of {one.title}"
    )
    return h.section(aria_label=one.title)[
        h.div(".hs-row.between.over-tiles")[
            h.h4[one.title, " ", h.span(".hs-note.hs-num")[counted(len(one.all), "picture")]],
            None if context.is_multi_label else all_of_them["Tick all"],
        ],
        h.ul(".tiles")[[_tile(tried, context, thumbnails) for tried in one.shown]],
        _more(one, choice),
    ]


def _more(one: Section, choice: GridChoice) -> h.Renderable | None:
    """The way to those that are not shown."""
    if len(one.shown) == len(one.all):
        return None
    if choice.filter != one.filter:
        return h.div(".hs-row")[_to(one.filter, 0, f"Show all {number(len(one.all))}", one.title)]
    first = one.all.index(one.shown[0])
    left, page = len(one.all) - first - len(one.shown), first // PAGE
    return h.div(".hs-row")[
        _to(one.filter, page - 1, f"Show the {PAGE} before", one.title) if page else None,
        _to(one.filter, page + 1, f"Show {number(min(left, PAGE))} more", one.title) if left else None,
        h.span(".hs-note.hs-num")[f"{first + 1}–{first + len(one.shown)} of {number(len(one.all))}"],
    ]


def _to(chosen: str, page: int, label: str, title: str) -> h.Renderable:
    press = h.button(
        ".btn.small", type="button", data_edit="show-tried", data_name=chosen, data_file=str(page),
        aria_label=f"{label} of {title}",
    )  # fmt: skip
    return press[label]


def _tile(one: TriedImage, context: GridContext, thumbnails: Mapping[str, str]) -> h.Renderable:
    named, file = context.named.get(one.image.sha256), one.image.file
    notes = [("warn", "unlike")] if one.said.is_ood else []
    notes += [("info", "not sure")] if one.is_doubtful else []
    says = ", ".join(
        [f"{file}: it says {one.said.label}, {percent(one.said.sure)} sure", *(label for _, label in notes)]
    )
    tick = h.label(".pick")[h.input(type="checkbox", value=id_of(one), aria_label=f"Tick {file}")]
    return h.li[
        None if context.is_multi_label else tick,
        h.button(
            ".look", type="button", data_edit="look-tried", data_file=id_of(one), aria_label=says, title=file
        )[plate(thumbnails.get(one.image.sha256, ""), "")],
        h.span(".said", aria_hidden="true")[
            h.b(title=one.said.label)[one.said.label], h.span(".hs-num")[percent(one.said.sure)]
        ],
        h.span(".marks", aria_hidden="true")[[_tag(mark, "warn", label) for mark, label in notes]],
        _tag("good", "good", f"it is {short(named, 20)}") if named else None,
    ]


def _tag(mark: str, tone: str, label: str) -> h.Renderable:
    return h.span(class_=["tag", tone])[icon(mark), label]


def _it_is_them(names: tuple[str, ...]) -> h.Renderable:
    """For those that are ticked; `batch.js` shows it and fills in which."""
    return h.div(".it-is", hidden=True, role="group", aria_label="What the ticked pictures are")[
        h.span(".how-many", aria_live="polite"), _it_is("name-them", names, "")
    ]


def _it_is(edit: str, names: tuple[str, ...], file: str) -> h.Renderable:
    """One press on the right class, or the name of a new one."""
    new = h.form(".new-name", data_edit=edit, data_file=file)[
        h.input(
            type="text", maxlength=80, autocomplete="off", placeholder="something new",
            aria_label="It is something new: its name",
        ),
        h.button(".btn.small", type="submit")["Add"],
    ]  # fmt: skip
    if len(names) > MOST_BUTTONS:
        known: h.Node = h.form(".new-name", data_edit=edit, data_file=file)[
            h.select(aria_label="It is")[[h.option[name] for name in names]],
            h.button(".btn.small", type="submit")["It is this"],
        ]
    else:
        known = [
            h.button(
                ".btn.small", type="button", data_edit=edit, data_name=name, data_file=file,
                aria_label=f"It is {name}", title=name,
            )[short(name, 18)]
            for name in names
        ]  # fmt: skip
    return h.div(".hs-row.names")[h.b["It is …"], known, new]


def _left_out(left: tuple[SkippedFile, ...]) -> h.Renderable | None:
    """Files that could not be read, each with its sentence."""
    if not left:
        return None
    more = len(left) - MOST_NAMED
    return h.details(".left-out", open=len(left) <= 3)[
        h.summary[f"{counted(len(left), 'file')} could not be tried"],
        h.ul[[h.li[h.bdi[one.file], h.span(".hs-soft")[f": {one.reason}"]] for one in left[:MOST_NAMED]]],
        h.p(".hs-note")[f"And {number(more)} more."] if more > 0 else None,
    ]
