"""What a handler knows when it draws: whose project it is, its pictures and its newest job.

Flow:  project id from the browser + who asks --page_context--> PageContext --> one `show_*` per step

Asks the service and nothing else; holds no state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from headswap.app.service.service import Service
from headswap.app.service.views import JobView, ProjectView
from headswap.app.ui.widgets.handlers import Updates as Updates
from headswap.app.ui.widgets.text import image_uri
from headswap.data.decode import shown_name
from headswap.data.manifest import ImageRecord, Manifest
from headswap.errors import NotFound

Thumbnail = Callable[[str, str, str, int], bytes]  # (owner, project, sha256, px) -> JPEG


@dataclass(frozen=True)
class PageContext:
    """One person's project as it is now."""

    owner: str
    project: ProjectView
    manifest: Manifest | None
    job: JobView | None

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the new head; empty before there are pictures."""
        return self.manifest.classes if self.manifest else ()

    @property
    def names_key(self) -> str:
        """Changes when pictures get other names, or others come: what shows names is drawn again."""
        names = [f"{one.sha256}{one.class_name}" for one in self.manifest.images] if self.manifest else []
        return hashlib.sha256("".join(names).encode()).hexdigest()

    @property
    def lacks(self) -> str:
        """What is missing before anything can be taught, as one sentence; empty when nothing is."""
        if not self.classes:
            return "It needs pictures of at least two classes."
        if len(self.classes) == 1:
            only = shown_name(self.classes[0])
            return f"So far there is only {only}. It needs a second class to tell it from."
        if self.manifest and not self.manifest.part("test"):
            few = "There are too few pictures to lock any away for the exam."
            is_filmed = any(image.film for image in self.manifest.images)
            return f"{few} {'Film each class at least twice.' if is_filmed else 'Two of each are the least.'}"
        return ""

    @property
    def is_teaching(self) -> bool:
        """Whether a job of this project waits or runs."""
        return self.job is not None and not self.job.is_over


@dataclass(frozen=True)
class PageParts:
    """What the steps have in common: the service, the page's memory and how to draw the rest of the page."""

    service: Service
    thumbnail: Thumbnail
    project_id: gr.BrowserState
    tabs: gr.Tabs
    open_tab: gr.Textbox  # its id
    redrawn: list[Any]  # components that `show` may change
    show: Callable[[PageContext], Updates]  # header, pictures and run as they are now
    known: gr.BrowserState  # ids of all projects that this browser has seen, newest first

    def context_of(self, project_id: str, request: gr.Request) -> PageContext:
        """The context of the person who asks."""
        return page_context(self.service, owner_of(request), project_id)


def owner_of(request: gr.Request) -> str:
    """Who is logged in; empty where no one has to."""
    return request.username or ""


def page_context(service: Service, owner: str, project_id: str) -> PageContext:
    """Ask the service for everything that a page needs to draw a project."""
    project = service.project(owner, project_id)
    job = service.job(owner, project.job) if project.job else None
    if job is not None and job.state == "done" and project.done_job != job.id:
        project = service.project(owner, project_id)  # it ended between the two questions
    manifest = service.images.manifest(owner, project_id) if project.has_images else None
    return PageContext(owner, project, manifest, job)


def open_project(service: Service, owner: str, project_id: str) -> ProjectView:
    """The project this browser remembers, or a new one when it remembers none that still exists."""
    try:
        return service.project(owner, project_id)
    except NotFound:
        return service.new_project(owner)


def thumbnails(
    thumbnail: Thumbnail, context: PageContext, images: Iterable[ImageRecord], px: int = 96
) -> dict[str, str]:
    """sha256 -> data: URI; the pictures travel inside the page, so no route to them is open."""
    return {
        sha256: image_uri(thumbnail(context.owner, context.project.id, sha256, px))
        for sha256 in dict.fromkeys(image.sha256 for image in images)
    }
