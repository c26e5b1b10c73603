"""Must everything be taught again: the head alone, everything, and everything from nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headswap.counted import counted
from headswap.lessons.chance import is_clear, points
from headswap.lessons.glossary import terms
from headswap.lessons.lesson import Code, Lesson, LessonFindings, Number, measured, percent
from headswap.plots.figure import Bar, Figure

if TYPE_CHECKING:
    from headswap.lessons.material import Material
    from headswap.network import Network

LESSON = Lesson(
    name="everything",
    title="Must everything be taught again?",
    question="The network has millions of numbers. You want it to tell your things apart. How many of the "
    "numbers must be taught to be far better than a network that begins from nothing?",
    choices=("All of them", "About half", "About one in a thousand"),
    right=2,
    plan="Four ways with the same exam pictures: the new head alone, on small pictures and on full ones; "
    "everything, beginning with what the network knows; everything, beginning from nothing.",
    why=(
        "The body learned from a million pictures to tell edges, textures and shapes apart. Your pictures "
        "have those too, so only the last step is new.",
        "Its numbers are the same before and after, to the bit: the fingerprint proves it. So the body "
        "runs once over each picture, and the rest takes moments.",
        "Teaching everything can gain a few points more, at many times the cost, and can also lose them. "
        "Beginning from nothing needs thousands of pictures.",
    ),
    codes=(
        Code(
            before="""import torch
from torchvision.models import resnet18

network = resnet18()
whole = sum(value.numel() for value in network.parameters())""",
            wrong="""network.fc = torch.nn.Linear(512, 4)
taught = sum(value.numel() for value in network.parameters() if value.requires_grad)     # 11,178,564""",
            right="""network.requires_grad_(False)
network.fc = torch.nn.Linear(512, 4)     # new parameters may learn
taught = sum(value.numel() for value in network.parameters() if value.requires_grad)     # 2,052""",
            wrong_text="everything learns",
            right_text="the head learns",
        ),
    ),
    terms=terms("body", "from nothing", "fingerprint"),
)
_RATE = 1e-3  # of Adam, the usual first choice


@dataclass(frozen=True, kw_only=True)
class _Variant:
    """One way of teaching and what it gave."""

    name: str
    text: str
    right: int
    total: int
    seconds: float
    trained: int  # numbers that could move
    backbone_same: bool  # the body's fingerprint before and after


def run(material: Material) -> LessonFindings:
    """Teach in four ways; the same exam for all."""
    variants = (
        _head_alone(material, small=False),
        _head_alone(material, small=True),
        _all(material, material.fresh(), "everything", "everything, small pictures"),
        _all(material, _from_nothing(material), "from_nothing", "everything, from nothing"),
    )
    tests = tuple(_test(variant) for variant in variants)
    same = "1: the body is the same to the bit"
    counts = [
        (f"taught_{variant.name}", variant.trained, f"numbers taught, {variant.text}") for variant in variants
    ]
    counts += [
        (f"body_same_{variant.name}", int(variant.backbone_same), f"{same}, {variant.text}")
        for variant in variants
    ]
    times = [(f"seconds_{variant.name}", variant.seconds, f"seconds, {variant.text}") for variant in variants]
    bars = tuple(
        Bar(
            text=variant.text,
            value=test.value,
            said=f"{variant.right} of {variant.total}",
            low=test.low,
            high=test.high,
            tone="right" if variant.trained == variants[0].trained else "plain",
        )
        for variant, test in zip(variants, tests, strict=True)
    )
    sentences, shows = _said(variants, material.train.epochs, len(material.classes))
    return LessonFindings(
        sentences=sentences,
        shows=shows,
        numbers=tests + measured("count", *counts) + measured("seconds", *times),
        figure=Figure(text=" ".join(sentences), bars=bars),
    )


def _said(variants: tuple[_Variant, ...], epochs: int, classes: int) -> tuple[tuple[str, ...], bool]:
    """What happened, and whether the head alone is clearly better than everything from nothing."""
    head, _, whole, nothing = variants
    kept = "the same as before" if head.backbone_same else "another than before"
    total, (alone, untaught) = head.total, (head.right / head.total, nothing.right / nothing.total)
    conclusion = (
        f"On {total} exam pictures the head alone and everything from nothing differ no more than by chance."
    )
    better = is_clear(alone, untaught, total)
    if better:
        conclusion = f"The head alone is ahead of everything from nothing by {points(alone - untaught)}."
    elif is_clear(untaught, alone, total):
        conclusion = f"Everything from nothing is ahead of the head alone by {points(alone - untaught)}."
    sentences = (
        f"The head alone: {head.trained:,} numbers taught, {head.right} of {head.total} exam pictures right. "
        f"The body's fingerprint is {kept}.",
        f"Everything: {whole.trained:,} numbers, {whole.right} of {whole.total} right after "
        f"{counted(epochs, 'pass', 'passes')}.",
        f"From nothing, with as many passes: {nothing.right} of {nothing.total}; guessing gets "
        f"{percent(1 / classes)}.",
        conclusion,
    )
    return sentences, better


def _test(variant: _Variant) -> Number:
    from headswap.evaluation.metrics import wilson_interval

    low, high = wilson_interval(variant.right, variant.total)
    text = f"exam right, {variant.text}"
    return Number(
        name=f"exam_{variant.name}", value=variant.right / variant.total, low=low, high=high, text=text
    )


def _head_alone(material: Material, *, small: bool) -> _Variant:
    import torch

    from headswap.heads.swap import swap_head
    from headswap.heads.trainable import freeze_backbone
    from headswap.lessons.loop import backbone_hash
    from headswap.lessons.material import share_right, solve
    from headswap.training.linear.heads import LinearHeads, install

    network, spec = material.fresh(), material.small if small else material.spec
    train, test = material.draws[0]
    site = swap_head(network, len(material.classes), site=material.site).site
    before, start = backbone_hash(network.module, site), time.perf_counter()
    with freeze_backbone(network, site) as learning:
        trained = sum(value.numel() for value in learning)
        features = material.features(spec)
        head = solve(features[train], material.labels[train], len(material.classes))
        with torch.no_grad():
            install(network.module, site, LinearHeads((head,), site.in_features))
    share = share_right(head, features[test], material.labels[test])
    return _Variant(
        name="head_small" if small else "head",
        text="head alone, small pictures" if small else "head alone",
        right=round(share * len(test)),
        total=len(test),
        seconds=time.perf_counter() - start,
        trained=trained,
        backbone_same=before == backbone_hash(network.module, site),
    )


def _from_nothing(material: Material) -> Network:
    import torch

    from headswap.zoos.catalogue import build_network

    torch.manual_seed(material.setting.seed)
    return build_network(material.setting.model, variant=material.network.card.variant)


def _all(material: Material, network: Network, name: str, text: str) -> _Variant:
    import torch

    from headswap.heads.swap import swap_head
    from headswap.lessons.loop import LessonSchedule, backbone_hash, train_epochs

    torch.manual_seed(material.setting.seed)
    site = swap_head(network, len(material.classes), site=material.site).site
    module = network.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    epochs, seed = material.train.epochs, material.setting.seed
    before, start = backbone_hash(module, site), time.perf_counter()
    data = material.data()
    optimizer = torch.optim.Adam(module.parameters(), lr=_RATE)
    seen = train_epochs(
        module, site, data, optimizer, LessonSchedule(epochs=epochs, seed=seed), tick=material.tick
    )
    return _Variant(
        name=name,
        text=text,
        right=round(seen[-1].test * len(data.test)),
        total=len(data.test),
        seconds=time.perf_counter() - start,
        trained=sum(value.numel() for value in module.parameters()),
        backbone_same=before == backbone_hash(module, site),
    )
