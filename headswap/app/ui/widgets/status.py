"""The status in the header: always true, and the live sentence and bar of a job."""

from __future__ import annotations

import htpy as h

from headswap.app.service.views import JobView, ProjectView
from headswap.app.ui.widgets.errors import details_html
from headswap.app.ui.widgets.icons import icon, term
from headswap.app.ui.widgets.text import percent, seconds

HOW_TO_READ = h.p(".hs-soft.lesson")[
    "Practice ", term("practice"), " is what it learns from. The exam ", term("exam"), " pictures are locked "
    "away. If exam goes down while practice goes up, it learns by heart ", term("learn by heart"), ". A ",
    "pass ", term("pass"), " is one look at every practice picture.",
]  # fmt: skip


def run_status(project: ProjectView, job: JobView | None) -> h.Renderable:
    """One line; it also carries which steps are done, for the ticks on the tabs."""
    done = ["model"]
    done += ["pictures"] if project.has_images else []
    done += ["teach", "test"] if project.done_job else []
    facts: dict[str, str | None] = {
        "data-done": " ".join(done),
        "data-state": job.state if job else "idle",
        "data-stale": "" if project.is_stale else None,
    }
    if job is None or job.is_over:
        return h.div(".hs-status", facts)[h.span(".dot"), h.span[_at_rest(job, is_stale=project.is_stale)]]
    if job.queue_position:
        text = f"Waiting, place {job.queue_position} in the queue"
    elif job.state == "running":
        text = f"Teaching {percent(job.share)}{time_left(job)}"
    elif job.has_lost_cluster:
        text = f"Waits for the cluster, {percent(job.share)}"
    else:
        text = job.state.capitalize()
    round_it = {"cx": "10", "cy": "10", "r": "7.5"}
    return h.div(".hs-status.busy", facts)[
        h.svg(".ring", viewBox="0 0 20 20", aria_hidden="true")[
            h.circle(".track", round_it),
            h.circle(".fill", round_it, pathLength=100, stroke_dasharray=f"{100 * job.share:.0f} 100"),
        ],
        h.span(".hs-num")[text],
    ]


def busy_status(text: str) -> h.Renderable:
    """The status while the server reads an upload: shown by the browser before it asks."""
    return h.div(".hs-status.busy", data_state="busy")[h.span(".dot.pulse"), h.span[text]]


def time_left(job: JobView) -> str:
    """`, 6 s left`, or nothing while no one knows."""
    if not job.seconds_left:
        return ""
    return f", {seconds(job.seconds_left)} left"


def stale_text(project: ProjectView) -> h.Renderable | None:
    """Above the steps, as long as the result is of other pictures than those in step 2."""
    if not project.is_stale:
        return None
    return h.div(".callout.warn.notice.stale", role="status")[
        icon("warn"),
        h.p[
            h.b["The pictures have changed since it was taught."],
            " Report, tried pictures and zip are of the pictures as they were. Teach again in step 3, or "
            "undo the change in step 2.",
        ],
    ]


def _at_rest(job: JobView | None, *, is_stale: bool) -> str:
    if job is None:
        return "Ready. Nothing is running"
    if job.state == "failed":
        return "Teaching failed. Step 3 says why"
    if job.state == "cancelled":
        return "Stopped. Nothing is running"
    return "Taught on the pictures before the change" if is_stale else "Ready. Taught"


def live_panel(job: JobView | None, charted: h.Node, invitation: h.Node) -> h.Renderable:
    """The panel of step 3: one sentence, the bar, the chart, or the invitation to begin."""
    if job is None:
        return h.div(".hs-panel.live-panel")[invitation, HOW_TO_READ]
    panel = h.div(".hs-panel.live-panel", data_state=job.state)
    if job.state == "failed":
        said = (h.p(".live")[job.problem], h.p(".hs-soft")[job.remedy])
        return panel[said, details_html(job.details), HOW_TO_READ]
    bar = h.div(".hs-row.progress")[
        h.div(
            ".bar",
            role="progressbar",
            aria_valuenow=f"{100 * job.share:.0f}",
            aria_valuemin=0,
            aria_valuemax=100,
            aria_label="Teaching",
        )[h.i(style=f"width:{100 * job.share:.1f}%")],
        h.span(".hs-num")[f"{percent(job.share)}{time_left(job)}"],
    ]
    remedy = h.p(".hs-soft")[job.remedy] if job.state == "paused" else None  # when it goes on
    return panel[h.p(".live")[job.sentence], remedy, bar, charted, HOW_TO_READ]
