"""The old optimizer: made before the swap, it never moves the new head, and nothing says so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headswap.lessons.glossary import terms
from headswap.lessons.lesson import Code, Lesson, LessonFindings, measured
from headswap.plots.figure import Curve, Figure

if TYPE_CHECKING:
    from headswap.lessons.material import Material

LESSON = Lesson(
    name="old-optimizer",
    title="The old optimizer",
    question="You make the optimizer, and only then put the new head on. You teach for 20 passes. What "
    "happens to the loss?",
    choices=("It falls as usual", "It does not move", "It stops with an error"),
    right=1,
    plan="Both orders, the same new head, the same practice pictures, 20 passes.",
    why=(
        "An optimizer keeps the numbers it was given. In the wrong order it was given those of the old "
        "head, which is no longer part of the network.",
        "The old numbers get no slope any more, so the optimizer passes over them; the new ones it does "
        "not know. Nothing moves, and no error is raised.",
        "headswap makes the optimizer after the swap, and refuses to teach when a number that should move "
        "is missing from it.",
    ),
    codes=(
        Code(
            before="""import torch
from torchvision.models import resnet18

torch.manual_seed(0)
network = resnet18()
network.requires_grad_(False)       # the body stays as it is
network.fc.requires_grad_(True)
pictures, labels = torch.rand(8, 3, 64, 64), torch.arange(8) % 4""",
            wrong="""optimizer = torch.optim.SGD(network.fc.parameters(), lr=0.1)
network.fc = torch.nn.Linear(512, 4)
start = network.fc.weight.detach().clone()

loss = torch.nn.functional.cross_entropy(network(pictures), labels)
loss.backward()
optimizer.step()
moved = float((network.fc.weight.detach() - start).abs().max())    # 0.0""",
            right="""network.fc = torch.nn.Linear(512, 4)
optimizer = torch.optim.SGD(network.fc.parameters(), lr=0.1)
start = network.fc.weight.detach().clone()

loss = torch.nn.functional.cross_entropy(network(pictures), labels)
loss.backward()
optimizer.step()
moved = float((network.fc.weight.detach() - start).abs().max())    # more than 0""",
            wrong_text="optimizer first",
            right_text="head first",
        ),
    ),
    terms=terms("loss", "slope", "pass"),
)
EPOCHS, RATE = 20, 0.02


@dataclass(frozen=True)
class _Order:
    """What one order of the two lines gave."""

    losses: tuple[float, ...]  # before anything, then after each pass
    moved: float  # largest change of a number of the new head
    test: float
    refusal: tuple[str, ...]  # what headswap says to this optimizer; nothing when it is right


def run(material: Material) -> LessonFindings:
    """Teach the head on cached features with both orders; see what moves."""
    early, late = (_trained(material, optimizer_first=order) for order in (True, False))
    numbers = measured(
        "number",
        ("moved_optimizer_first", early.moved, "largest change of the new head, optimizer first"),
        ("moved_head_first", late.moved, "largest change of the new head, head first"),
        ("loss_optimizer_first", early.losses[-1], "loss at the end, optimizer first"),
        ("loss_head_first", late.losses[-1], "loss at the end, head first"),
    )
    tests = measured(
        "share",
        ("exam_optimizer_first", early.test, "exam right, optimizer first"),
        ("exam_head_first", late.test, "exam right, head first"),
    )
    sentences, shows = _said(early, late)
    figure = Figure(
        text=f"Loss over {EPOCHS} passes. {' '.join(sentences)}",
        top=math.ceil(2 * max(early.losses + late.losses)) / 2,
        across="passes",
        is_share=False,
        curves=(
            Curve(text="optimizer first", points=tuple(enumerate(early.losses)), tone="wrong"),
            Curve(text="head first", points=tuple(enumerate(late.losses)), tone="right"),
        ),
    )
    return LessonFindings(
        sentences=sentences, numbers=numbers + tests, figure=figure, texts=early.refusal, shows=shows
    )


def _said(early: _Order, late: _Order) -> tuple[tuple[str, ...], bool]:
    """What became of the loss in both orders, and whether it stood still in one and fell in the other."""
    still, falls = early.moved == 0, late.losses[-1] < late.losses[0]
    became = "stays at" if still else f"goes from {early.losses[0]:.2f} to"
    last = "falls" if falls else "does not fall: it goes"
    return (
        f"Optimizer first: the loss {became} {early.losses[-1]:.2f}, and the new head has moved by "
        f"{'exactly ' if still else ''}{early.moved:g}.",
        f"Head first: the loss {last} from {late.losses[0]:.2f} to {late.losses[-1]:.2f}.",
    ), still and falls


def _trained(material: Material, *, optimizer_first: bool) -> _Order:
    import torch

    from headswap.errors import TeachingFailed
    from headswap.heads.swap import swap_head
    from headswap.heads.trainable import head_parameters
    from headswap.lessons.loop import LessonImages, LessonSchedule, measure, train_epochs
    from headswap.training.finetune.param_groups import check_partition

    def optimizer_of_head() -> torch.optim.Optimizer:
        return torch.optim.SGD(head_parameters(network, material.site), lr=RATE)

    network = material.fresh()
    network.module.requires_grad_(False)
    for parameter in head_parameters(network, material.site):
        parameter.requires_grad_(True)
    old = optimizer_of_head()
    torch.manual_seed(material.setting.seed)
    site = swap_head(network, len(material.classes), site=material.site).site
    optimizer = old if optimizer_first else optimizer_of_head()
    head = network.module.get_submodule(site.paths[0])
    start = [value.detach().clone() for value in head.parameters()]
    train, test = material.draws[0]
    data = LessonImages(inputs=material.features(), labels=material.labels, train=train, test=test)
    before = measure(head, site, data, train)[1]
    schedule = LessonSchedule(epochs=EPOCHS, seed=material.setting.seed)
    seen = train_epochs(head, site, data, optimizer, schedule, tick=material.tick)
    refusal: tuple[str, ...] = ()
    try:
        check_partition(network.module, optimizer)
    except TeachingFailed as error:
        refusal = (f"headswap, asked to teach with this optimizer: {error.problem}",)
    moved = max(
        float((now.detach() - then).abs().max()) for now, then in zip(head.parameters(), start, strict=True)
    )
    return _Order((before, *(one.loss for one in seen)), moved, seen[-1].test, refusal)
