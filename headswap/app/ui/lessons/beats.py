"""The four beats of an experiment: predict, run, see, why.

Flow:  LessonView --predict, run, see, why--> HTML of each beat

What is not known yet is not shown: no result before a guess, no reason before a result. Pure text: no
gradio, no service.
"""

from __future__ import annotations

from headswap.app.service.lessons.lessons import DRAWS, LessonView
from headswap.app.ui.lessons.code import sides
from headswap.app.ui.lessons.riddles import riddles, riddles_seen
from headswap.app.ui.lessons.terms import ExplainedTerms, coded
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import count, percent, safe, seconds
from headswap.lessons.lesson import LessonResult, Number
from headswap.plots.draw import NARROW, WIDE, draw


# Every number of a run in one table, with where it probably lies.
def numbers_table(result: LessonResult) -> str:
    """Words, value, interval."""
    rows = "".join(
        f'<tr><th scope="row">{safe(one.words)}</th><td>{_value(one)}</td><td>{_between(one)}</td></tr>'
        for one in result.numbers
    )
    return (
        '<table><thead><tr><th scope="col">measured</th><th scope="col">value</th><th scope="col">probably'
        f"</th></tr></thead><tbody>{rows}</tbody></table>"
    )


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


def heading(view: LessonView) -> str:
    """The title, and on what it runs."""
    on = f"your {safe(view.own_pictures)}" if view.is_own and view.own_pictures else "the sample set"
    return (
        f'<div class="lesson-head"><h2 class="hs-title">{safe(view.lesson.title)}</h2>'
        f'<span class="hs-note">runs here in about {seconds(view.seconds)}, on {on}</span></div>'
    )


def predict(view: LessonView, words: ExplainedTerms) -> str:
    """The question and what may happen; locked once it was run, with what was right."""
    lesson = view.lesson
    rows = "".join(_choice(view, place) for place in range(len(lesson.choices)))
    return _beat(
        1,
        "Predict",
        f'<p class="hs-soft">{words.text(lesson.question)}</p><fieldset class="answers"><legend '
        f'class="hs-vh">'
        f"What do you think happens?</legend>{rows}</fieldset>{riddles(view)}",
    )


def run(view: LessonView) -> str:
    """The button that runs it; while it runs how far it is, afterwards how long it took."""
    body = f'<p class="hs-soft">{coded(view.lesson.plan)}</p>'
    state = view.run
    if state.is_going:
        return _beat(2, "Run", body + _going(view))
    body += _where(view)
    is_new = view.guess is None
    label = "Run it" if view.result is None else "Run it again"
    needs = "First choose what you think will happen."
    disabled = f' disabled data-needs="{needs}"' if is_new else ""
    status = ""
    if state.state == "failed":
        body += (
            f'<div class="callout warn mistake" role="alert">{icon("warn")}<p><b>{safe(state.problem)}</b> '
            f"{safe(state.remedy)}</p></div>"
        )
    elif view.result is not None:
        status = f'<span class="tag good">{icon("good")}done in {view.result.seconds:.1f} s</span>'
    elif state.state == "stopped":
        status = f'<span class="tag">{icon("info")}stopped; your guess is kept</span>'
    elif is_new:
        status = f'<span class="hs-note needs">{needs}</span>'
    body += (
        f'<div class="hs-row"><button class="btn primary" type="button" data-do="run" id="hs-run"{disabled}>'
        f'{label}</button><span role="status">{status}</span></div>'
    )
    if view.result is not None:
        draw_number = view.result.seed % DRAWS + 1
        body += (
            f'<p class="hs-note again">Draw {draw_number} of {DRAWS}: each time practice and exam are drawn '
            "anew. What stays the same is no luck.</p>"
        )
    return _beat(2, "Run", body)


def see(view: LessonView) -> str:
    """What happened, drawn from the numbers of this very run."""
    result = view.result
    if result is None:
        return _beat(
            3, "See", '<p class="hs-note">What happens is drawn here, from the numbers of your run.</p>'
        )
    sentences = "".join(f'<p class="hs-soft">{coded(one)}</p>' for one in result.sentences)
    drawing = draw(result.figure, WIDE) + draw(result.figure, NARROW)
    heard = ""
    if view.lesson.riddles:
        heard = riddles_seen(view)
    elif result.texts:
        heard = "".join(
            f'<pre class="code heard" tabindex="0">{safe(one)}</pre>' for one in result.texts if one
        )
    origin = (
        f"{count(result.pictures, 'picture')} of {safe(result.data)}, {safe(result.model)}, seed "
        f"{result.seed}"
    )
    return _beat(
        3,
        "See",
        f'{_judged(view)}<div class="said">{sentences}</div><div class="drawing">{drawing}</div>{heard}'
        f'<details class="numbers"><summary>All {len(result.numbers)} numbers of this run</summary>'
        f'{numbers_table(result)}</details><p class="hs-note">{origin}</p>',
    )


def why(view: LessonView, words: ExplainedTerms) -> str:
    """The reason, and the lines that did it; only after a run."""
    if view.result is None:
        return _beat(4, "Why", '<p class="hs-note">The reason comes after the run.</p>')
    reasons = words.paragraphs(view.lesson.why)
    codes = "".join(sides(code) for code in view.lesson.codes)
    return _beat(4, "Why", f'<div class="reasons">{reasons}</div>{words.rest()}{codes}')


def _beat(number: int, name: str, body: str) -> str:
    return (
        f'<section class="beat" aria-label="{name}"><b aria-hidden="true">{number}</b><div><h2>{name}</h2>'
        f"{body}</div></section>"
    )


def _choice(view: LessonView, place: int) -> str:
    mark = ""
    if view.result is not None:
        mine, right = view.guess == place, view.lesson.right == place
        other = " on the sample set" if view.is_own or not view.result.shows else ""
        if mine and right:
            mark = f'<span class="tag good">{icon("good")}your guess, and right{other}</span>'
        elif right:
            mark = f'<span class="tag good">{icon("good")}what happens{other}</span>'
        elif mine:
            mark = f'<span class="tag bad">{icon("cross")}your guess</span>'
    elif view.guess == place:
        mark = f'<span class="tag">{icon("lock")}your guess</span>'
    state = " checked" if view.guess == place else ""
    state += " disabled" if view.guess is not None else ""
    return (
        f'<label><input type="radio" name="guess" value="{place}"{state}>'
        f"<span>{safe(view.lesson.choices[place])}</span>{mark}</label>"
    )


def _going(view: LessonView) -> str:
    state = view.run
    waits = state.state == "waiting"
    return (
        f'<div class="going"><div class="hs-row progress"><div class="bar" role="progressbar" '
        f'aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{100 * state.share:.0f}" aria-label="Running">'
        f'<i style="width:{100 * state.share:.0f}%"></i></div><span class="hs-num">'
        f"{'' if waits else percent(state.share)}</span></div>"
        f'<div class="hs-row"><button class="btn" type="button" data-do="stop" '
        f'id="hs-stop-run">Stop</button>'
        f'<span class="hs-soft" role="status">{safe(state.sentence)}</span></div></div>'
    )


def _where(view: LessonView) -> str:
    """On the sample set, or on the person's own pictures and network, once there are any."""
    if not view.own_pictures or view.lesson.name == "two-heads":
        return ""
    rows = (
        ("sample", "the sample set", not view.is_own),
        ("own", f"your pictures “{view.own_pictures}”, {view.own_model}", view.is_own),
    )
    radios = "".join(
        f'<label><input type="radio" name="where" value="{name}"{" checked" if chosen else ""}>'
        f"<span>{safe(words)}</span></label>"
        for name, words, chosen in rows
    )
    return f'<fieldset class="where"><legend>Run it on</legend>{radios}</fieldset>'


def _judged(view: LessonView) -> str:
    """Whether the guess came true, before anything else."""
    if view.guess is None:
        return ""
    lesson = view.lesson
    if view.result is not None and not view.result.shows:
        return (
            f'<p class="judged">{icon("info")}<span>You said “{safe(lesson.choices[view.guess])}”. This run '
            f"alone does not decide it; with all pictures of the sample set it is "
            f"“{safe(lesson.choices[lesson.right])}”.</span></p>"
        )
    if view.is_right:
        return f'<p class="judged good">{icon("good")}<span>You said it beforehand.</span></p>'
    return (
        f'<p class="judged">{icon("info")}<span>You said “{safe(lesson.choices[view.guess])}”. '
        f"It was “{safe(lesson.choices[lesson.right])}”.</span></p>"
    )
