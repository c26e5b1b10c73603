"""Step 3, Teach: what may move, the button, and the lesson as it goes."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from headswap.service.views import Inspection, JobView
from headswap.training.config import TeachConfig
from headswap.ui.chart import chart
from headswap.ui.chip import live_panel
from headswap.ui.guesses import six_guesses
from headswap.ui.headdrawing import numbers_to_learn
from headswap.ui.html import fragment, next_bar
from headswap.ui.icons import term
from headswap.ui.mistakes import errors_as_words
from headswap.ui.scene import Scene, Shared, Updates, thumbnails
from headswap.ui.words import in_words, number, safe

ONLY_HEAD = (
    '<h2>What may move?</h2><div class="choice"><div class="chosen"><span><b>Only the head</b>'
    '<span class="hs-note">Seconds. The body stays as it is.</span></span><svg viewBox="0 0 72 22" '
    'width="72" height="22" '
    'aria-hidden="true">'
    + "".join(f'<rect class="stage" x="{x}" y="1" width="9" height="20" rx="2"/>' for x in range(1, 61, 12))
    + '<rect x="61" y="1" width="9" height="20" rx="2" fill="var(--hs-accent)"/></svg></div></div>'
)
WHAT_HAPPENS = (
    '<ol class="evidence hs-soft"><li><span>The body turns every picture into a row of numbers, '
    "once.</span></li>"
    "<li><span>The new head guesses a name from those numbers, and is corrected.</span></li>"
    "<li><span>It sits an exam on pictures that were locked away.</span></li></ol>"
)
NO_PICTURES = (
    '<p class="live">Pictures first, then the lesson.</p><p class="hs-soft">Add two classes or more in '
    "step 2, "
    "or use the sample set. The button wakes up when they are here.</p>"
)
LIVE = "element.setAttribute('role', 'status'); element.setAttribute('aria-live', 'polite');"


@dataclass(frozen=True)
class TeachStep:
    """The components of step 3."""

    intro: gr.HTML
    passes: gr.Slider
    mirror: gr.Checkbox
    share: gr.Slider
    seed: gr.Number
    key: gr.Textbox
    start: gr.Button
    status: gr.HTML
    live: gr.HTML
    six: gr.HTML
    onward: gr.Button

    @property
    def outputs(self) -> list[object]:
        return [self.key, self.start, self.live, self.six, self.onward]


def build_teach_step() -> TeachStep:
    """Lay out step 3."""
    intro = fragment(intro_words(None, ()))
    with gr.Row(elem_classes="hs-two level live-first"):
        with gr.Column(elem_classes="hs-panel lesson-plan"):
            fragment(ONLY_HEAD + WHAT_HAPPENS)
            with gr.Accordion("Finer choices", open=False, elem_classes="hs-fold"):
                fragment(f'<p class="hs-note">What is a pass? {term("a pass", "epoch")}</p>')
                passes = gr.Slider(
                    0, 100, TeachConfig().passes, step=1, label="Passes over the practice pictures"
                )
                share = gr.Slider(10, 50, 20, step=5, label="Locked away for the exam, %")
                mirror = gr.Checkbox(
                    TeachConfig().mirror, label="Look at mirrored copies too (twice the time)"
                )
                seed = gr.Number(0, label="Seed", precision=0, info="The same seed gives the same result.")
            key = gr.Textbox(visible="hidden")
            start = gr.Button(
                "Teach the new head", variant="primary", size="lg", interactive=False,
                elem_id="hs-teach", elem_classes="big",
            )  # fmt: skip
            status = fragment(classes="status", name="hs-teach-status")
        live = fragment(live_panel(None, "", NO_PICTURES), name="hs-live", script=LIVE)
    six = fragment(name="hs-six")
    _, onward = next_bar(
        "You can close this page. Teaching goes on, and the result waits here.", "Next: test", "hs-to-test"
    )
    return TeachStep(intro, passes, mirror, share, seed, key, start, status, live, six, onward)


def intro_words(inspection: Inspection | None, classes: tuple[str, ...]) -> str:
    """The headline of step 3, with how many numbers are to be learned."""
    how_many = (
        f", {number(numbers_to_learn(inspection, len(classes)))} numbers," if inspection and classes else ""
    )
    return (
        '<div class="hs-intro"><h1>Teach the new head</h1><p>The body looks at every picture once. Then '
        "only the new "
        f"head learns{how_many} by guessing and being corrected.</p></div>"
    )


def show_lesson(step: TeachStep, scene: Scene, shared: Shared) -> Updates:
    """The lesson as it is now: button, sentence, bar, chart and the six guesses."""
    job = scene.job
    label = "Teaching …" if scene.is_teaching else "Teach again" if job else "Teach the new head"
    return {
        step.key: f"{scene.project.id}:{scene.project.job or 'first'}",
        step.start: gr.Button(value=label, interactive=scene.manifest is not None and not scene.is_teaching),
        step.live: live_panel(job, _chart(scene, job), _invitation(scene)),
        step.six: six_guesses(job.guesses, job.first_guesses, _watched(scene, job, shared)) if job else "",
        step.onward: gr.Button(interactive=scene.project.done_job is not None),
    }


def _invitation(scene: Scene) -> str:
    if scene.manifest is None:
        return NO_PICTURES
    pictures, classes = len(scene.manifest.pictures), in_words(len(scene.classes))
    return (
        f'<p class="live">{number(pictures)} pictures in {classes} classes are ready.</p><p class="hs-soft">'
        "Press the button. You will see it guess, and get better, on pictures it has never practised on.</p>"
    )


def _chart(scene: Scene, job: JobView | None) -> str:
    if job is None or scene.manifest is None:
        return ""
    exam = [picture.class_name for picture in scene.manifest.part("test")]
    counts = {name: exam.count(name) for name in scene.classes}
    if not exam or not job.passes:
        return chart(job.passes)
    common = max(scene.classes, key=lambda name: scene.manifest.counts[name] if scene.manifest else 0)
    share = counts[common] / len(exam)
    return chart(job.passes, share, f"always saying “{safe(common)}”: {100 * share:.0f} %")


def _watched(scene: Scene, job: JobView, shared: Shared) -> dict[str, str]:
    """file -> data: URI of the pictures that are guessed."""
    if scene.manifest is None:
        return {}
    by_file = {picture.file: picture for picture in scene.manifest.pictures}
    seen = [by_file[guess.file] for guess in job.guesses if guess.file in by_file]
    uris = thumbnails(shared.thumbnail, scene, seen, px=240)
    return {picture.file: uris[picture.sha256] for picture in seen}


def connect_teach_step(step: TeachStep, shared: Shared) -> None:
    """Connect the button to the service; the page's timer does the rest."""

    @errors_as_words(step.status)
    def on_start(
        project_id: str, key: str, passes: float, mirror: bool, share: float, seed: float, request: gr.Request
    ) -> Updates:
        scene = shared.look(project_id, request)
        lesson = TeachConfig(passes=int(passes), mirror=mirror)
        shared.service.start_teaching(
            scene.owner, project_id, lesson, test_share=share / 100, seed=int(seed or 0), key=key
        )
        return shared.show(shared.look(project_id, request))

    step.start.click(
        on_start, [shared.project_id, step.key, step.passes, step.mirror, step.share, step.seed],
        [*shared.redrawn, step.status], show_progress="hidden", api_visibility="private",
        trigger_mode="once", concurrency_limit=None,
    )  # fmt: skip
