"""What every page has in common: the links between them, and the switch for a class-room.

Elements only: no gradio, no service.
"""

from __future__ import annotations

import htpy as h

from headswap.app.service.views import ProjectView
from headswap.app.ui.widgets.icons import MARK, icon

PAGES = (("learn", "Learn"), ("runs", "Runs"))
STEPS = (
    ("model", "Network"), ("pictures", "Pictures"), ("teach", "Teach"), ("test", "Test"), ("home", "Take "
    "it home"),
)  # fmt: skip
BRAND = h.a(".hs-brand", href="./", aria_label="headswap, the five steps")[MARK, h.span["headswap"]]


def page_links(here: str = "") -> h.Renderable:
    """Learn, Runs, and big type for a class-room (class-room.js keeps it)."""
    return h.nav(".hs-links", aria_label="Pages")[
        [h.a(".btn.quiet", href=path, aria_current=current(path == here))[label] for path, label in PAGES],
        h.button(
            ".btn.quiet",
            type="button",
            data_classroom=True,
            aria_pressed="false",
            title="Big type, nothing folded away",
        )["Class-room"],
    ]


def current(is_here: bool) -> str | None:
    """Marks the link to the page that is open."""
    return "page" if is_here else None


def steps_links(project: ProjectView | None) -> h.Renderable:
    """The five steps as links, with what is done in them, for a page next to them."""
    done: set[str] = {"model"} if project else set()
    if project and project.has_images:
        done.add("pictures")
    if project and project.done_job:
        done |= {"teach", "test"}
    return h.nav(".hs-steplinks", aria_label="The five steps")[
        [
            h.a(href=f"./?step={name}")[
                h.b[number], h.span[label], name in done and [icon("check"), h.span(".hs-vh")["done"]]
            ]
            for number, (name, label) in enumerate(STEPS, start=1)
        ]
    ]


def project_name(project: ProjectView | None) -> h.Renderable | None:
    """The project that is open, as a link to where it may be renamed."""
    if project is None:
        return None
    return h.a(".hs-open-project", href="./", title="The project that is open")[project.name]
