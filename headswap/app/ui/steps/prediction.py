"""What the taught network says of one picture: bars for every class, and a warning when it is a stranger."""

from __future__ import annotations

from collections import Counter

from headswap.app.ui.widgets.icons import icon, plate
from headswap.app.ui.widgets.text import count, enumerate_names, image_uri, in_words, percent, safe
from headswap.bundle.prediction import HeatMap, Prediction
from headswap.evaluation.report import Report, TestAnswer

# Where it looked: an image with what counted lit up, on demand.

LOOKED_AT = 3  # exam pictures whose maps are drawn
INVITATION = '<p class="hs-soft">A map lights up what counted in a picture. It takes a moment.</p>'


def heat_figure(heat: HeatMap, words: str = "") -> str:
    """One picture, dim where nothing counted; `words` say more and are harmless in HTML."""
    says = f"where it looked to say {safe(heat.label)}: the bright patch counted most"
    return (
        f'<figure class="heat"><span class="plate dark"><img src="{image_uri(heat.png, "png")}" '
        f'alt="{says}"></span><figcaption class="hs-note"><b>{safe(heat.label)}</b>{words}</figcaption>'
        "</figure>"
    )


def heat_row(figures: tuple[str, ...]) -> str:
    """A few of them side by side."""
    return f'<p class="hs-soft">The bright patch counted most.</p><div class="three">{"".join(figures)}</div>'


def looked_at(report: Report) -> tuple[TestAnswer, ...]:
    """The hardest of all, and the surest ones of other classes."""
    worst = report.hardest[:1]
    surest = sorted(report.answers, key=lambda answer: -answer.sure)
    kinds = {answer.label: answer for answer in reversed(surest) if answer not in worst}
    others = sorted(kinds.values(), key=lambda answer: -answer.sure)
    return (*worst, *others)[:LOOKED_AT]


MOST_BARS = 12
MOST_NEAR = 5
Near = dict[str, tuple[str, str]]  # sha256 of a practice picture -> its class, a data: URI


def answer(prediction: Prediction, near: Near | None = None, report: Report | None = None) -> str:
    """Draw one prediction; `near` are the nearest practice pictures, `report` says what sureness is worth."""
    new = _bars(
        prediction.probabilities, f"New head, your {in_words(len(prediction.probabilities))} names", True
    )
    old = ""
    if prediction.old_head:
        short_names = {name.split(",")[0]: share for name, share in prediction.old_head.items()}
        old = f"<div>{_bars(short_names, 'Old head, its own names', False)}"
        old += '<p class="hs-note">Same body, same features, other votes.</p></div>'
    return (
        f'<div class="stack answered">{_stranger(prediction)}<p class="live">It says <b>'
        f"{safe(prediction.label)}</b>, "
        f'{percent(prediction.sure)} sure.</p><div class="{"versus" if old else ""}"><div>{new}'
        f"{_worth(prediction, report)}</div>{old}</div>{_near(prediction, near or {})}</div>"
    )


def _worth(prediction: Prediction, report: Report | None) -> str:
    """What the figure is worth, as the panel on its sureness says it too."""
    if report is None:
        return ""
    times = f"{percent(prediction.sure).removesuffix(chr(160) + '%')} times in 100"
    error = percent(report.calibration.error_after) if report.calibration else ""
    said = {
        "good": f"Calibrated: meant to be right {times}.",
        "fair": f"Meant to be right {times}, but its sureness is off by {error} on average.",
        "poor": f"Do not rely on this figure: its sureness is off by {error} on average.",
        "unknown": "There were too few pictures to check this figure: take it as a hint.",
    }[report.trust]
    return f'<p class="hs-note">{said}</p>'


def _near(prediction: Prediction, near: Near) -> str:
    """The practice pictures that its body finds most alike."""
    shown = [near[sha256] for sha256 in prediction.nearest[:MOST_NEAR] if sha256 in near]
    if not shown:
        return ""
    pictures = "".join(f"<li>{plate(uri, name)}</li>" for name, uri in shown)
    counted = Counter(name for name, _ in shown)
    words = enumerate_names(tuple(f"{many} × {name}" for name, many in counted.most_common()))
    return (
        f'<div class="hs-rule-top nearest"><h3>Nearest practice pictures</h3><ul class="near">{pictures}</ul>'
        f'<p class="hs-note">{words}</p></div>'
    )


def _stranger(prediction: Prediction) -> str:
    if not prediction.is_unlike:
        return ""
    return (
        f'<div class="callout warn stranger" role="status">{icon("warn")}<p><b class="serif">I have not seen '
        "anything like this</b><br>It is further from all practice pictures than nearly every exam picture "
        "was. Take the answer below as a guess.</p></div>"
    )


def _bars(shares: dict[str, float], title: str, mark_first: bool) -> str:
    best = list(shares.items())
    rows = "".join(
        f'<li class="{"top" if mark_first and i == 0 else ""}"><span title="{safe(name)}">{safe(name)}</span>'
        f'<span class="meter" aria-hidden="true"><i style="width:{100 * share:.1f}%"></i></span>'
        f"<span>{percent(share)}</span></li>"
        for i, (name, share) in enumerate(best[:MOST_BARS])
    )
    hidden = best[MOST_BARS:]
    rest = f" and {count(len(hidden), 'name')} more below {percent(hidden[0][1])}" if hidden else ""
    return f'<h3>{title}</h3><ul class="bars">{rows}</ul>' + (
        f'<p class="hs-note">{rest}</p>' if rest else ""
    )
