"""Everything at once with large steps, against head first and then the body with small steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headswap.counted import counted
from headswap.lessons.chance import is_clear, points
from headswap.lessons.glossary import terms
from headswap.lessons.lesson import Code, Lesson, LessonFindings, measured, percent
from headswap.plots.figure import Curve, Figure

if TYPE_CHECKING:
    import torch
    from torch import nn

    from headswap.heads.site import HeadSite
    from headswap.lessons.loop import LessonEpoch
    from headswap.lessons.material import Material
    from headswap.training.config import Norms

LESSON = Lesson(
    name="all-at-once",
    title="Everything at once",
    question="The new head begins at random. You teach head and body together, with a large step "
    "size. What becomes of what the body knew?",
    choices=(
        "It stays: the body is too large to be spoilt in a few passes",
        "Much of it is lost in the first passes",
        "It gets better at once",
    ),
    right=1,
    plan="The same pictures and passes twice: everything at once with large steps; and the head first, "
    "then the body with small steps that get smaller towards the picture.",
    why=(
        "A random head sends random corrections down through the body. With large steps the body follows "
        "them, and a million pictures' worth of seeing is overwritten by noise.",
        "With the head taught first the corrections make sense from the first step, and small steps change "
        "little where little needs to change.",
        "What it gets right of the pictures it practises on, less what it gets right in the exam, is the "
        "gap: how much was learned by heart.",
    ),
    codes=(
        Code(
            before="""import torch
from torchvision.models import resnet18

network = resnet18()
network.fc = torch.nn.Linear(512, 4)""",
            wrong="""optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
rates = {part["lr"] for part in optimizer.param_groups}     # one large step for all""",
            right="""# first teach network.fc alone, then:
stages = [network.fc, network.layer4, network.layer3, network.layer2, network.layer1]
optimizer = torch.optim.AdamW([
    {"params": stage.parameters(), "lr": 3e-4 * 0.7 ** number} for number, stage in enumerate(stages)
])
rates = {part["lr"] for part in optimizer.param_groups}     # smaller towards the picture""",
            wrong_text="all at once, 0.1",
            right_text="head first, then small steps",
        ),
    ),
    terms=terms("step size", "steps that get smaller towards the picture", "gap"),
    for_experts=True,
)
_HIGH, _LOW = 0.1, 3e-4


def run(material: Material) -> LessonFindings:
    """Teach twice; draw both lines of both."""
    hot, cold = _hot(material), _cold(material)
    start = _start(material)
    gap = cold[-1].train - cold[-1].test
    numbers = measured(
        "share",
        ("exam_all_at_once", hot[-1].test, "exam right at the end, all at once"),
        ("exam_head_first", cold[-1].test, "exam right at the end, head first"),
        ("exam_solved", start, "exam right with the head alone taught and the body untouched"),
        ("practice_all_at_once", hot[-1].train, "practice right in the last pass, all at once"),
        ("practice_head_first", cold[-1].train, "practice right in the last pass, head first"),
        ("gap_head_first", gap, "gap, head first"),
    )
    total = len(material.draws[0][1])
    sentences, shows = _said(
        hot[-1], cold[-1], start, epochs=len(hot), classes=len(material.classes), total=total
    )
    figure = Figure(
        text=" ".join(sentences),
        across="passes",
        curves=(
            Curve(
                text="exam, head first", points=_points([start, *(one.test for one in cold)]), tone="right"
            ),
            Curve(text="practice, head first", points=_points([one.train for one in cold], 1)),
            Curve(text="exam, all at once", points=_points([one.test for one in hot], 1), tone="wrong"),
            Curve(text="practice, all at once", points=_points([one.train for one in hot], 1)),
        ),
    )
    return LessonFindings(sentences=sentences, numbers=numbers, figure=figure, shows=shows)


def _said(
    hot: LessonEpoch, cold: LessonEpoch, start: float, *, epochs: int, classes: int, total: int
) -> tuple[tuple[str, ...], bool]:
    """What both ways gave, and whether all at once clearly lost what the body knew.

    Args:
        hot, cold: the last pass of all at once, and of head first.
        start: share right with the solved head and the body untouched.
        epochs, classes: of both.
        total: exam pictures.
    """
    gap, lost = cold.train - cold.test, is_clear(start, hot.test, total)
    conclusion = (
        f"On {total} exam pictures all at once differs from the head alone on the untouched body "
        f"({percent(start)}) no more than by chance."
    )
    if lost:
        less = points(start - hot.test)
        conclusion = f"All at once gets {less} fewer than the head on the untouched body: that is lost."
    elif is_clear(hot.test, start, total):
        conclusion = f"All at once gets {points(hot.test - start)} more than the head on the untouched body."
    sided = f"practice {percent(cold.train)}, exam {percent(cold.test)}"
    return (
        f"All at once: after {counted(epochs, 'pass', 'passes')} {percent(hot.test)} of the exam pictures "
        f"are right; guessing gets {percent(1 / classes)}.",
        f"Head first: {percent(start)} before the body moves, {percent(cold.test)} after "
        f"{counted(epochs, 'pass', 'passes')} with small steps.",
        f"Its gap is {points(gap)}: {sided}." if gap > 0 else f"It shows no gap: {sided}.",
        conclusion,
    ), lost


def _points(values: list[float], first: int = 0) -> tuple[tuple[float, float], ...]:
    return tuple((float(number), value) for number, value in enumerate(values, start=first))


def _start(material: Material) -> float:
    """The solved head on the untouched body, on the same small pictures."""
    from headswap.lessons.material import share_right, solve

    train, test = material.draws[0]
    features, labels = material.features(material.small), material.labels
    head = solve(features[train], labels[train], len(material.classes))
    return share_right(head, features[test], labels[test])


def _hot(material: Material) -> tuple[LessonEpoch, ...]:
    import torch

    from headswap.heads.swap import swap_head

    network = material.fresh()
    torch.manual_seed(material.setting.seed)
    site = swap_head(network, len(material.classes), site=material.site).site
    optimizer = torch.optim.SGD(network.module.parameters(), lr=_HIGH, momentum=0.9)
    return _epochs(material, network.module, site, optimizer, norms="train")


def _cold(material: Material) -> tuple[LessonEpoch, ...]:
    from headswap.heads.swap import swap_head
    from headswap.lessons.material import solve
    from headswap.training.config import FinetuneConfig
    from headswap.training.finetune.param_groups import build_optimizer, moving_groups
    from headswap.training.linear.heads import LinearHeads, install

    network, config = material.fresh(), FinetuneConfig()
    site = swap_head(network, len(material.classes), site=material.site).site
    train, _ = material.draws[0]
    features = material.features(material.small)[train]
    head = solve(features, material.labels[train], len(material.classes))
    install(network.module, site, LinearHeads((head,), site.in_features))
    groups = moving_groups(network.module, site, "everything", config)
    optimizer = build_optimizer(network.module, groups, config)
    for part in optimizer.param_groups:
        part["lr"] = _LOW * groups[part["index"]].rate
    return _epochs(material, network.module, site, optimizer, norms="frozen")


def _epochs(
    material: Material, module: nn.Module, site: HeadSite, optimizer: torch.optim.Optimizer, *, norms: Norms
) -> tuple[LessonEpoch, ...]:
    import torch

    from headswap.lessons.loop import LessonSchedule, train_epochs

    return train_epochs(
        module.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        site,
        material.data(),
        optimizer,
        LessonSchedule(epochs=material.train.epochs, seed=material.setting.seed, norms=norms),
        tick=material.tick,
    )
