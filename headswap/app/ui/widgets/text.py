"""Numbers, sizes and names as a person reads them.

Pure text: no gradio, no service, no HTML. What stands in a page is escaped there, by htpy: a class may be
called `<img src=x onerror=...>`.
"""

from __future__ import annotations

import base64
import re

from headswap.counted import counted

SMALL_NUMBERS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
)  # fmt: skip


def prose(text: str) -> str:
    """A sentence of the report as the page writes it: 85% -> 85 %, never broken there."""
    return re.sub(r"(\d)%", "\\1\u00a0%", text)


def short(name: str, most: int = 18) -> str:
    """Cut a long name for a drawing."""
    return name if len(name) <= most else name[: most - 1].rstrip() + "…"


def number(value: int) -> str:
    """3371008 -> 3,371,008."""
    return f"{value:,}"


def millions(value: int | None) -> str:
    """4652008 -> 4.65 million numbers."""
    if value is None:
        return "size not stated"
    if value < 1_000_000:
        return counted(value, "number")
    scaled = value / 1e6
    return f"{scaled:.2f} million numbers" if scaled < 10 else f"{scaled:.1f} million numbers"


def percent(share: float) -> str:
    """0.85 -> 85 %, never broken over two lines; 100 % only when it is all."""
    rounded = round(100 * share)
    if rounded == 100 and share < 1:
        rounded = 99
    return f"{rounded}\u00a0%"


def in_words(how_many: int) -> str:
    """4 -> four; above ten the figure."""
    return SMALL_NUMBERS[how_many] if how_many < len(SMALL_NUMBERS) else number(how_many)


def counted_in_words(how_many: int, noun: str, plural: str = "") -> str:
    """4, name -> four names; 1, name -> one name."""
    return f"{in_words(how_many)} {noun if how_many == 1 else plural or noun + 's'}"


def seconds(duration_s: float) -> str:
    """6.2 -> 6 s; 95 -> 2 min."""
    return f"{max(1, round(duration_s))}\u00a0s" if duration_s < 90 else f"{round(duration_s / 60)}\u00a0min"


def about(duration_s: float) -> str:
    """8 -> Seconds; 140 -> About 2 minutes; an estimate pretends no more than it knows."""
    if duration_s < 45:
        return "Seconds"
    if duration_s < 5400:
        minutes = max(1, round(duration_s / 60))
        return f"About {counted(minutes, 'minute')}"
    return f"About {round(duration_s / 3600)} hours"


def file_size(size_bytes: int) -> str:
    """13500000 -> 13.5 MB."""
    if size_bytes < 1000:
        return f"{size_bytes}\u00a0B"
    if size_bytes < 1_000_000:
        return f"{max(1, round(size_bytes / 1000))}\u00a0KB"
    megabytes = size_bytes / 1e6
    return f"{megabytes:.1f}\u00a0MB" if megabytes < 100 else f"{megabytes:.0f}\u00a0MB"


def enumerate_names(names: tuple[str, ...], most: int = 6) -> str:
    """(bird, bug, fruit) -> "bird, bug and fruit"."""
    shown = names[:most]
    if len(names) > most:
        return f"{', '.join(shown)} and {in_words(len(names) - most)} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def image_uri(data: bytes, kind: str = "jpeg") -> str:
    """A picture inside the page itself: no route to guard, nothing to fetch."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
