"""The four beats of an experiment: predict, run, see, why.

Flow:  LessonView --predict, run, see, why--> the elements of each beat

What is not known yet is not shown: no result before a guess, no reason before a result.

Elements only: no gradio, no service.
"""

from __future__ import annotations

import htpy as h
from markupsafe import Markup

from headswap.app.service.lessons.lessons import DRAWS, LessonView
from headswap.app.ui.lessons.code import sides
from headswap.app.ui.lessons.quiz import quiz, quiz_result
from headswap.app.ui.lessons.terms import ExplainedTerms, coded
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import percent, seconds
from headswap.counted import counted
from headswap.lessons.lesson import LessonResult, Number
from headswap.plots.draw import NARROW, WIDE, draw

NEEDS = "First choose what you think will happen."


# Every number of a run in one table, with where it probably lies.
def numbers_table(result: LessonResult) -> h.Renderable:
    """Words, value, interval."""
    rows = [
        h.tr[h.th(scope="row")[one.text], h.td[_value(one)], h.td[_between(one)]] for one in result.numbers
    ]
    heads = [h.th(scope="col")[title] for title in ("measured", "value", "probably")]
    return h.table[h.thead[h.tr[heads]], h.tbody[rows]]


def _value(number: Number) -> str:
    if number.unit == "share":
        return percent(number.value)
    if number.unit == "count":
        return f"{number.value:,.0f}"
    return f"{number.value:.1f} s" if number.unit == "seconds" else f"{number.value:.3g}"


def _between(number: Number) -> str:
    if number.low is None or number.high is None:
        return ""
    if number.unit == "share":
        return f"{100 * number.low:.0f}–{percent(number.high)}"
    return f"{number.low:.3g}–{number.high:.3g}"


def heading(view: LessonView) -> h.Renderable:
    """The title, and on what it runs."""
    on = f"your {view.own_images}" if view.is_own and view.own_images else "the sample set"
    return h.div(".lesson-head")[
        h.h2(".hs-title")[view.lesson.title],
        h.span(".hs-note")[f"runs here in about {seconds(view.seconds)}, on {on}"],
    ]


def predict(view: LessonView, terms: ExplainedTerms) -> h.Renderable:
    """The question and what may happen; locked once it was run, with what was right."""
    return _beat(
        1,
        "Guess",
        h.p(".hs-soft")[terms.text(view.lesson.question)],
        h.fieldset(".answers")[
            h.legend(".hs-vh")["What do you think happens?"],
            [_choice(view, index) for index in range(len(view.lesson.choices))],
        ],
        quiz(view),
    )


def run(view: LessonView) -> h.Renderable:
    """The button that runs it; while it runs how far it is, afterwards how long it took."""
    plan = h.p(".hs-soft")[coded(view.lesson.plan)]
    if view.run.is_going:
        return _beat(2, "Run", plan, _going(view))
    is_new = view.guess is None
    button = h.button(
        "#hs-run.btn.primary",
        type="button",
        data_do="run",
        disabled=is_new,
        data_needs=NEEDS if is_new else None,
    )
    return _beat(
        2,
        "Run",
        plan,
        _data_choice(view),
        _failed(view),
        h.div(".hs-row")[
            button["Run it" if view.result is None else "Run it again"],
            h.span(role="status")[_run_status(view)],
        ],
        _again(view.result) if view.result is not None else None,
    )


def _failed(view: LessonView) -> h.Renderable | None:
    if view.run.state != "failed":
        return None
    return h.div(".callout.warn.mistake", role="alert")[
        icon("warn"), h.p[h.b[view.run.problem], " ", view.run.remedy]
    ]


def _run_status(view: LessonView) -> h.Renderable | None:
    """Next to the button: what came of it, or what it needs."""
    if view.run.state == "failed":
        return None
    if view.result is not None:
        return h.span(".tag.good")[icon("good"), f"done in {view.result.seconds:.1f} s"]
    if view.run.state == "stopped":
        return h.span(".tag")[icon("info"), "stopped; your guess is kept"]
    return h.span(".hs-note.needs")[NEEDS] if view.guess is None else None


def _again(result: LessonResult) -> h.Renderable:
    return h.p(".hs-note.again")[
        f"Draw {result.seed % DRAWS + 1} of {DRAWS}: each time practice and exam are drawn again. What stays "
        "the same is no luck."
    ]


def see(view: LessonView) -> h.Renderable:
    """What happened, drawn from the numbers of this very run."""
    result = view.result
    if result is None:
        waits = "What happens is drawn here, from the numbers of your run."
        return _beat(3, "See", h.p(".hs-note")[waits])
    images = counted(result.images, "picture")
    return _beat(
        3,
        "See",
        _judged(view),
        h.div(".said")[[h.p(".hs-soft")[coded(one)] for one in result.sentences]],
        h.div(".drawing")[Markup(draw(result.figure, WIDE)), Markup(draw(result.figure, NARROW))],
        quiz_result(view) if view.lesson.quiz else _heard(result),
        h.details(".numbers")[
            h.summary[f"The numbers of this run ({len(result.numbers)})"], numbers_table(result)
        ],
        h.p(".hs-note")[f"{images} of {result.data}, {result.model}, seed {result.seed}"],
    )


def _heard(result: LessonResult) -> h.Node:
    """What programs said in this run, as they said it."""
    return [h.pre(".code.heard", tabindex="0")[one] for one in result.texts if one]


def why(view: LessonView, terms: ExplainedTerms) -> h.Renderable:
    """The reason, and the lines that did it; only after a run."""
    if view.result is None:
        return _beat(4, "Why", h.p(".hs-note")["The reason comes after the run."])
    reasons = h.div(".reasons")[terms.paragraphs(view.lesson.why)]
    code = h.details(".codes")[h.summary["Show the code"], [sides(each) for each in view.lesson.codes]]
    return _beat(4, "Why", reasons, terms.rest(), code)


def _beat(number: int, name: str, *body: h.Node) -> h.Renderable:
    return h.section(".beat", aria_label=name)[h.b(aria_hidden="true")[number], h.div[h.h2[name], body]]


def _choice(view: LessonView, index: int) -> h.Renderable:
    return h.label[
        h.input(
            type="radio",
            name="guess",
            value=index,
            checked=view.guess == index,
            disabled=view.guess is not None,
        ),
        h.span[view.lesson.choices[index]],
        _mark(view, is_mine=view.guess == index, is_right=view.lesson.right == index),
    ]


def _mark(view: LessonView, *, is_mine: bool, is_right: bool) -> h.Renderable | None:
    """What is to be said of one choice, before and after the run."""
    if view.result is None:
        return h.span(".tag")[icon("lock"), "your guess"] if is_mine else None
    if is_right:
        other = " on the sample set" if view.is_own or not view.result.shows else ""
        label = "your guess, and right" if is_mine else "what happens"
        return h.span(".tag.good")[icon("good"), f"{label}{other}"]
    return h.span(".tag.bad")[icon("cross"), "your guess"] if is_mine else None


def _going(view: LessonView) -> h.Renderable:
    state = view.run
    done = f"{100 * state.share:.0f}"
    bar = h.div(
        ".bar",
        role="progressbar",
        aria_valuemin=0,
        aria_valuemax=100,
        aria_valuenow=done,
        aria_label="Running",
    )
    return h.div(".going")[
        h.div(".hs-row.progress")[
            bar[h.i(style=f"width:{done}%")],
            h.span(".hs-num")[None if state.state == "waiting" else percent(state.share)],
        ],
        h.div(".hs-row")[
            h.button("#hs-stop-run.btn", type="button", data_do="stop")["Stop"],
            h.span(".hs-soft", role="status")[state.sentence],
        ],
    ]


def _data_choice(view: LessonView) -> h.Renderable | None:
    """On the sample set, or on the person's own pictures and network, once there are any."""
    if not view.own_images or view.lesson.name == "two-heads":
        return None
    rows = (
        ("sample", "the sample set", not view.is_own),
        ("own", f"your pictures “{view.own_images}”, {view.own_model}", view.is_own),
    )
    return h.fieldset(".material")[
        h.legend["Run it on"],
        [
            h.label[h.input(type="radio", name="material", value=name, checked=chosen), h.span[label]]
            for name, label, chosen in rows
        ],
    ]


def _judged(view: LessonView) -> h.Renderable | None:
    """Whether the guess came true, before anything else."""
    if view.guess is None:
        return None
    choices = view.lesson.choices
    guess, right = choices[view.guess], choices[view.lesson.right]
    judged = h.p(".judged")
    if view.result is not None and not view.result.shows:
        return judged[
            icon("info"),
            h.span[
                f"You said “{guess}”. This run alone does not decide it; with all pictures of the sample set "
                f"it is “{right}”."
            ],
        ]
    if view.is_right:
        return h.p(".judged.good")[icon("good"), h.span["You said it beforehand."]]
    return judged[icon("info"), h.span[f"You said “{guess}”. It was “{right}”."]]
