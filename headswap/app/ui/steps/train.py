"""Step 3, Teach: what may move, the button, and the run as it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
import htpy as h

from headswap.app.jobs.cluster import ClusterWatch
from headswap.app.service.views import Inspection, JobView
from headswap.app.ui.context import PageContext, PageParts, Updates, thumbnails
from headswap.app.ui.steps.guesses import six_guesses
from headswap.app.ui.steps.headdrawing import numbers_to_learn
from headswap.app.ui.steps.share import build_share, connect_share
from headswap.app.ui.steps.train_options import (
    ChosenOptions,
    TrainOptions,
    build_plan,
    config_of,
    depth_choices,
)
from headswap.app.ui.widgets.chart import chart
from headswap.app.ui.widgets.errors import errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import fragment, next_bar
from headswap.app.ui.widgets.icons import term
from headswap.app.ui.widgets.status import live_panel
from headswap.app.ui.widgets.text import counted_in_words
from headswap.counted import counted
from headswap.pipeline.dataset_elsewhere import is_worth_a_cluster

NO_IMAGES = h.fragment[
    h.p(".live")["First add pictures, then teach."],
    h.p(".hs-soft")[
        "Add two classes or more in step 2, or use the sample set. Then you can press the button."
    ],
]
LIVE = "element.setAttribute('role', 'status'); element.setAttribute('aria-live', 'polite');"


@dataclass(frozen=True)
class TrainStep:
    """The components of step 3."""

    intro: gr.HTML
    plan: TrainOptions
    cluster: gr.HTML
    key: gr.Textbox
    start: gr.Button
    stop: gr.Button
    finish: gr.Button
    status: gr.HTML
    live: gr.HTML
    six: gr.HTML
    share: gr.HTML
    onward: gr.Button

    @property
    def outputs(self) -> list[object]:
        buttons = (self.start, self.stop, self.finish, self.onward)
        return [self.plan.depth, self.cluster, self.key, *buttons, self.live, self.six]


def build_train_step() -> TrainStep:
    """Lay out step 3."""
    intro = fragment(intro_text(None, ()))
    with gr.Row(elem_classes="hs-two level live-first"):
        with gr.Column(elem_classes="hs-panel lesson-plan"):
            fragment(h.h2["What may move? ", term("what may move")])
            plan = build_plan()
            cluster = fragment(name="hs-cluster")
            key = gr.Textbox(visible="hidden")
            with gr.Row(elem_classes="lesson-go"):
                start = gr.Button(
                    "Teach the new head", variant="primary", size="lg", interactive=False,
                    elem_id="hs-teach", elem_classes="big",
                )  # fmt: skip
                stop = gr.Button(
                    "Stop", size="lg", visible=False, elem_id="hs-stop-lesson", elem_classes="big"
                )
            finish = gr.Button(
                "Stop here, and keep the best so far", visible=False, elem_id="hs-finish-lesson"
            )
            status = fragment(classes="status", name="hs-teach-status")
        live = fragment(live_panel(None, None, NO_IMAGES), name="hs-live", script=LIVE)
    six = fragment(name="hs-six")
    share = build_share()
    _, onward = next_bar(
        "You can close this page. Teaching goes on, and the result waits here.", "Next: test", "hs-to-test"
    )
    return TrainStep(intro, plan, cluster, key, start, stop, finish, status, live, six, share, onward)


def intro_text(inspection: Inspection | None, classes: tuple[str, ...]) -> h.Renderable:
    """The headline of step 3, with how many numbers are to be learned."""
    how_many = (
        f", {counted(numbers_to_learn(inspection, len(classes)), 'number')},"
        if inspection and classes
        else ""
    )
    return h.div(".hs-intro")[
        h.h1["Teach the new head"],
        h.p[
            f"The body looks at every picture once. Then the new head learns{how_many} by guessing and being "
            "corrected. What else may learn is up to you."
        ],
    ]


def show_training(step: TrainStep, context: PageContext, page: PageParts) -> Updates:
    """The run as it is now: button, sentence, bar, chart and the six guesses."""
    job = context.job
    label = "Teaching …" if context.is_teaching else "Teach again" if job else "Teach the new head"
    images = len(context.manifest.images) if context.manifest else 0
    return {
        step.cluster: cluster_line(page.service.cluster, images),
        step.key: f"{context.project.id}:{context.project.job or 'first'}",
        step.start: gr.Button(value=label, interactive=not context.lacks and not context.is_teaching),
        step.stop: gr.Button(visible=context.is_teaching),
        step.finish: gr.Button(visible=bool(job and job.can_finish)),
        step.live: live_panel(job, _chart(context, job), _invitation(context)),
        step.six: six_guesses(job.guesses, job.first_guesses, _watched(context, job, page)) if job else None,
        step.onward: gr.Button(interactive=context.project.done_job is not None),
    }


def cluster_line(cluster: ClusterWatch | None, images: int) -> h.Renderable | None:
    """Where so many pictures are looked at; nothing where there is only this machine, or no picture."""
    if cluster is None or not images:
        return None
    if not is_worth_a_cluster(images):
        return h.p(".hs-soft")[h.b["Where: "], "this machine, which is quicker for so few pictures"]
    if cluster.state.refusal:
        location = f"the lab's cluster, which cannot be used: {cluster.state.refusal} Runs wait for that."
    elif cluster.state.trouble is not None:
        location = "the lab's cluster, which does not answer just now: runs wait for it"
    elif cluster.state.processors:
        location = f"the lab's cluster ({counted(cluster.state.processors, 'processor')})"
    else:
        location = "the lab's cluster"
    return h.p(".hs-soft")[h.b["Where: "], location, " ", term("cluster")]


def _invitation(context: PageContext) -> h.Renderable:
    if context.manifest is None:
        return NO_IMAGES
    if context.lacks:
        return h.fragment[h.p(".live")["A little more first."], h.p(".hs-soft")[context.lacks]]
    images, classes = len(context.manifest.images), len(context.classes)
    kinds = f"in {counted_in_words(classes, 'class', 'classes')}"
    if context.manifest.is_multi_label:
        kinds = f"with {counted_in_words(classes, 'label')}"
    return h.fragment[
        h.p(".live")[f"{counted(images, 'picture')} {kinds} are ready."],
        h.p(".hs-soft")[
            "Press the button. Then you see how many pictures it gets right that it has never practised on."
        ],
    ]


def _chart(context: PageContext, job: JobView | None) -> h.Renderable | None:
    if job is None or context.manifest is None:
        return None
    test = [image.class_name for image in context.manifest.part("test")]
    counts = {name: test.count(name) for name in context.classes}
    if not test or not job.epochs:
        return chart(job.epochs, is_over=job.is_over)
    common = max(context.classes, key=lambda name: context.manifest.counts[name] if context.manifest else 0)
    share = counts[common] / len(test)
    label = f"always saying “{common}”: {100 * share:.0f} %"
    return chart(job.epochs, share, label, is_over=job.is_over)


def _watched(context: PageContext, job: JobView, page: PageParts) -> dict[str, str]:
    """file -> data: URI of the pictures that are guessed."""
    if context.manifest is None:
        return {}
    by_file = {image.file: image for image in context.manifest.images}
    seen = [by_file[guess.file] for guess in job.guesses if guess.file in by_file]
    uris = thumbnails(page.thumbnail, context, seen, px=240)
    return {image.file: uris[image.sha256] for image in seen}


def show_plan(step: TrainStep, context: PageContext, page: PageParts) -> Updates:
    """How long each way would take with these pictures and this network."""
    images = len(context.manifest.images) if context.manifest else 0
    service, model = page.service, context.project.model
    taken = service.history.taken(context.owner) if images else ()
    choices = depth_choices(service.networks.training_seconds(model, images, taken))
    return {step.plan.depth: gr.Radio(choices=choices)}


def on_start(page: PageParts, request: gr.Request, project_id: str, key: str, *options: Any) -> Updates:
    """Teach, with what was chosen."""
    context = page.context_of(project_id, request)
    config, share, seed = config_of(ChosenOptions(*options))
    page.service.start_teaching(context.owner, project_id, config, test_share=share, seed=seed, key=key)
    return page.show(page.context_of(project_id, request))


def on_finish(page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """Train no longer: the best so far is examined and kept."""
    context = page.context_of(project_id, request)
    page.service.finish_early(context.owner, context.project.job or "")
    return page.show(page.context_of(project_id, request))


def connect_train_step(step: TrainStep, page: PageParts) -> None:
    """Connect the button to the service; the page's timer does the rest."""
    connect_share(step.share, step.status, step.key, page)
    step.start.click(
        errors_as_text(step.status)(on_start, page),
        [page.project_id, step.key, *step.plan.inputs], [*page.redrawn, step.status],
        trigger_mode="once", concurrency_limit=None, **QUIET,
    )  # fmt: skip
    step.finish.click(
        errors_as_text(step.status)(on_finish, page), page.project_id, [*page.redrawn, step.status],
        queue=False, **QUIET,
    )  # fmt: skip
