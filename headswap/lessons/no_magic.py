"""A new head is not magic: pictures that the body cannot see, and names that mean nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from headswap.counted import counted
from headswap.lessons.chance import is_clear
from headswap.lessons.glossary import terms
from headswap.lessons.lesson import Code, Lesson, LessonFindings, measured, percent
from headswap.plots.figure import Bar, Figure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from headswap.lessons.material import Material

LESSON = Lesson(
    name="no-magic",
    title="A new head is not magic",
    question="The names of the practice pictures are shuffled: they mean nothing now. A new head is "
    "taught on them. What does it reach?",
    choices=(
        "Practice near 100 %, exam no better than guessing",
        "Both no better than guessing",
        "Both good: the network knows what is right",
    ),
    right=0,
    plan="The pictures as they are; every picture with its pixels in another order, always the same one; "
    "noise; shuffled names. The head alone, and once with all of it.",
    why=(
        "A head has more numbers than there are pictures, so it can learn anything by heart. Only pictures "
        "it never practised on tell whether it understood.",
        "With the pixels in another order all information is still there, but nothing that the body ever "
        "learned to see. A head can only use what the body hands it.",
        "Do not replace only the head when the pictures are no pictures to the body (spectra, maps of "
        "numbers, noise-like textures): let more of it move, with many more examples, or take a method "
        "made for such data. When even that stays at guessing, the answer is not in the pictures "
        "or the names are wrong.",
    ),
    codes=(
        Code(
            before="""import torch

torch.manual_seed(0)
features = torch.randn(60, 512)                    # noise in place of features
labels = torch.randint(0, 2, (60,))                # names that mean nothing
practice, exam = torch.arange(30), torch.arange(30, 60)
head = torch.linalg.lstsq(features[practice], labels[practice].float() * 2 - 1).solution""",
            wrong="""right = ((features[practice] @ head > 0) == labels[practice]).float().mean()
share = float(right)     # 1.0: learned by heart""",
            right="""right = ((features[exam] @ head > 0) == labels[exam]).float().mean()
share = float(right)     # about 0.5: guessing""",
            wrong_text="judged on what it practised",
            right_text="judged on what it never saw",
        ),
    ),
    terms=terms("learn by heart", "exam"),
)


_BY_HEART = 0.9  # of what was practised on


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """One kind of pictures and names, and what a head reached on them."""

    name: str
    text: str
    train: float
    test: float


def run(material: Material) -> LessonFindings:
    """Solve a head on four kinds of pictures, over every draw; then teach all of it on one of them."""
    import torch

    features = material.features()
    noise = material.features(change=partial(_noise, seed=material.setting.seed))
    kinds = (
        _kind(material, "pictures", "the pictures", features),
        _kind(material, "scrambled", "pixels in another order", material.features(change=_scrambled)),
        _kind(material, "noise", "noise", noise),
        _kind(material, "shuffled", "shuffled names", features, shuffled=True),
    )
    deeper, guess = _deeper(material), 1 / len(material.classes)
    epochs = counted(material.train.epochs, "pass", "passes")
    tests = ((f"exam_{one.name}", one.test, f"exam right, {one.text}") for one in kinds)
    trains = ((f"practice_{one.name}", one.train, f"practice right, {one.text}") for one in kinds)
    deep = ("exam_scrambled_deeper", deeper, f"exam right, another order, everything taught {epochs}")
    seen = len(torch.cat([test for _, test in material.draws]).unique())
    sentences, shows = _said(kinds, deeper, epochs=epochs, guess=guess, total=seen)
    bars = tuple(
        Bar(
            text=kind.text,
            value=kind.test,
            said=f"{percent(kind.test)}, practice {percent(kind.train)}",
            tone="right" if kind.name == "pictures" else "wrong",
        )
        for kind in kinds
    )
    more = (
        Bar(text="another order, all of it", value=deeper, said=percent(deeper)),
        Bar(text="guessing", value=guess, said=percent(guess)),
    )
    return LessonFindings(
        sentences=sentences,
        numbers=measured("share", *tests, *trains, deep),
        figure=Figure(text=" ".join(sentences), bars=bars + more),
        shows=shows,
    )


def _said(
    kinds: tuple[_Kind, ...], deeper: float, *, epochs: str, guess: float, total: int
) -> tuple[tuple[str, ...], bool]:
    """What a head reached on each kind, and whether it learned shuffled names by heart and nothing else.

    Args:
        kinds: the pictures, another order, noise, shuffled names.
        deeper: exam right, everything taught on another order.
        epochs: of that, in words.
        guess: share that guessing gets.
        total: different exam pictures over all draws.
    """
    images, order, nothing, labels = kinds
    by_heart, guesses = labels.train >= _BY_HEART, not is_clear(labels.test, guess, total)
    trained = "by heart" if by_heart else "not by heart"
    examined = "no better than guessing" if guesses else "better than guessing this time"
    return (
        f"Head alone: {percent(images.test)} of the exam on the pictures as they are, "
        f"{percent(order.test)} with the pixels in another order, {percent(nothing.test)} on noise; "
        f"guessing gets {percent(guess)}.",
        f"With shuffled names: {percent(labels.train)} of what it practised on, {percent(labels.test)} "
        f"of the exam. It knows the first {trained}, and the second {examined}.",
        f"Everything taught for {epochs} on the pixels in another order: {percent(deeper)}.",
    ), by_heart and guesses


def _kind(material: Material, name: str, text: str, features: Tensor, *, shuffled: bool = False) -> _Kind:
    import torch

    from headswap.lessons.material import share_right, solve

    labels = material.labels
    trained, examined = [], []
    for number, (train, test) in enumerate(material.draws):
        if shuffled:
            random = torch.Generator().manual_seed(1000 * material.setting.seed + number)
            labels = material.labels[torch.randperm(len(labels), generator=random)]
        head = solve(features[train], labels[train], len(material.classes))
        trained.append(share_right(head, features[train], labels[train]))
        examined.append(share_right(head, features[test], labels[test]))
    count = len(material.draws)
    return _Kind(name=name, text=text, train=sum(trained) / count, test=sum(examined) / count)


def _scrambled(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every picture's pixels in another order, the same for all."""
    import numpy as np

    count, height, width, channels = pixels.shape
    order = np.random.default_rng(0).permutation(height * width)
    return pixels.reshape(count, -1, channels)[:, order].reshape(pixels.shape)


def _noise(pixels: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """As many pictures of nothing."""
    import numpy as np

    return np.random.default_rng(seed).integers(0, 256, pixels.shape, dtype=np.uint8)


def _deeper(material: Material) -> float:
    """Everything taught on pixels in another order: what letting all of it move adds there."""
    import torch

    from headswap.data.transforms import to_float
    from headswap.heads.swap import swap_head
    from headswap.lessons.loop import LessonSchedule, train_epochs

    torch.manual_seed(material.setting.seed)
    network = material.fresh()
    site = swap_head(network, len(material.classes), site=material.site).site
    module = network.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    floats = torch.from_numpy(to_float(_scrambled(material.pixels(material.small)), material.small))
    inputs = floats.contiguous(memory_format=torch.channels_last)
    data = material.data(inputs)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    epochs, seed = material.train.epochs, material.setting.seed
    seen = train_epochs(
        module, site, data, optimizer, LessonSchedule(epochs=epochs, seed=seed), tick=material.tick
    )
    return seen[-1].test
