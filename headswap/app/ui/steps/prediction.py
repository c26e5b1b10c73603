"""What the taught network says of one picture: bars for every class, and a warning when it is a stranger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import htpy as h

from headswap.app.ui.widgets.icons import icon, plate, term
from headswap.app.ui.widgets.text import counted_in_words, enumerate_names, image_uri, percent
from headswap.bundle.prediction import HeatMap, Prediction
from headswap.counted import counted
from headswap.evaluation.report import Report, TestAnswer

# Where it looked: an image with what counted lit up, on demand.

MOST_EXPLAINED = 3  # exam pictures whose maps are drawn
INVITATION = h.p(".hs-soft")["A map lights up what counted in a picture. It takes a moment."]


def heat_figure(heat: HeatMap, caption: str = "") -> h.Renderable:
    """One picture, dim where nothing counted; `caption` says more."""
    says = f"where it looked to say {heat.label}: the bright patch counted most"
    return h.figure(".heat")[
        h.span(".plate.dark")[h.img(src=image_uri(heat.png, "png"), alt=says)],
        h.figcaption(".hs-note")[h.b[heat.label], caption],
    ]


def heat_row(figures: tuple[h.Renderable, ...]) -> h.Renderable:
    """A few of them side by side."""
    return h.fragment[h.p(".hs-soft")["The bright patch counted most."], h.div(".three")[figures]]


def answers_to_explain(report: Report) -> tuple[TestAnswer, ...]:
    """The hardest of all, and the surest ones of other classes."""
    worst = report.hardest[:1]
    surest = sorted(report.answers, key=lambda answer: -answer.sure)
    kinds = {answer.label: answer for answer in reversed(surest) if answer not in worst}
    others = sorted(kinds.values(), key=lambda answer: -answer.sure)
    return (*worst, *others)[:MOST_EXPLAINED]


MOST_BARS = 12
MOST_NEAR = 5
Near = dict[str, tuple[str, str]]  # sha256 of a practice picture -> its class, a data: URI


def answer(prediction: Prediction, near: Near | None = None, report: Report | None = None) -> h.Renderable:
    """Draw one prediction; `near` are the nearest practice pictures, `report` says what sureness is worth."""
    names = counted_in_words(len(prediction.probabilities), "name")
    cuts = {one.name: one.threshold for one in report.label_scores} if report else {}
    new = _bars(prediction.probabilities, f"New head, your {names}", _marked(prediction), cuts)
    several = prediction.labels is not None
    whole = {  # for programs that read the page
        "data_label": prediction.label,
        "data_probabilities": json.dumps(prediction.probabilities, ensure_ascii=False),
        "data_unlike": "" if prediction.ood_score is None else str(prediction.ood_score),
    }
    return h.div(".stack.answered", **whole)[
        _stranger() if prediction.is_ood else None,
        h.p(".live")[
            "It says ", h.b[prediction.label], "." if several else f", {percent(prediction.sure)} sure."
        ],
        h.div(class_={"versus": bool(prediction.old_head)})[
            h.div[new, _worth(prediction, report) if report and not several else None], _old(prediction)
        ],
        _near(prediction, near or {}),
    ]


def _old(prediction: Prediction) -> h.Renderable | None:
    """What the old head would have said."""
    if not prediction.old_head:
        return None
    short_names = {name.split(",")[0]: share for name, share in prediction.old_head.items()}
    bars = _bars(short_names, "Old head, its own names", (), {})
    return h.div[bars, h.p(".hs-note")["Same body, same features, other scores."]]


def _worth(prediction: Prediction, report: Report) -> h.Renderable:
    """What the figure is worth, as the panel on its sureness says it too."""
    times = f"{percent(prediction.sure).removesuffix(chr(160) + '%')} times in 100"
    error = percent(report.calibration.error_after) if report.calibration else ""
    said = {
        "good": f"Meant to be right {times}.",
        "fair": f"Meant to be right {times}, but its sureness is off by {error} on average.",
        "poor": f"Do not rely on this figure: its sureness is off by {error} on average.",
        "unknown": "There were too few pictures to check this figure: take it as a hint.",
    }[report.trust]
    return h.p(".hs-note")[said]


def _near(prediction: Prediction, near: Near) -> h.Renderable | None:
    """The practice pictures that its body finds most alike."""
    shown = [near[sha256] for sha256 in prediction.nearest[:MOST_NEAR] if sha256 in near]
    if not shown:
        return None
    names = Counter(name for name, _ in shown)
    listed = enumerate_names(tuple(f"{many} × {name}" for name, many in names.most_common()))
    return h.div(".hs-rule-top.nearest")[
        h.h3["Nearest practice pictures"],
        h.ul(".near")[[h.li[plate(uri, name)] for name, uri in shown]],
        h.p(".hs-note")[listed],
    ]


def _stranger() -> h.Renderable:
    return h.div(".callout.warn.stranger", role="status")[
        icon("warn"),
        h.p[
            h.b(".serif")["I have not seen anything like this ", term("unlike")],
            h.br,
            "It differs from all practice pictures more than nearly every exam picture does. Take the answer "
            "below as a guess.",
        ],
    ]


def _marked(prediction: Prediction) -> tuple[str, ...]:
    """The bars that stand out: what is said."""
    return (prediction.label,) if prediction.labels is None else prediction.labels


def _bars(shares: dict[str, float], title: str, marked: Sequence[str], cuts: Mapping[str, float]) -> h.Node:
    """A bar for each name; `cuts` say where a label begins to be said."""
    best = list(shares.items())
    rows = [
        h.li(class_={"top": name in marked})[
            h.span(title=name)[name],
            h.span(".meter", aria_hidden="true")[
                h.i(style=f"width:{100 * share:.1f}%"),
                h.b(style=f"left:{100 * cuts[name]:.1f}%") if name in cuts else None,
            ],
            h.span[percent(share)],
        ]
        for name, share in best[:MOST_BARS]
    ]
    hidden = best[MOST_BARS:]
    rest = f" and {counted(len(hidden), 'name')} more below {percent(hidden[0][1])}" if hidden else ""
    return h.h3[title], h.ul(".bars")[rows], h.p(".hs-note")[rest] if rest else None
