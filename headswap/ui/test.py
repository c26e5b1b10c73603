"""Step 4, Test: the verdict, the grid, the hard pictures, and a picture of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from headswap.evaluation.report import Answer, Report
from headswap.ui import confusion, verdict
from headswap.ui.answer import answer
from headswap.ui.examples import example_strip, examples_for
from headswap.ui.html import fragment, sends, served
from headswap.ui.mistakes import errors_as_words
from headswap.ui.scene import Scene, Shared, Updates
from headswap.ui.words import picture_uri

MOST_EXAMPLES = 12
NOTHING_YET = (
    '<div class="hs-intro"><h1>How good is it?</h1><p>Nothing is taught yet. When step 3 is done, this '
    "page says "
    "honestly how many exam pictures it gets right, which it mixes up, and lets you try your own.</p></div>"
)
NO_ANSWER = (
    '<div class="hs-empty small"><p class="live">Show it something.</p><p class="hs-soft">Upload a '
    "picture, take one, "
    "paste one from the clipboard, or press an example.</p></div>"
)


@dataclass(frozen=True)
class TestStep:
    """The components of step 4."""

    __test__ = False  # the name is the step's, not a test's

    verdict: gr.HTML
    results: gr.Column
    grid: gr.HTML
    opened: gr.HTML
    hardest: gr.HTML
    aside: gr.HTML
    picture: gr.Image
    examples: gr.HTML
    status: gr.HTML
    answer: gr.HTML
    again: gr.Button
    onward: gr.Button


def build_test_step() -> TestStep:
    """Lay out step 4."""
    words = fragment(NOTHING_YET, name="hs-verdict")
    with gr.Column(visible=False, elem_classes="results") as results:
        with gr.Row(elem_classes="hs-half"):
            with gr.Column(elem_classes="hs-panel"):
                grid = fragment(name="hs-grid", script=sends("cell"))
                opened = fragment(name="hs-opened")
                hardest = fragment(name="hs-hardest")
            with gr.Column(elem_classes="stack"):
                aside = fragment(name="hs-aside")
        fragment('<h2 class="hs-title">Try a picture of your own</h2>', classes="hs-section")
        with gr.Row(elem_classes="hs-panel try"):
            with gr.Column(elem_classes="stack tight"):
                picture = gr.Image(
                    sources=["upload", "webcam", "clipboard"], type="filepath", format="png", height=300,
                    label="Picture to try", show_label=False, elem_id="hs-try", buttons=[],
                )  # fmt: skip
                examples = fragment(name="hs-examples", script=sends("example"))
            with gr.Column(elem_classes="stack"):
                status = fragment(classes="status", name="hs-try-status")
                said = fragment(NO_ANSWER, name="hs-answer")
    with gr.Row(elem_classes="hs-next"):
        fragment(
            '<span class="say hs-soft">Not good enough? Add pictures where it errs, then teach again.</span>',
            classes="grow",
        )
        again = gr.Button("Teach again", size="lg", elem_classes="big back", elem_id="hs-again")
        onward = gr.Button(
            "Take it home", variant="primary", size="lg", elem_classes="big", elem_id="hs-to-home"
        )
    return TestStep(
        words, results, grid, opened, hardest, aside, picture, examples, status, said, again, onward
    )


def _small(
    shared: Shared, scene: Scene, answers: tuple[Answer, ...], others: tuple[str, ...] = ()
) -> dict[str, str]:
    """sha256 -> data: URI of the pictures that a report shows."""
    wanted = dict.fromkeys((*(a.sha256 for a in answers), *others))
    return {s: picture_uri(shared.thumbnail(scene.owner, scene.project.id, s, 160)) for s in wanted}


def show_report(step: TestStep, scene: Scene, report: Report, shared: Shared) -> Updates:
    """Everything of step 4 except the tried pictures."""
    cell = confusion.first_cell(report)
    doubted = tuple(doubt.sha256 for doubt in report.doubts[: verdict.DOUBTS])
    shown = (*verdict.hardest_answers(report), *confusion.answers_of(report, cell)[: confusion.MOST_OPEN])
    small = _small(shared, scene, shown, doubted)
    return {
        step.verdict: verdict.verdict(report),
        step.results: gr.Column(visible=True),
        step.grid: confusion.grid(report, cell),
        step.opened: confusion.opened(report, cell, small),
        step.hardest: verdict.hardest(report, small),
        step.aside: verdict.aside(report, small),
    }


def connect_test_step(step: TestStep, shared: Shared, done_job: gr.Textbox) -> None:
    """Connect step 4: a finished job fills it, a cell opens its pictures, a picture gets its answer."""
    service = shared.service

    @errors_as_words(step.status)
    def on_done(project_id: str, job: str, request: gr.Request) -> Updates:
        if not job:
            return {step.verdict: NOTHING_YET, step.results: gr.Column(visible=False), step.answer: NO_ANSWER}
        scene = shared.look(project_id, request)
        report = service.report(scene.owner, job)
        strip = example_strip(examples_for(report.classes), (), -1)
        return show_report(step, scene, report, shared) | {
            step.examples: strip,
            step.answer: NO_ANSWER,
            step.picture: None,
        }

    def example_answers(project_id: str, job: str, most: int, request: gr.Request) -> Updates:
        scene = shared.look(project_id, request)
        paths = examples_for(service.report(scene.owner, job).classes) if job else ()
        said = tuple(service.predict(scene.owner, job, path) for path in paths[:most])
        if not said:
            return {}
        shown = {step.picture: served(paths[0]), step.answer: answer(said[0])} if most == 1 else {}
        return {step.examples: example_strip(paths, said, chosen=0)} | shown

    @errors_as_words(step.status)
    def on_first_example(project_id: str, job: str, request: gr.Request) -> Updates:
        return example_answers(project_id, job, 1, request)

    @errors_as_words(step.status)
    def on_all_examples(project_id: str, job: str, request: gr.Request) -> Updates:
        return example_answers(project_id, job, MOST_EXAMPLES, request)

    @errors_as_words(step.status)
    def on_example(project_id: str, job: str, event: gr.EventData, request: gr.Request) -> Updates:
        scene = shared.look(project_id, request)
        paths = examples_for(service.report(scene.owner, job).classes)
        path = paths[min(int(event.chosen), len(paths) - 1)]
        return {step.picture: served(path), step.answer: answer(service.predict(scene.owner, job, path))}

    @errors_as_words(step.status)
    def on_picture(job: str, picture: str | None, request: gr.Request) -> Updates:
        if picture is None:
            return {step.answer: NO_ANSWER}
        return {step.answer: answer(service.predict(request.username or "", job, Path(picture)))}

    @errors_as_words(step.status)
    def on_cell(project_id: str, job: str, event: gr.EventData, request: gr.Request) -> Updates:
        scene = shared.look(project_id, request)
        report = service.report(scene.owner, job)
        answers = confusion.answers_of(report, str(event.chosen))[: confusion.MOST_OPEN]
        return {step.opened: confusion.opened(report, str(event.chosen), _small(shared, scene, answers))}

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    told = [step.verdict, step.results, step.grid, step.opened, step.hardest, step.aside, step.status]
    tried = [step.examples, step.picture, step.answer, step.status]
    asked = [shared.project_id, done_job]
    predicting = {"concurrency_limit": 2, "concurrency_id": "predict"} | quiet
    first = done_job.change(on_done, asked, [*told, *tried], **quiet).then(
        on_first_example, asked, tried, **predicting
    )
    first.then(on_all_examples, asked, tried, **predicting)
    step.examples.click(on_example, asked, tried, **predicting)
    step.picture.input(on_picture, [done_job, step.picture], [step.answer, step.status], **predicting)
    step.grid.click(on_cell, asked, [step.opened, step.status], **quiet)
