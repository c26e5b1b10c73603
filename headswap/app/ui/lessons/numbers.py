"""Every number of a run in one table, with where it probably lies.

Pure text: no gradio, no service.
"""

from __future__ import annotations

from headswap.app.ui.widgets.text import percent, safe
from headswap.lessons.lesson import LessonResult, Number


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
