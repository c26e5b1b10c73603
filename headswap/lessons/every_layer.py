"""Which layers know it: a head on every block alone, from the first to the last, and on all together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headswap.lessons.chance import half_interval
from headswap.lessons.glossary import terms
from headswap.lessons.lesson import Code, Lesson, LessonFindings, Number, measured, percent
from headswap.plots.figure import Curve, Figure

if TYPE_CHECKING:
    from torch import Tensor

    from headswap.lessons.material import Material

LESSON = Lesson(
    name="every-layer",
    title="Which layers know it?",
    question="A new head is taught on what one block of the network gives: the first, the next, up to the "
    "last. Which blocks know best what the drawings of the sample set show?",
    choices=(
        "The first ones: they still see every stroke",
        "The last ones: the first see only strokes and colours",
        "All the same: each sees the whole picture",
    ),
    right=1,
    plan="One head for each block, on the same practice pictures, and one that reads them all; drawn again "
    "several times.",
    why=(
        "A network builds what it sees step by step: edges and colours first, then textures and parts, then "
        "things. Drawings of things are told apart late.",
        "The last block was made for the thousand names of the old head. What it has left out on the way, "
        "such as the exact stroke, may be what tells your classes apart: on letters the blocks before it are "
        "better.",
        "A head may read all of them, for the price of one look at each picture. headswap solves both heads "
        "and takes the wide one where it is clearly better.",
    ),
    codes=(
        Code(
            before="""import torch
from torchvision.models import mobilenet_v3_small

network = mobilenet_v3_small().eval()
x = torch.rand(1, 3, 64, 64)""",
            wrong="""features = network.features(x).mean((2, 3))
width = features.shape[1]               # 576: what the last block has left""",
            right="""read = []
for block in network.features:
    x = block(x)
    read.append(x.mean((2, 3)))         # each channel, averaged over the picture
features = torch.cat(read, dim=1)
width = features.shape[1]               # 1160: what every block saw""",
            wrong_text="the last block alone",
            right_text="every block",
        ),
    ),
    terms=terms("wide head", "features"),
)
_MOST_BLOCKS = 12  # of them a head is solved on each; evenly taken from more


def run(material: Material) -> LessonFindings:
    """Solve a head on each block and on all, for every draw of practice and exam."""
    blocks, whole = _blocks(material)
    steps, total = 0, len(material.draws) * (len(blocks) + 1)
    scores: list[list[float]] = []  # of each block, then of all: one for each draw
    for features in (*blocks, whole):
        scores.append([])
        for draw in range(len(material.draws)):
            scores[-1].append(_share_right(material, features, draw))
            steps += 1
            material.tick(steps, total)
    *alone, together = scores
    third = max(1, len(alone) // 3)
    early, late = _by_draw(alone[:third]), _by_draw(alone[-third:])
    gains = [after - before for before, after in zip(early, late, strict=True)]
    numbers = tuple(
        _number(f"block_{index}", f"exam pictures right by block {index}", values)
        for index, values in enumerate(alone, start=1)
    )
    everything = _number("all", "exam pictures right by all blocks together", together)
    best = max(range(len(alone)), key=lambda index: _mean(alone[index]))
    sentences = (
        f"The first block alone gets {percent(_mean(alone[0]))} of the exam pictures right, the last one "
        f"{percent(_mean(alone[-1]))}; guessing gets {percent(1 / len(material.classes))}.",
        f"The best by itself is number {best + 1} of {len(alone)}, with {percent(_mean(alone[best]))}. "
        f"All together get {percent(_mean(together))}.",
    )
    count = measured("count", ("best_block", best + 1, "number of the best block"))
    return LessonFindings(
        sentences=sentences,
        numbers=(*numbers, everything, *count),
        figure=_figure(" ".join(sentences), numbers, everything, len(material.classes)),
        shows=_mean(gains) - half_interval(gains) > 0,
    )


def _blocks(material: Material) -> tuple[list[Tensor], Tensor]:
    """What each block gives of every picture, (N, D) each, and all of it side by side."""
    whole, widths = material.block_features()
    parts = whole.split(widths, dim=1)
    kept = sorted({round(number * (len(parts) - 1) / (_MOST_BLOCKS - 1)) for number in range(_MOST_BLOCKS)})
    chosen = list(parts) if len(parts) <= _MOST_BLOCKS else [parts[number] for number in kept]
    return [part.contiguous() for part in chosen], whole


def _share_right(material: Material, features: Tensor, draw: int) -> float:
    from headswap.lessons.material import share_right, solve

    train, test = material.draws[draw]
    head = solve(features[train], material.labels[train], len(material.classes))
    return share_right(head, features[test], material.labels[test])


def _by_draw(blocks: list[list[float]]) -> list[float]:
    """The mean over some blocks, for each draw."""
    return [_mean(list(values)) for values in zip(*blocks, strict=True)]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _number(name: str, text: str, values: list[float]) -> Number:
    mean, half = _mean(values), half_interval(values)
    return Number(name=name, value=mean, text=text, low=max(0.0, mean - half), high=min(1.0, mean + half))


def _figure(text: str, numbers: tuple[Number, ...], everything: Number, classes: int) -> Figure:
    ends = (1.0, float(len(numbers)))

    def level(name: str, value: float) -> Curve:
        return Curve(text=name, points=tuple((end, value) for end in ends))

    alone = Curve(
        text="one block alone",
        points=tuple((float(number), one.value) for number, one in enumerate(numbers, start=1)),
        low=tuple(one.low or 0.0 for one in numbers),
        high=tuple(one.high or 0.0 for one in numbers),
        tone="right",
    )
    return Figure(
        text=text,
        across="block, from the picture to the head",
        curves=(alone, level("all together", everything.value), level("guessing", 1 / classes)),
    )
