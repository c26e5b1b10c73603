"""How many pictures: 1, 2, 5, 10, 20 of each class, drawn again and again, with intervals."""

from __future__ import annotations

from math import hypot, log2
from typing import TYPE_CHECKING

from headswap.counted import counted
from headswap.lessons.chance import half_interval
from headswap.lessons.glossary import terms
from headswap.lessons.lesson import Code, Lesson, LessonFindings, Number, measured, percent
from headswap.plots.figure import Curve, Figure

if TYPE_CHECKING:
    from torch import Tensor

    from headswap.lessons.material import Material

LESSON = Lesson(
    name="how-many",
    title="How many pictures?",
    question="A new head is taught with 1, 2, 5, 10 and then 20 pictures of each class. Where does the "
    "curve bend?",
    choices=(
        "It does not: twice the pictures, twice as good",
        "Early: the first ten bring most, then each doubling brings less",
        "Late: below twenty it only guesses",
    ),
    right=1,
    plan="For each number the practice pictures are drawn again many times; the exam pictures are never "
    "among them.",
    why=(
        "The body has already learned to see. The head only has to learn which of the things it sees go "
        "with which name, and a few examples settle most of that.",
        "With one picture of each it depends on which picture it was: look how long the first whisker is. "
        "A single draw with few pictures proves nothing; that is why it was repeated.",
        "Past the bend, pictures that differ (other light, other background) help more than many alike.",
    ),
    codes=(
        Code(
            before="""import torch

torch.manual_seed(0)
labels = torch.arange(4).repeat_interleave(24)     # 24 pictures of each of 4 classes
few = 5""",
            wrong="""chosen = torch.arange(len(labels))[:4 * few]             # the first ones of the folder
counts = torch.bincount(labels[chosen], minlength=4)     # [20, 0, 0, 0]""",
            right="""chosen = torch.cat([
    torch.where(labels == name)[0][torch.randperm(24)[:few]] for name in range(4)
])
counts = torch.bincount(labels[chosen], minlength=4)     # [5, 5, 5, 5]""",
            wrong_text="the first ones",
            right_text="drawn from each class",
        ),
    ),
    terms=terms("whisker"),
)
SIZES = (1, 2, 5, 10, 20)
REPEATS = 4  # draws of the few, within each draw of the exam
_FEWEST_TEST_EACH = 2
_FEWEST_SIZES = 3  # below which there is no doubling to compare with another
_EARLY = 10  # pictures of each class


def run(material: Material) -> LessonFindings:
    """Solve a head for every size and draw; the mean and its interval."""
    counts = material.labels.bincount().tolist()
    largest = min(counts) - max(_FEWEST_TEST_EACH, round(min(counts) * 0.16))
    sizes = [size for size in SIZES if size <= largest] or [1]
    scores: dict[int, list[float]] = {size: [] for size in sizes}
    total = material.setting.draws * REPEATS
    for number in range(total):
        for size, score in zip(sizes, _one_draw(material, sizes, number), strict=True):
            scores[size].append(score)
        material.tick(number + 1, total)
    numbers = tuple(_number(size, scores[size]) for size in sizes)
    bend = _bend(sizes, numbers)
    bent, shows = _bent_text(sizes, numbers)
    guess = 1 / len(material.classes)
    sentences = (
        f"One picture of each class: {percent(numbers[0].value)} of the exam pictures right on average, "
        f"where guessing gets {percent(guess)}."
        + (f" With {sizes[-1]} of each: {percent(numbers[-1].value)}." if len(sizes) > 1 else ""),
        bent,
    )
    at_bend = measured("count", ("bend", bend or 0, "pictures of each class at the bend; 0: not yet"))
    figure = Figure(
        text=" ".join(sentences),
        across="practice pictures of each class",
        curves=(_curve(sizes, numbers, total), _guessing(sizes, guess)),
    )
    return LessonFindings(sentences=sentences, numbers=numbers + at_bend, figure=figure, shows=shows)


def _curve(sizes: list[int], numbers: tuple[Number, ...], total: int) -> Curve:
    return Curve(
        text=f"exam, mean of {total}",
        points=tuple((float(size), one.value) for size, one in zip(sizes, numbers, strict=True)),
        low=tuple(one.low or 0.0 for one in numbers),
        high=tuple(one.high or 0.0 for one in numbers),
        tone="right",
    )


def _guessing(sizes: list[int], guess: float) -> Curve:
    return Curve(text="guessing", points=((float(sizes[0]), guess), (float(sizes[-1]), guess)))


def _one_draw(material: Material, sizes: list[int], number: int) -> list[float]:
    """Accuracy for each size; the smaller sets lie within the larger ones, the exam is the same."""
    import torch

    from headswap.lessons.material import share_right, solve

    random = torch.Generator().manual_seed(1000 * material.setting.seed + number)
    shuffled: list[Tensor] = []
    for name in range(len(material.classes)):
        rows = torch.where(material.labels == name)[0]
        shuffled.append(rows[torch.randperm(len(rows), generator=random)])
    features, labels = material.features(), material.labels
    test = torch.cat([rows[sizes[-1] :] for rows in shuffled])
    scores = []
    for size in sizes:
        chosen = torch.cat([rows[:size] for rows in shuffled])
        head = solve(features[chosen], labels[chosen], len(shuffled))
        scores.append(share_right(head, features[test], labels[test]))
    return scores


def _number(size: int, scores: list[float]) -> Number:
    """The mean and where it probably lies, were there endlessly many draws."""
    mean, half = sum(scores) / len(scores), half_interval(scores)
    return Number(
        name=f"exam_{size}",
        value=mean,
        text=f"exam pictures right with {size} of each class",
        low=max(0.0, mean - half),
        high=min(1.0, mean + half),
    )


def _bent_text(sizes: list[int], numbers: tuple[Number, ...]) -> tuple[str, bool]:
    """Where the curve bends, as far as the draws can tell; and whether it does so early."""
    means = [number.value for number in numbers]
    if len(sizes) < _FEWEST_SIZES:
        most = counted(sizes[-1], "picture")
        return f"With at most {most} of each class this run cannot tell where the curve bends.", False
    bend = _bend(sizes, numbers)
    if bend:
        return (
            f"The curve bends at {bend} of each: from there twice the pictures bring less than half of what "
            "a doubling brought before."
        ), bend <= _EARLY
    gains, error = _doublings(sizes, means), _error_of_doubling(sizes, numbers, len(sizes) - 2)
    before = _error_of_doubling(sizes, numbers, len(sizes) - 3)
    early = means[-2] - means[0]
    if gains[-2] - gains[-1] > hypot(error, before):
        return (
            f"The first {sizes[-2]} bring {100 * early:.0f} points; twice as many bring "
            f"{100 * gains[-1]:.0f} more, less than the {100 * gains[-2]:.0f} of the doubling before. It "
            "begins to bend."
        ), sizes[-2] <= _EARLY
    last = (
        f"the step from {sizes[-2]} to {sizes[-1]} of each brought {100 * (means[-1] - means[-2]):.0f} points"
    )
    if gains[-1] > error:
        return f"No bend is clear in this run: {last}, and more pictures may bring more.", False
    return f"No bend is clear in this run: {last}, which may be chance.", False


def _doublings(sizes: list[int], means: list[float]) -> list[float]:
    """What twice the pictures brought, between each size and the next."""
    steps = zip(sizes, sizes[1:], means, means[1:], strict=False)
    return [(later - mean) / log2(larger / size) for size, larger, mean, later in steps]


def _error_of_doubling(sizes: list[int], numbers: tuple[Number, ...], at: int) -> float:
    """Half of the interval of what a doubling brought after size number `at`."""
    one, other = numbers[at], numbers[at + 1]
    halves = [((number.high or 0.0) - (number.low or 0.0)) / 2 for number in (one, other)]
    return hypot(*halves) / log2(sizes[at + 1] / sizes[at])


def _bend(sizes: list[int], numbers: tuple[Number, ...]) -> int | None:
    """The size after which a doubling clearly brings less than half of the best before it; None: none."""
    best, best_error = 0.0, 0.0
    gains = _doublings(sizes, [number.value for number in numbers])
    for at, (size, gain) in enumerate(zip(sizes, gains, strict=False)):
        error = _error_of_doubling(sizes, numbers, at)
        if best / 2 - gain > hypot(error, best_error / 2):
            return size
        if gain > best:
            best, best_error = gain, error
    return None
