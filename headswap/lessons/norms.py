"""Norms that drift: a body that is frozen and yet changes, because it was left in training mode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headswap.lessons.chance import is_clear, points
from headswap.lessons.glossary import terms
from headswap.lessons.lesson import Code, Lesson, LessonFindings, measured, percent
from headswap.plots.figure import Curve, Figure

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from headswap.lessons.loop import LessonImages
    from headswap.lessons.material import Material

LESSON = Lesson(
    name="norms",
    title="Norms that drift",
    question="Every number of the body is frozen: `requires_grad = False`. The network is left in training "
    "mode and sees a few batches, without any optimizer. Does the body stay the same?",
    choices=(
        "Yes: nothing can move without an optimizer",
        "No: its norm layers go on counting, and the exam gets worse",
        "No, but the exam does not notice",
    ),
    right=1,
    plan="A taught head on a frozen body. Batches pass through it in training mode; after every "
    "second one the exam is taken. Then the same in eval mode.",
    why=(
        "A BatchNorm layer keeps a running mean and spread of what it sees. In training mode it updates "
        "them at every batch. They are no parameters: freezing does not reach them, and no optimizer is "
        "needed.",
        "The head was made for the old features. The more the body drifts, the less they fit. A head "
        "taught again for the drifted body fits again, as far as the body still sees.",
        "In training mode each answer also depends on the other pictures of its batch: see what happens "
        "when the batch holds one class only.",
        "headswap keeps frozen norms in eval mode, through every call of train().",
    ),
    codes=(
        Code(
            before="""import torch
from torchvision.models import resnet18

network = resnet18().requires_grad_(False)     # frozen?
pictures = torch.rand(8, 3, 64, 64)
before = network.bn1.running_mean.clone()""",
            wrong="""network.train()
network(pictures)
drift = float((network.bn1.running_mean - before).abs().max())     # more than 0""",
            right="""network.eval()
network(pictures)
drift = float((network.bn1.running_mean - before).abs().max())     # exactly 0""",
            wrong_text="frozen, in training mode",
            right_text="frozen, in eval mode",
        ),
    ),
    terms=terms("norm layer", "training mode"),
    for_experts=True,
)
STEPS, EVERY, BATCH = 12, 2, 8  # batches shown, between two exams, pictures of one
_PX = 160  # side of the pictures: half the work of 224


@dataclass(frozen=True, kw_only=True)
class _Drift:
    """What happened to a frozen body."""

    line: tuple[float, ...]  # the exam before, and after every second batch in training mode
    moved: float  # largest change of a statistic, training mode
    again: float  # the exam with a head solved on the drifted body
    still: float  # the exam after batches in eval mode
    unmoved: float  # largest change of a statistic, eval mode
    mixed: float  # the exam asked in training mode, classes mixed
    one_class: float  # the same, each batch of one class


def run(material: Material) -> LessonFindings:
    """Let it drift step by step; then the same in eval mode, and answers given in training mode."""
    module, data = _prepared(material)
    if not _statistics(module):
        return _without(material, _test(module, data))
    seen = _drifted(material, module, data)
    start, end = seen.line[0], seen.line[-1]
    numbers = measured(
        "share",
        ("exam_before", start, "exam right before"),
        ("exam_drifted", end, f"exam right after {STEPS} batches in training mode"),
        ("exam_again", seen.again, "exam right with a head taught again on the drifted body"),
        ("exam_eval", seen.still, "exam right after batches in eval mode"),
        ("mixed", seen.mixed, "exam right when asked in training mode, classes mixed"),
        ("one_class", seen.one_class, "the same, each batch of one class only"),
    )
    moved = measured(
        "number",
        ("drift_train", seen.moved, "largest change of a statistic, training mode"),
        ("drift_eval", seen.unmoved, "largest change of a statistic, eval mode"),
    )
    sentences, shows = _said(seen, len(data.test))
    points = tuple((float(step * EVERY), value) for step, value in enumerate(seen.line))
    figure = Figure(
        text=" ".join(sentences),
        across="batches seen",
        curves=(
            Curve(text="eval mode", points=((0.0, start), (float(STEPS), seen.still)), tone="right"),
            Curve(text="training mode", points=points, tone="wrong"),
        ),
    )
    return LessonFindings(sentences=sentences, numbers=numbers + moved, figure=figure, shows=shows)


def _said(seen: _Drift, total: int) -> tuple[tuple[str, ...], bool]:
    """What drifted, and whether the exam, of `total` pictures, clearly got worse by it."""
    start, end = seen.line[0], seen.line[-1]
    worse = is_clear(start, end, total)
    conclusion = (
        f"The statistics moved by up to {seen.moved:.2g}. On {total} exam pictures {percent(start)} and "
        f"{percent(end)} differ no more than by chance."
    )
    if worse:
        conclusion = f"The drift cost {points(start - end)} of the exam, though nothing was taught."
    elif is_clear(end, start, total):
        conclusion = f"The drift brought {points(end - start)} of the exam, though nothing was taught."
    still = "no statistic moves: 0" if seen.unmoved == 0 else f"a statistic moves by {seen.unmoved:.2g}"
    return (
        f"In eval mode {percent(start)} of the exam pictures are right, and {still}.",
        f"After {STEPS} batches in training mode, with every parameter frozen and no optimizer: "
        f"{percent(end)}. A head taught again for the drifted body: {percent(seen.again)}.",
        f"Asked while in training mode: {percent(seen.mixed)} with mixed batches, {percent(seen.one_class)} "
        "when a batch holds one class.",
        conclusion,
    ), worse and seen.moved > 0


def _drifted(material: Material, module: nn.Module, data: LessonImages) -> _Drift:
    seed, before = material.setting.seed, _statistics(module)
    mixed, one_class = _training_mode_answers(material, data)
    line = [_test(module, data)]
    for step in range(STEPS):
        _step(module, data, step, seed, training=True)
        if step % EVERY == EVERY - 1:
            line.append(_test(module, data))
        material.tick(step + 1, STEPS)
    still, _ = _prepared(material)
    for step in range(EVERY):
        _step(still, data, step, seed, training=False)
    return _Drift(
        line=tuple(line),
        moved=_difference(before, _statistics(module)),
        again=_solved_again(material, module, data),
        still=_test(still, data),
        unmoved=_difference(before, _statistics(still)),
        mixed=mixed,
        one_class=one_class,
    )


def _without(material: Material, start: float) -> LessonFindings:
    """What there is to say of a network that keeps no statistics."""
    sentence = f"{material.network.name} has no norm layer that keeps statistics: nothing can drift here."
    line = Curve(text="either mode", points=((0.0, start), (1.0, start)), tone="right")
    return LessonFindings(
        sentences=(sentence,),
        numbers=measured("share", ("exam_before", start, "exam right")),
        figure=Figure(text=sentence, curves=(line,), across="batches seen"),
        shows=False,
    )


def _prepared(material: Material) -> tuple[nn.Module, LessonImages]:
    """A network with a solved head on a frozen body, in eval mode."""
    import torch

    from headswap.heads.swap import swap_head
    from headswap.lessons.loop import LessonImages
    from headswap.lessons.material import solve
    from headswap.training.linear.heads import LinearHeads, install

    spec = material.spec
    if material.small != spec:  # the network takes other sizes
        spec = replace(spec, height=_PX, width=_PX, resize_px=round(spec.resize_px * _PX / spec.height))
    network = material.fresh()
    site = swap_head(network, len(material.classes), site=material.site).site
    train, test = material.draws[0]
    head = solve(material.features(spec)[train], material.labels[train], len(material.classes))
    install(network.module, site, LinearHeads((head,), site.in_features))
    module = network.module.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    data = LessonImages(inputs=material.inputs(spec), labels=material.labels, train=train, test=test)
    return module.eval(), data


def _step(module: nn.Module, data: LessonImages, step: int, seed: int, *, training: bool) -> None:
    """Show one batch of practice pictures; no loss, no optimizer."""
    import torch

    order = torch.Generator().manual_seed(1000 * seed + step)
    rows = data.train[torch.randperm(len(data.train), generator=order)[:BATCH]]
    module.train(training)
    with torch.no_grad():
        module(data.inputs[rows])


def _test(module: nn.Module, data: LessonImages) -> float:
    """Share of the exam that is right, in eval mode."""
    import torch

    module.eval()
    with torch.no_grad():
        said = module(data.inputs[data.test]).argmax(dim=1)
    return float((said == data.labels[data.test]).float().mean())


def _training_mode_answers(material: Material, data: LessonImages) -> tuple[float, float]:
    """Share right when the network is asked in training mode: in mixed batches, and class by class."""
    import torch

    labels = data.labels[data.test]
    shares = []
    random = torch.Generator().manual_seed(material.setting.seed)
    mixed = list(data.test[torch.randperm(len(data.test), generator=random)].split(BATCH))
    alone = [data.test[labels == name] for name in range(len(material.classes))]
    for batches in (mixed, [rows for rows in alone if len(rows)]):
        module = _prepared(material)[0].train()
        right = 0
        with torch.no_grad():
            for rows in batches:
                right += int((module(data.inputs[rows]).argmax(dim=1) == data.labels[rows]).sum())
        shares.append(right / len(data.test))
    return shares[0], shares[1]


def _solved_again(material: Material, module: nn.Module, data: LessonImages) -> float:
    """The exam with a head solved on what the drifted body sees."""
    import torch

    from headswap.lessons.material import share_right, solve

    caught: list[Tensor] = []

    def catch(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        caught.append(inputs[0])

    head = module.get_submodule(material.site.paths[0])
    hook = head.register_forward_pre_hook(catch)
    with torch.no_grad():
        for rows in (data.train, data.test):
            module(data.inputs[rows])
    hook.remove()
    train, test = caught
    solved = solve(train, data.labels[data.train], len(material.classes))
    return share_right(solved, test, data.labels[data.test])


def _statistics(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.named_buffers() if name.endswith("running_mean")}


def _difference(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> float:
    return max(float((after[name] - value).abs().max()) for name, value in before.items())
