"""More than one head: a network that answers three times while it is taught, and once when it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headswap.lessons.glossary import terms
from headswap.lessons.lesson import Code, Lesson, LessonFindings, measured
from headswap.plots.figure import Bar, Figure, Tone

if TYPE_CHECKING:
    from torch import Tensor, nn

    from headswap.heads.site import HeadSite
    from headswap.lessons.material import Material

LESSON = Lesson(
    name="two-heads",
    title="More than one head",
    question="GoogLeNet has two helping heads next to its main one. You replace only the main head and "
    "teach with the loss of all three. What happens?",
    choices=(
        "An error: the helping heads have 1000 answers",
        "No error: the helping heads still give scores to 1000 old names",
        "The helping heads adapt by themselves",
    ),
    right=1,
    plan="GoogLeNet with random numbers (what is shown does not depend on what it has learned): what it "
    "gives in both modes, what the loss receives, and what headswap replaces.",
    why=(
        "Very deep networks were once given helping heads half-way, so that the loss has a shorter way "
        "down. They speak in training mode only; each counts 0.3.",
        "A loss for 4 classes is also defined for 1000 answers: the labels 0 to 3 are taken for the first "
        "four old names. Nothing complains, and the helping heads pull the body towards “tench” and "
        "“goldfish”.",
        "When it is used, the main head alone answers. headswap replaces all three or none.",
    ),
    codes=(
        Code(
            before="""import torch
from torch.nn.functional import cross_entropy
from torchvision.models import googlenet

torch.manual_seed(0)
network = googlenet(init_weights=False).train()
network.fc = torch.nn.Linear(1024, 4)
pictures, labels = torch.rand(4, 3, 96, 96), torch.arange(4)""",
            wrong="""answer = network(pictures)
try:
    loss = cross_entropy(answer, labels)
except TypeError as error:
    problem = str(error)     # three answers are no tensor
helping = answer.aux_logits1.shape[1]     # 1000: never replaced""",
            right="""network.aux1.fc2 = torch.nn.Linear(1024, 4)
network.aux2.fc2 = torch.nn.Linear(1024, 4)
answer = network(pictures)
loss = cross_entropy(answer.logits, labels) + 0.3 * (
    cross_entropy(answer.aux_logits1, labels) + cross_entropy(answer.aux_logits2, labels)
)
helping = answer.aux_logits1.shape[1]     # 4""",
            wrong_text="main head only",
            right_text="all heads, each with its share of the loss",
        ),
    ),
    terms=terms("helping head"),
    for_experts=True,
)
NETWORK = "googlenet"
_PX = 96


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What GoogLeNet gave before and after both swaps."""

    paths: tuple[str, ...]  # of all its heads
    main_only: int  # answers of a helping head when only the main head was replaced
    refusal: str  # what the plain loss says to three answers
    helping: int  # answers of a helping head when all were replaced
    used: int  # answers in eval mode
    main_loss: float
    whole_loss: float


def run(material: Material) -> LessonFindings:
    """Look at the answers and losses of GoogLeNet before and after both swaps."""
    from headswap.heads.loss import AUX_WEIGHT

    found = _measured(material)
    helping = (found.whole_loss - found.main_loss) / AUX_WEIGHT
    numbers = measured(
        "count",
        ("heads", len(found.paths), "heads found"),
        ("aux_answers_main_only", found.main_only, "answers of a helping head, main head replaced"),
        ("aux_answers", found.helping, "answers of a helping head after swap_head"),
        ("answers_in_use", found.used, "answers when it is used"),
    )
    losses = measured(
        "number",
        ("loss_main", found.main_loss, "loss of the main head"),
        ("loss_helping", helping, "losses of the helping heads together"),
        ("loss_whole", found.whole_loss, "what is made smaller"),
    )
    sentences = (
        f"headswap finds {len(found.paths)} heads: {', '.join(found.paths)}. In training mode the network "
        "gives three answers, in use one.",
        f"With only the main head replaced the helping heads still give {found.main_only} answers, and "
        f"their loss is a number like any other: no error.{_same_text(found)}",
        f"After swap_head all give {found.helping}. What is made smaller is {found.main_loss:.2f} + "
        f"{AUX_WEIGHT:g} × {helping:.2f} = {found.whole_loss:.2f}.",
    )
    rows: tuple[tuple[str, int, Tone], ...] = (
        ("helping, main head replaced", found.main_only, "wrong"),
        ("helping, all replaced", found.helping, "right"),
        ("main, all replaced", found.used, "right"),
    )
    bars = tuple(
        Bar(text=text, value=float(count), said=f"{count} answers", tone=tone) for text, count, tone in rows
    )
    figure = Figure(text=" ".join(sentences), top=float(found.main_only), bars=bars, is_share=False)
    return LessonFindings(
        sentences=sentences,
        numbers=numbers + losses,
        figure=figure,
        texts=(found.refusal,),
        shows=found.main_only != found.helping,
    )


def _same_text(found: _Found) -> str:
    if found.main_only != found.helping:
        return ""
    return " Your pictures have as many classes as that, so here it makes no difference that shows."


def _measured(material: Material) -> _Found:
    import torch

    from headswap.heads.detect import find_head
    from headswap.heads.loss import training_loss
    from headswap.heads.swap import swap_head
    from headswap.zoos.catalogue import build_network

    classes = len(material.classes)
    torch.manual_seed(material.setting.seed)
    network = build_network(NETWORK)
    site = find_head(network)
    rows = [int(torch.where(material.labels == name)[0][0]) for name in range(min(classes, 4))]
    inputs, labels = _small_inputs(material)[rows], material.labels[rows]
    half, refusal = _main_head_only(network.module, site, inputs, labels, classes)
    material.tick(1, 2)
    network = build_network(NETWORK)
    swapped = swap_head(network, classes, site=site).site
    answer = network.module.train()(inputs)
    main = training_loss(answer, labels, swapped, aux_weight=0).detach()
    whole = training_loss(answer, labels, swapped).detach()
    with torch.inference_mode():
        used = network.module.eval()(inputs).shape[1]
    material.tick(2, 2)
    return _Found(
        paths=site.all_paths,
        main_only=half,
        refusal=refusal,
        helping=answer.aux_logits1.shape[1],
        used=used,
        main_loss=float(main),
        whole_loss=float(whole),
    )


def _small_inputs(material: Material) -> Tensor:
    from headswap.network import InputSpec

    return material.inputs(InputSpec(height=_PX, width=_PX, resize_px=_PX))


def _main_head_only(
    module: nn.Module, site: HeadSite, inputs: Tensor, labels: Tensor, classes: int
) -> tuple[int, str]:
    """Answers of a helping head after replacing the main one; what the plain loss says to three answers."""
    from torch import nn
    from torch.nn.functional import cross_entropy

    setattr(module, site.paths[0], nn.Linear(site.in_features[0], classes))
    answer = module.train()(inputs)
    cross_entropy(answer.aux_logits1, labels)  # defined, though it means nothing
    try:
        cross_entropy(answer, labels)
    except TypeError as error:
        return answer.aux_logits1.shape[1], f"the loss of all three at once: {str(error).splitlines()[0]}"
    return answer.aux_logits1.shape[1], ""
