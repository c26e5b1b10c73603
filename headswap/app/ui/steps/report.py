"""Step 4, Test: the report, the grid, the hard pictures, the label issues, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import htpy as h

from headswap.app.ui.context import PageContext, PageParts, Updates
from headswap.app.ui.steps import confusion, report_summary
from headswap.app.ui.steps.advice import advice, learning
from headswap.app.ui.steps.batch_grid import GridChoice
from headswap.app.ui.steps.label_issues import SHOWN, chosen, label_issues
from headswap.app.ui.steps.label_table import label_table
from headswap.app.ui.steps.prediction import INVITATION, answers_to_explain, heat_figure, heat_row
from headswap.app.ui.steps.report_change import SHOWN as MOST_FLIPS
from headswap.app.ui.steps.report_change import change_panel
from headswap.app.ui.steps.train import TrainStep
from headswap.app.ui.steps.train_options import TrainOptions
from headswap.app.ui.steps.try_it import (
    PREDICTING,
    TryIt,
    build_try_it,
    connect_try_it,
    example_strip,
    examples_for,
)
from headswap.app.ui.steps.try_many import TryMany, build_try_many, connect_try_many, show_many
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import fragment, said, sends, web_text
from headswap.app.ui.widgets.icons import term
from headswap.app.ui.widgets.text import image_uri
from headswap.errors import BadSetting
from headswap.evaluation.paired import compare_reports
from headswap.evaluation.report import LabelIssue, Report
from headswap.training.config import HeadChoice

# The foot of step 4: teach first, or teach again, or take it home.

NOTHING_TRAINED = said("The report appears when teaching is done.")
NOT_GOOD_ENOUGH = said("Not good enough? Add pictures of what it gets wrong, then teach again.")


@dataclass(frozen=True)
class Footer:
    """The components."""

    say: gr.HTML
    again: gr.Button
    onward: gr.Button

    @property
    def outputs(self) -> list[object]:
        return [self.say, self.again, self.onward]

    def show(self, *, is_trained: bool) -> Updates:
        """The next action: there is nothing to take home before something is taught."""
        label, kind = ("Teach again", "secondary") if is_trained else ("Go to Teach", "primary")
        return {
            self.say: NOT_GOOD_ENOUGH if is_trained else NOTHING_TRAINED,
            self.again: gr.Button(label, variant=kind),
            self.onward: gr.Button(visible=is_trained),
        }


def build_footer() -> Footer:
    """Lay it out as it is before anything is taught."""
    big: dict[str, Any] = {"size": "lg", "variant": "primary"}
    with gr.Row(elem_classes="hs-next"):
        say = fragment(NOTHING_TRAINED, classes="grow")
        again = gr.Button("Go to Teach", elem_classes="big back", elem_id="hs-again", **big)
        onward = gr.Button("Take it home", visible=False, elem_classes="big", elem_id="hs-to-home", **big)
    return Footer(say, again, onward)


NO_LABEL_ISSUES = h.fragment[
    h.h2["Is the label right?"],
    h.p(".hs-soft")["Wrong labels are not looked for yet where a picture may have several."],
]
OTHER_HEADS: dict[str, HeadChoice] = {"head-last": "last", "head-wide": "wide"}  # by what a button sends
TO_TOP = "(...values) => { window.scrollTo({top: 0}); return values; }"
NOTHING_YET = h.div(".hs-intro")[
    h.h1["How good is it?"],
    h.p[
        "Nothing is taught yet. When step 3 is done, this page says honestly how many exam pictures it gets "
        "right, which it mixes up, and lets you try your own."
    ],
]


@dataclass(frozen=True)
class ReportStep:
    """The components of step 4."""

    __test__ = False  # the name is the step's, not a test's

    summary: gr.HTML
    results: gr.Column
    change: gr.HTML  # since the run before
    status: gr.HTML
    grid: gr.HTML
    opened: gr.HTML
    hardest: gr.HTML
    label_issues: gr.HTML
    heat_maps: gr.HTML
    explain: gr.Button
    trust: gr.HTML
    advice: gr.HTML
    tried: TryIt
    many: TryMany
    footer: Footer

    @property
    def told(self) -> list[object]:
        return [self.summary, self.results, self.change, self.status, self.grid, self.opened, self.hardest,
                self.label_issues, self.heat_maps, self.explain, self.trust, self.advice,
                *self.footer.outputs]  # fmt: skip


def build_test_step() -> ReportStep:
    """Lay out step 4."""
    summary = fragment(NOTHING_YET, name="hs-verdict", script=web_text("times.js"))
    with gr.Column(visible=False, elem_classes="results") as results:
        status = fragment(classes="status", name="hs-test-status")
        change = fragment(name="hs-since", classes="since-before")
        tried, many = build_try_it(), build_try_many()
        with gr.Row(elem_classes="hs-half"):
            with gr.Column(elem_classes="hs-panel"):
                grid = fragment(name="hs-grid", script=sends("cell"))
                opened = fragment(name="hs-opened")
                hardest = fragment(name="hs-hardest")
            with gr.Column(elem_classes="stack"):
                trust = fragment(name="hs-trust")
                to_do = fragment(name="hs-advice", script=sends("way"))
        with gr.Row(elem_classes="hs-half hs-more"):
            with gr.Column(elem_classes="hs-panel"):
                fragment(h.h2["Where it looked ", term("where it looked")])
                heat_maps = fragment(INVITATION, name="hs-where")
                explain = gr.Button("Show three of them", elem_id="hs-look-exam", elem_classes="fit")
            label_issues = fragment(name="hs-doubts", script=sends("doubt"))
    footer = build_footer()
    return ReportStep(
        summary,
        results,
        change,
        status,
        grid,
        opened,
        hardest,
        label_issues,
        heat_maps,
        explain,
        trust,
        to_do,
        tried,
        many,
        footer,
    )


def _small(page: PageParts, owner: str, job: str, sha256s: Iterable[str]) -> dict[str, str]:
    """sha256 -> data: URI of the pictures that a report shows."""
    found = page.service.results.thumbnails(owner, job, sha256s)
    return {sha256: image_uri(data) for sha256, (_, data) in found.items()}


def _change(page: PageParts, owner: str, job: str, report: Report) -> h.Renderable | None:
    """What the run before said of the same pictures; nothing where there is none, or none in common."""
    history, results = page.service.history, page.service.results
    before = history.before(owner, job)
    if before is None or before.summary is None:  # its bundle is damaged
        return None
    change = compare_reports(results.report(owner, before.id), report)
    shown = _small(page, owner, job, (flip.sha256 for flip in change.flips[:MOST_FLIPS]))
    return change_panel(change, before, history.row(owner, job), shown) if change.common else None


def show_report(step: ReportStep, owner: str, job: str, report: Report, page: PageParts) -> Updates:
    """Everything of step 4 except the tried pictures."""
    cell, left = confusion.first_cell(report), page.service.results.label_issues(owner, job)
    shown = (
        *report_summary.hardest_answers(report),
        *confusion.answers_of(report, cell)[: confusion.MOST_OPEN],
    )
    wanted = (*(answer.sha256 for answer in shown), *(issue.sha256 for issue in left[:SHOWN]))
    small = _small(page, owner, job, wanted)
    return step.footer.show(is_trained=True) | {
        step.summary: h.fragment[
            report_summary.summary(report),
            report_summary.of_run(page.service.history.row(owner, job), report.train_total),
        ],
        step.results: gr.Column(visible=True),
        step.change: _change(page, owner, job, report),
        step.grid: label_table(report) if report.is_multi_label else confusion.grid(report, cell),
        step.opened: confusion.opened(report, cell, small),
        step.hardest: report_summary.hardest(report, small),
        step.label_issues: NO_LABEL_ISSUES
        if report.is_multi_label
        else label_issues(left, report.classes, small),
        step.heat_maps: INVITATION,
        step.explain: gr.Button(visible=True),
        step.trust: report_summary.trust(report),
        step.advice: h.div(".stack")[advice(report), learning(report)],
    }


def on_done(step: ReportStep, page: PageParts, project_id: str, job: str, request: gr.Request) -> Updates:
    """A run is done, or there is none."""
    if not job:
        nothing = {step.summary: NOTHING_YET, step.results: gr.Column(visible=False)}
        return nothing | step.footer.show(is_trained=False) | step.tried.empty(None) | step.many.empty
    context = page.context_of(project_id, request)
    report = page.service.results.report(context.owner, job)
    strip = example_strip(examples_for(report.classes), job)
    drawn = show_report(step, context.owner, job, report, page) | step.tried.empty(strip)
    return drawn | show_many(step.many, page, context, GridChoice())


def on_cell(
    step: ReportStep, page: PageParts, project_id: str, job: str, event: gr.EventData, request: gr.Request
) -> Updates:
    """A cell of the grid was pressed: its pictures."""
    context, cell = page.context_of(project_id, request), str(event.chosen)
    report = page.service.results.report(context.owner, job)
    answers = confusion.answers_of(report, cell)[: confusion.MOST_OPEN]
    small = _small(page, context.owner, job, (answer.sha256 for answer in answers))
    return {step.opened: confusion.opened(report, cell, small)}


def on_explain(step: ReportStep, page: PageParts, project_id: str, job: str, request: gr.Request) -> Updates:
    """Where it looked in a few exam pictures."""
    context, results = page.context_of(project_id, request), page.service.results
    report = results.report(context.owner, job)
    drawn = []
    for answer in answers_to_explain(report):
        image = results.image_file(context.owner, job, answer.sha256)
        right = ", right" if answer.is_right else f", wrong: it is {report.truth_of(answer)}"
        heat = results.heat_map(context.owner, job, image, report.classes[answer.label])
        drawn.append(heat_figure(heat, right))
    return {step.heat_maps: heat_row(tuple(drawn)), step.explain: gr.Button(visible=False)}


def on_label_issue(
    step: ReportStep, page: PageParts, project_id: str, job: str, event: gr.EventData, request: gr.Request
) -> Updates:
    """A doubtful name was corrected, left or given back."""
    context, results = page.context_of(project_id, request), page.service.results
    left, dismissed = results.label_issues(context.owner, job), results.dismissed(context.owner, job)
    found = chosen(left, str(event.chosen), dismissed)
    if found is None:
        return {}
    classes, (action, issue) = results.report(context.owner, job).classes, found
    label, other = classes[issue.label], classes[issue.suggested]
    if action == "leave":
        results.dismiss(context.owner, job, issue.sha256)
        return _decided(step, page, context.owner, job, ("Left as it is.", issue))
    if action == "undo":
        _relabel(page, context, issue, before=other, after=label)
        results.restore(context.owner, job, issue.sha256)
        told = _decided(step, page, context.owner, job, (f"It is called {label} again.", None))
    else:
        _relabel(page, context, issue, before=label, after=other)
        results.dismiss(context.owner, job, issue.sha256)
        said = f"It is called {other} now. Teach again to learn from it."
        told = _decided(step, page, context.owner, job, (said, issue))
    return page.show(page.context_of(project_id, request)) | told


def _decided(
    step: ReportStep, page: PageParts, owner: str, job: str, done: tuple[str, LabelIssue | None]
) -> Updates:
    """What is left to decide; `done` says what was decided, and what of it can be taken back."""
    report, left = page.service.results.report(owner, job), page.service.results.label_issues(owner, job)
    small = _small(page, owner, job, (issue.sha256 for issue in left[:SHOWN]))
    return {step.label_issues: label_issues(left, report.classes, small, *done)}


def _relabel(page: PageParts, context: PageContext, issue: LabelIssue, *, before: str, after: str) -> None:
    """Give the picture of a doubt another class, wherever it still has the one before."""
    same = context.manifest.images if context.manifest else ()
    files = tuple(p.file for p in same if p.sha256 == issue.sha256 and p.class_name == before)
    if files:
        page.service.images.relabel(context.owner, context.project.id, files, after)


def on_advice(
    plan: TrainOptions,
    page: PageParts,
    project_id: str,
    job: str,
    key: str,
    event: gr.EventData,
    request: gr.Request,
) -> Updates:
    """Advice was taken: set it up in Teach; the other head begins there at once."""
    choice = str(event.chosen)
    opened: Updates = {page.tabs: gr.Tabs(selected="teach"), page.open_tab: "teach"}
    if choice not in OTHER_HEADS:
        return {plan.depth: "auto", **opened}
    head = OTHER_HEADS[choice]
    context = page.context_of(project_id, request)
    if context.is_teaching:
        raise BadSetting("Something is taught already.", remedy="Wait until it is done, or stop it.")
    _train_with(head, page, context, job, key)
    return page.show(page.context_of(project_id, request)) | {plan.head: head, **opened}


def _train_with(head: HeadChoice, page: PageParts, context: PageContext, job: str, key: str) -> None:
    """The run of this report again, with another head: its network, test and settings, not those of Teach."""
    owner, history = context.owner, page.service.history
    experiment = history.experiment(owner, job)
    project, data = history.show(owner, job), experiment.data
    config = replace(experiment.train, head=head)
    page.service.start_teaching(owner, project, config, test_share=data.test_share, seed=data.seed, key=key)


def connect_test_step(step: ReportStep, page: PageParts, done_job: gr.Textbox, train: TrainStep) -> None:
    """Connect step 4: a finished job fills it, a cell opens its pictures, a button does what it says."""
    told = errors_as_text(step.status)
    asked: list[Any] = [page.project_id, done_job]
    drawn = [*step.told, *step.tried.outputs, *step.many.outputs]
    filled = done_job.change(told(on_done, step, page), asked, drawn, **QUIET)
    connect_try_it(step.tried, page, done_job, filled)
    connect_try_many(step.many, page, done_job)
    step.grid.click(told(on_cell, step, page), asked, [step.opened, step.status], **QUIET)
    step.explain.click(
        told(on_explain, step, page), asked, [step.heat_maps, step.explain, step.status], **PREDICTING
    )
    step.label_issues.click(
        told(on_label_issue, step, page), asked, [*page.redrawn, step.label_issues, step.status], **QUIET
    )
    moved = [*page.redrawn, train.plan.head, page.tabs, page.open_tab, step.status]
    step.advice.click(
        told(on_advice, train.plan, page), [*asked, train.key], moved, js=TO_TOP, trigger_mode="once", **QUIET
    )
