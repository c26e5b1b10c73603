"""The status chip of the header: always true, and the live sentence and bar of a job."""

from __future__ import annotations

from headswap.app.service.views import JobView, ProjectView
from headswap.app.ui.widgets.errors import details_html
from headswap.app.ui.widgets.icons import icon, term
from headswap.app.ui.widgets.text import percent, safe, seconds

LESSON = (
    f'<p class="hs-soft lesson">Practice {term("practice")} is what it trains on. The exam '
    f"{term('exam')} pictures are locked away. If practice goes up and exam does "
    f"not, it is memorising. A pass {term('pass')} is one look at every practice picture.</p>"
)


def chip(project: ProjectView, job: JobView | None) -> str:
    """One line; it also carries which steps are done, for the ticks on the tabs."""
    done = ["model"]
    done += ["pictures"] if project.has_pictures else []
    done += ["teach", "test"] if project.done_job else []
    attributes = f'data-done="{" ".join(done)}" data-state="{safe(job.state if job else "idle")}"'
    attributes += ' data-stale=""' if project.is_stale else ""
    if job is None or job.is_over:
        return (
            f'<div class="hs-status" {attributes}><span class="dot"></span>'
            f"<span>{_at_rest(job, is_stale=project.is_stale)}</span></div>"
        )
    if job.place:
        words = f"Waiting, place {job.place} in the queue"
    elif job.state == "running":
        words = f"Teaching {percent(job.share)}{time_left(job)}"
    else:
        words = safe(job.state.capitalize())
    ring = (
        '<svg class="ring" viewBox="0 0 20 20" aria-hidden="true"><circle class="track" cx="10" cy="10" '
        'r="7.5"/>'
        '<circle class="fill" cx="10" cy="10" r="7.5" pathLength="100" '
        f'stroke-dasharray="{100 * job.share:.0f} 100"/></svg>'
    )
    return f'<div class="hs-status busy" {attributes}>{ring}<span class="hs-num">{words}</span></div>'


def busy_status(words: str) -> str:
    """The chip while the server reads an upload: shown by the browser before it asks."""
    return (
        '<div class="hs-status busy" data-state="busy"><span class="dot pulse"></span><span>'
        f"{words}</span></div>"
    )


def time_left(job: JobView) -> str:
    """`, 6 s left`, or nothing while nobody knows."""
    if not job.seconds_left:
        return ""
    return f", {seconds(job.seconds_left)} left"


def stale_text(project: ProjectView) -> str:
    """Above the steps, as long as the result is of other pictures than those in step 2."""
    if not project.is_stale:
        return ""
    return (
        f'<div class="callout warn notice stale" role="status">{icon("warn")}<p><b>The pictures '
        "have changed since it was taught.</b> Report, tried pictures and zip are of the pictures as they "
        "were. Teach again in step 3, or undo the change in step 2.</p></div>"
    )


def _at_rest(job: JobView | None, *, is_stale: bool) -> str:
    if job is None:
        return "Ready. Nothing is running"
    if job.state == "failed":
        return "Teaching failed. Step 3 says why"
    if job.state == "cancelled":
        return "Stopped. Nothing is running"
    return "Taught on the pictures before the change" if is_stale else "Ready. Taught"


def live_panel(job: JobView | None, charted: str, invitation: str) -> str:
    """The panel of step 3: one sentence, the bar, the chart, or the invitation to begin."""
    if job is None:
        return f'<div class="hs-panel live-panel">{invitation}{LESSON}</div>'
    sentence = safe(job.sentence)
    if job.state == "failed":
        sentence = f"{safe(job.problem)}</p><p class='hs-soft'>{safe(job.remedy)}"
    details = details_html(job.details) if job.state == "failed" else ""
    bar = (
        '<div class="hs-row progress"><div class="bar" role="progressbar" '
        f'aria-valuenow="{100 * job.share:.0f}" '
        'aria-valuemin="0" aria-valuemax="100" aria-label="Teaching"><i '
        f'style="width:{100 * job.share:.1f}%"></i></div>'
        f'<span class="hs-num">{percent(job.share)}{time_left(job)}</span></div>'
    )
    return (
        f'<div class="hs-panel live-panel" data-state="{safe(job.state)}"><p class="live">{sentence}</p>'
        f"{details}{'' if job.state == 'failed' else bar + charted}{LESSON}</div>"
    )
