"""What the taught network says of one picture: bars for every class, and a warning when it is a stranger."""

from __future__ import annotations

from headswap.artefacts.prediction import Prediction
from headswap.ui.icons import icon
from headswap.ui.words import count, in_words, percent, safe

MOST_BARS = 12


def answer(prediction: Prediction) -> str:
    """Draw one prediction."""
    sure = round(100 * prediction.sure)
    told = f"meant to be right {sure} times in 100" if sure < 100 else "it has no doubt at all"
    new = _bars(
        prediction.probabilities, f"New head, your {in_words(len(prediction.probabilities))} names", True
    )
    old = ""
    if prediction.old_head:
        old = f"<div>{_bars(prediction.old_head, 'Old head, its own names', False)}"
        old += '<p class="hs-note">Same body, same features, other votes.</p></div>'
    return (
        f'<div class="stack answered">{_stranger(prediction)}<p class="live">It says <b>'
        f"{safe(prediction.label)}</b>, "
        f'{percent(prediction.sure)} sure.</p><div class="{"versus" if old else ""}"><div>{new}'
        f'<p class="hs-note">Calibrated: {told}.</p></div>{old}</div></div>'
    )


def _stranger(prediction: Prediction) -> str:
    if not prediction.is_unlike:
        return ""
    return (
        f'<div class="callout warn" role="status">{icon("warn")}<p><b class="serif">I have not seen '
        "anything like "
        "this</b><br>It is further from all practice pictures than any exam picture was. Take the answer "
        "below as "
        "a guess.</p></div>"
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
