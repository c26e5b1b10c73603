"""Step 2, where only a network is left: its classes are changed without the pictures that it was taught on.

Flow:  class rows, a new class's pictures --service.later--> another run, shown in step 4

Shown for a project without pictures that has a finished run: one that was opened from a zip of step 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import htpy as h

from headswap.app.service.later import LaterChange
from headswap.app.ui.context import PageContext, PageParts, Updates
from headswap.app.ui.steps.edits import edit_of
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import announce, fragment, packing, rendered, web_text
from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.status import busy_status
from headswap.counted import counted
from headswap.data.decode import ENDINGS
from headswap.data.film import FILM_ENDINGS
from headswap.evaluation.report import Report

SEVERAL = (
    "A picture may have several labels here. Pictures that you choose below are known to have the label that "
    "you type, and nothing is known of their others; a zip with a table says more. If two labels are put "
    "together, a picture has the new one if it has either."
)
ABSENT_INFO = (
    "If you do not tick this, headswap does not know which old pictures show the new label. It leaves them "
    "out for this label, and needs a table with pictures that do not show it."
)
ADD = h.div(".stack.tight")[
    h.h3["Another class"],
    h.p(".hs-soft")[
        "About 20 pictures of it. With the name of a class that is there, that class gets more of them."
    ],
    h.form(".new-name", data_endings=",".join((*ENDINGS, *FILM_ENDINGS)))[
        h.input(
            type="text", maxlength=80, autocomplete="off", placeholder="its name",
            aria_label="The name of the class",
        ),
        h.button(".btn", type="submit")["Choose its pictures"],
        h.input(type="file", multiple=True, hidden=True, aria_label="Pictures of the class"),
    ],
    h.p(".hs-note", role="status", aria_live="polite"),
]  # fmt: skip


@dataclass(frozen=True)
class ClassLater:
    """The components."""

    panel: gr.Column
    rows: gr.HTML
    zip: gr.UploadButton
    absent: gr.Checkbox  # these two where a picture may have several labels
    table: gr.UploadButton
    status: gr.HTML

    @property
    def outputs(self) -> list[object]:
        return [self.panel, self.rows, self.absent, self.table]


def build_class_later() -> ClassLater:
    """Lay it out; hidden until it is needed."""
    with gr.Column(visible=False, elem_classes="hs-panel many later", elem_id="hs-later-panel") as panel:
        rows = fragment(name="hs-later", script=web_text("edits.js"))
        gr.HTML(
            html_template=rendered(ADD), js_on_load=packing("later.js"), apply_default_css=False,
            elem_id="hs-later-add",
        )  # fmt: skip
        upload = gr.UploadButton("A zip", file_types=[".zip"], elem_id="hs-later-zip")  # later.js fills it in
        absent = gr.Checkbox(
            False, label="No old picture shows it", info=ABSENT_INFO, visible=False, elem_id="hs-later-absent"
        )
        table = gr.UploadButton(
            "A zip with a table", file_types=[".zip"], visible=False, elem_id="hs-later-table"
        )
        status = fragment(classes="status", name="hs-later-status")
    return ClassLater(panel, rows, upload, absent, table, status)


def show_class_later(part: ClassLater, context: PageContext, page: PageParts) -> Updates:
    """The classes of the network, where nothing else is there."""
    job = context.project.done_job
    report = page.service.results.report(context.owner, job) if job and context.manifest is None else None
    if report is None:
        return {part.panel: gr.Column(visible=False), part.rows: None}
    several = report.is_multi_label
    return {
        part.panel: gr.Column(visible=True),
        part.rows: class_table(report),
        part.absent: gr.Checkbox(visible=several),
        part.table: gr.UploadButton(visible=several),
    }


def class_table(report: Report) -> h.Renderable:
    """What it knows, and what may be done with each."""
    head = h.div(".stack.tight")[
        h.h2["Its classes, without the old pictures"],
        h.p(".hs-soft")[
            "Only the network was opened, not its pictures. Its classes can be changed all the same: the "
            "head is taught again on what it keeps of them. The old network stays among the runs."
        ],
    ]
    several = h.p(".hs-soft")[SEVERAL] if report.is_multi_label else None
    return h.fragment[head, several, h.ul(".later-rows")[[_row(name) for name in report.classes]]]


def _row(name: str) -> h.Renderable:
    return h.li(data_class_later=name)[
        h.b[h.bdi[name]],
        h.form(".new-name", data_edit="later-call", data_name=name)[
            h.input(
                type="text", maxlength=80, autocomplete="off", placeholder="another name",
                aria_label=f"A new name for {name}. The name of another class merges the two.",
            ),
            h.button(".btn.small", type="submit")["Rename"],
        ],
        h.button(
            ".btn.small.quiet", type="button", data_edit="later-remove", data_name=name,
            aria_label=f"Leave {name} out",
        )["Leave out"],
    ]  # fmt: skip


def told(done: LaterChange, report: Report) -> h.Renderable:
    """What was done, how good it is now, and what could not be used."""
    little = [one.sentence for one in report.advice if one.code in ("hardly-judged", "unknown-labels")]
    subject = "Every label is" if report.is_multi_label else "It is"
    right = f"{subject} right on {report.right} of {counted(report.total, 'picture')} now"
    return h.div(".callout.accent", role="status")[
        icon("good"),
        h.div[
            h.p[h.b[f"Done: {', '.join(done.changes)}."], f" {right}; step 4 has the new report."],
            [h.p[sentence] for sentence in little],
            h.ul[[h.li[h.bdi[one]] for one in done.left_out[:20]]] if done.left_out else None,
        ],
    ]


def on_zip(
    part: ClassLater,
    page: PageParts,
    project_id: str,
    job: str,
    upload: str,
    absent: bool,
    request: gr.Request,
) -> Updates:
    """Pictures of a class came."""
    context = page.context_of(project_id, request)
    done = page.service.later.add_class(context.owner, job, Path(upload), absent=bool(absent))
    return _after(part, page, context, done, request)


def on_edit(
    part: ClassLater, page: PageParts, project_id: str, job: str, event: gr.EventData, request: gr.Request
) -> Updates:
    """A class gets another name, goes into another one, or is left out."""
    edit, context, later = edit_of(event), page.context_of(project_id, request), page.service.later
    if edit.verb == "later-remove":
        done = later.remove_class(context.owner, job, edit.name)
    elif edit.verb == "later-call":
        done = later.call_class(context.owner, job, edit.name, edit.value)
    else:
        return page.show(context)
    return _after(part, page, context, done, request)


def _after(
    part: ClassLater, page: PageParts, context: PageContext, done: LaterChange, request: gr.Request
) -> Updates:
    report = page.service.results.report(context.owner, done.job)
    shown = page.show(page.context_of(context.project.id, request))
    return shown | {part.status: told(done, report)}


def connect_class_later(part: ClassLater, page: PageParts, done_job: gr.Textbox) -> None:
    """Connect it to the service."""
    safe, outputs = errors_as_text(part.status), [*page.redrawn, part.status]
    busy = announce(repr(rendered(busy_status("Teaching the head again"))))
    for listen, handler, inputs in (
        (part.zip.upload, on_zip, [page.project_id, done_job, part.zip, part.absent]),
        (part.table.upload, on_zip, [page.project_id, done_job, part.table, part.absent]),
        (part.rows.click, on_edit, [page.project_id, done_job]),
    ):
        listen(None, None, part.status, js=busy, **QUIET)
        listen(
            safe(handler, part, page), inputs, outputs, trigger_mode="once", concurrency_limit=2,
            concurrency_id="later", **QUIET,
        )  # fmt: skip
