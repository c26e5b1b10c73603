"""What every page has in common: the links between them, and the switch for a class-room.

Pure text: no gradio, no service.
"""

from __future__ import annotations

from headswap.app.service.views import ProjectView
from headswap.app.ui.widgets.icons import MARK, icon
from headswap.app.ui.widgets.text import safe

PAGES = (("learn", "Learn"), ("runs", "Runs"))
STEPS = (
    ("model", "Model"), ("pictures", "Pictures"), ("teach", "Teach"), ("test", "Test"), ("home", "Take "
    "it home"),
)  # fmt: skip
BRAND = f'<a class="hs-brand" href="./" aria-label="headswap, the five steps">{MARK}<span>headswap</span></a>'


def page_links(here: str = "") -> str:
    """Learn, Runs, and big type for a class-room (class-room.js keeps it)."""
    links = "".join(
        f'<a class="btn quiet" href="{place}"{current(place == here)}>{words}</a>' for place, words in PAGES
    )
    switch = (
        '<button class="btn quiet" type="button" data-classroom aria-pressed="false" '
        'title="Big type, nothing folded away">Class-room</button>'
    )
    return f'<nav class="hs-links" aria-label="Pages">{links}{switch}</nav>'


def current(is_here: bool) -> str:
    """Marks the link to the page that is open."""
    return ' aria-current="page"' if is_here else ""


def steps_links(project: ProjectView | None) -> str:
    """The five steps as links, with what is done in them, for a page beside them."""
    done: set[str] = {"model"} if project else set()
    if project and project.has_pictures:
        done.add("pictures")
    if project and project.done_job:
        done |= {"teach", "test"}
    rows = "".join(
        f'<a href="./?step={name}"><b>{number}</b><span>{words}</span>'
        + (f'{icon("check")}<span class="hs-vh">done</span>' if name in done else "")
        + "</a>"
        for number, (name, words) in enumerate(STEPS, start=1)
    )
    return f'<nav class="hs-steplinks" aria-label="The five steps">{rows}</nav>'


def project_name(project: ProjectView | None) -> str:
    """The project that is open, as a link to where it may be renamed."""
    if project is None:
        return ""
    return f'<a class="hs-open-project" href="./" title="The project that is open">{safe(project.name)}</a>'
