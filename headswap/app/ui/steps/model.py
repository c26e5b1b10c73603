"""Step 1, Network: a few cards, a search over every architecture, and the head view."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import htpy as h

from headswap.app.service.views import Inspection, ProjectView
from headswap.app.ui.context import PageContext, PageParts, Updates, owner_of, thumbnails
from headswap.app.ui.steps.headview import evidence, head_view, intro
from headswap.app.ui.widgets.cards import MARKS_TEXT, model_cards, shown_rows
from headswap.app.ui.widgets.errors import error_html, errors_as_text
from headswap.app.ui.widgets.handlers import QUIET
from headswap.app.ui.widgets.html import fragment, next_bar, web_text
from headswap.app.ui.widgets.icons import term
from headswap.app.ui.widgets.network_search import every_network, has_ended, narrowed, only_chosen, waits

# gradio sends a press that waited with the message of the one before it: there is one message for all presses
CARD_SCRIPT = """
const message = {};
element.addEventListener('change', ({ target }) => {
  if (target.name === 'hs-network') trigger('click', Object.assign(message, { chosen: target.value }));
});
"""
HURRY = h.fragment[
    h.h2["In a hurry?"],
    h.p(".hs-soft")["Take the sample set, 96 drawings, or a folder of yours that has one folder per class."],
]
FOLDER = h.button("#hs-folder-first.btn", type="button")["Choose a folder"]
OWN_WEIGHTS = h.p(".hs-soft")[
    "A file made for the chosen architecture, by you or someone you know. It is read as numbers only: "
    "nothing in it is run. ",
    term("weights"),
]
OFFLINE = "It cannot be taught before they are here: connect this machine, or choose a network marked ✓."
WAITING = h.div(".hs-waiting", role="status")["Opening the network to find its head …"]


@dataclass(frozen=True)
class ModelStep:
    """The components of step 1."""

    intro: gr.HTML
    cards: gr.HTML
    search: gr.Dropdown
    drawing: gr.HTML
    evidence: gr.HTML
    weights: gr.UploadButton
    own_path: gr.Textbox
    check: gr.Button
    path_status: gr.HTML  # next to the field it speaks of
    status: gr.HTML
    sample: gr.Button
    onward: gr.Button


def build_model_step() -> ModelStep:
    """Lay out step 1."""
    with gr.Row(elem_classes="hs-opening"):
        lead = fragment(intro(None, None))
        with gr.Column(elem_classes="hs-quick"):
            fragment(HURRY)
            sample = gr.Button("Use the sample", elem_id="hs-sample-first")
            fragment(FOLDER, script=web_text("first.js"))
    with gr.Row(elem_classes="hs-two"):
        with gr.Column(elem_classes="stack"):
            cards = fragment(name="hs-cards", script=CARD_SCRIPT)
            search = gr.Dropdown(
                [], value=None, label="Any other network", filterable=True, elem_id="hs-search",
                allow_custom_value=True,
                info=f"Every architecture of torchvision and timm. {MARKS_TEXT}",
            )  # fmt: skip
            with gr.Accordion("Your own weights", open=False, elem_classes="hs-fold", elem_id="hs-own"):
                fragment(OWN_WEIGHTS)
                weights = gr.UploadButton(
                    "Choose a weight file",
                    file_types=[".safetensors", ".pt", ".pth", ".bin"],
                    elem_id="hs-weights",
                )
        with gr.Column(elem_classes="hs-panel headview"):
            status = fragment(classes="status")
            drawing = fragment(WAITING, name="hs-head")
            with gr.Accordion("How was it found?", open=False, elem_classes="hs-fold", elem_id="hs-how"):
                found = fragment()
                with gr.Row(elem_classes="own-path"):
                    own_path = gr.Textbox(
                        label="Use another layer", elem_id="hs-path", elem_classes="mono",
                        info="The path of the layer inside the network, such as fc, classifier.6 or head.fc.",
                    )  # fmt: skip
                    check = gr.Button("Check", elem_id="hs-check", scale=0)
                path_status = fragment(classes="status", name="hs-path-status")
    _, onward = next_bar(
        "You can change the network later; your pictures stay.", "Next: pictures", "hs-to-pictures"
    )
    return ModelStep(
        lead, cards, search, drawing, found, weights, own_path, check, path_status, status, sample, onward
    )


def show_network(step: ModelStep, inspection: Inspection, context: PageContext, page: PageParts) -> Updates:
    """The head view, with the person's classes growing in."""
    first = context.manifest.images[:1] if context.manifest else ()
    uri = "".join(thumbnails(page.thumbnail, context, first).values())
    return {
        step.intro: intro(inspection.card, inspection),
        step.drawing: head_view(inspection, context.classes, uri),
        step.evidence: evidence(inspection),
        # Not as its value: that would take away what someone types meanwhile.
        step.own_path: gr.Textbox(placeholder=", ".join(inspection.site.paths)),
    }


def _cards(page: PageParts, project: ProjectView) -> h.Renderable:
    service, chosen = page.service, project.model
    few = service.to_start_with()
    names = tuple(name for _, name in shown_rows(few, chosen))
    speeds = {name: service.networks.image_ms(name) for name in names}
    known = service.networks.cards(names)
    return model_cards(
        few, known, chosen, speeds,
        has_own_weights=project.has_own_weights, reason_against=service.fetching.reasons_against(),
    )  # fmt: skip


def on_cards(step: ModelStep, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """The cards, with what is known of them now."""
    if not project_id:  # the browser has not been asked yet what it remembers
        return {step.cards: gr.skip()}
    return {step.cards: _cards(page, page.service.project(owner_of(request), project_id))}


def on_list(step: ModelStep, listed: gr.State, page: PageParts, is_listed: bool) -> Updates:
    """Every network, when someone begins to search; a list that came again would close under their hands."""
    return {} if is_listed else {step.search: every_network(page.service), listed: True}


def _choose(
    step: ModelStep, page: PageParts, project_id: str, model: str, path: str | None, request: gr.Request
) -> Updates:
    project = page.service.choose_model(owner_of(request), project_id, model, path=path)
    return page.show(page.context_of(project_id, request)) | {step.cards: _cards(page, project)}


def on_card(
    step: ModelStep, page: PageParts, project_id: str, event: gr.EventData, request: gr.Request
) -> Updates:
    """One of the cards was chosen."""
    return _choose(step, page, project_id, str(event.chosen), None, request)


def on_search(
    step: ModelStep, page: PageParts, project_id: str, model: str | None, request: gr.Request
) -> Updates:
    """A network was found by its name."""
    if not model or not model.strip():  # the box was only left
        return {step.status: gr.skip()}
    return _choose(step, page, project_id, model.strip(), None, request)


def on_check(step: ModelStep, page: PageParts, project_id: str, path: str, request: gr.Request) -> Updates:
    """Another layer was named as the head."""
    model = page.service.project(owner_of(request), project_id).model
    return _choose(step, page, project_id, model, path.strip() or None, request)


def on_weights(step: ModelStep, page: PageParts, project_id: str, file: str, request: gr.Request) -> Updates:
    """A file of weights came."""
    service, owner = page.service, owner_of(request)
    try:
        inspection = service.use_weights(owner, project_id, Path(file))
    finally:
        service.uploads.taken(owner, Path(file))
    context = page.context_of(project_id, request)
    shown = page.show(context) | show_network(step, inspection, context, page)
    return shown | {step.cards: _cards(page, context.project)}


def on_reach(step: ModelStep, page: PageParts, project_id: str, request: gr.Request) -> Updates:
    """Whether the chosen weights can be had at all: are here, or may be fetched, and their server answers."""
    service = page.service
    project = service.project(owner_of(request), project_id)
    if project.has_own_weights:
        return {}
    service.fetching.check(project.model)
    problem = service.networks.out_of_reach(project.model)
    return {step.status: error_html(problem, OFFLINE)} if problem else {}


def connect_model_step(step: ModelStep, page: PageParts, drawn_first: Any) -> None:
    """Connect step 1 to the service; the long list comes when someone looks for a network."""
    told, in_passing = errors_as_text(step.status), errors_as_text(step.status, clears=False)
    listed = gr.State(False)
    outputs = [*page.redrawn, step.cards, step.status]
    drawn = [step.intro, step.drawing, step.evidence, step.own_path]
    quiet = QUIET | {"concurrency_limit": None}
    newest: dict[str, Any] = {
        "trigger_mode": "always_last"
    }  # who chooses again while a network opens means the second
    step.cards.click(told(on_card, step, page), page.project_id, outputs, **newest, **quiet)
    step.weights.upload(
        told(on_weights, step, page), [page.project_id, step.weights], [*outputs, *drawn], **quiet
    )
    step.search.input(
        told(on_search, step, page), [page.project_id, step.search], outputs, js=only_chosen("#hs-search"),
        **newest, **quiet,
    )  # fmt: skip
    gr.on(
        [step.check.click, step.own_path.submit],
        errors_as_text(step.path_status)(on_check, step, page),
        [page.project_id, step.own_path],
        [*page.redrawn, step.cards, step.path_status],
        **quiet,
    )
    cards = in_passing(on_cards, step, page)
    page.project_id.change(cards, page.project_id, [step.cards, step.status], **quiet)
    timed = drawn_first.then(cards, page.project_id, [step.cards, step.status], **quiet)  # its speed now
    step.search.focus(None, None, None, js=waits("#hs-search"), **QUIET)
    step.search.focus(
        in_passing(on_list, step, listed, page), listed, [step.search, listed, step.status], **quiet
    ).then(None, None, None, js=has_ended("#hs-search"), **QUIET)
    listed.change(None, None, None, js=narrowed("#hs-search"), **QUIET)
    timed.then(in_passing(on_reach, step, page), page.project_id, [step.status], **quiet)
