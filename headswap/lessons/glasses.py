"""Wrong glasses: the same taught network, shown the same pictures prepared in other ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headswap.lessons.chance import half_interval, is_clear
from headswap.lessons.glossary import terms
from headswap.lessons.lesson import Code, Lesson, LessonFindings, Number, measured, percent
from headswap.plots.figure import Bar, Figure, Tone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from headswap.lessons.material import Material
    from headswap.network import ChannelOrder, CropMode, InputSpec

LESSON = Lesson(
    name="wrong-glasses",
    title="Wrong glasses",
    question="The network is taught and good. Someone shows it the same exam pictures but forgets to "
    "divide the pixels by 255. What happens?",
    choices=(
        "Nothing: it is the same picture",
        "It stops with an error",
        "It is wrong far more often, and says nothing",
    ),
    right=2,
    plan="One taught head, one exam, seen through other glasses: other numbers for brightness and "
    "contrast, swapped colours, squashed, and from a grainy camera.",
    why=(
        "A network learned its first layer for numbers in one range and colours in one order. Other "
        "numbers are a different picture to it, and there is nothing that could raise an error.",
        "How much it costs depends on the pictures and the network: some wrong glasses hardly hurt here. "
        "You cannot know that beforehand, so the right ones must travel with the weights.",
        "A new camera or new light is the same trouble from the other side. It shows in the features "
        "before anyone sees a wrong answer, and pictures of that kind mend it. headswap says “I have not "
        "seen anything like this”.",
    ),
    codes=(
        Code(
            before="""import torch

picture = torch.randint(0, 256, (3, 224, 224), dtype=torch.uint8)
mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)""",
            wrong="""seen = (picture.float() - mean) / std
largest = float(seen.abs().max())     # over 1000""",
            right="""seen = (picture.float() / 255 - mean) / std
largest = float(seen.abs().max())     # below 3""",
            wrong_text="not divided by 255",
            right_text="as the network was taught",
        ),
    ),
    terms=terms("glasses", "new camera, new light", "swapped colours"),
    for_experts=True,
)
_GLASSES = ("undivided", "unnormalised", "swapped", "squashed")
_GRAIN = 80.0  # spread of the grain, of 255


@dataclass(frozen=True, kw_only=True)
class _Preparation:
    """The exam as someone prepares it."""

    name: str
    text: str
    features: Tensor
    tone: Tone = "wrong"


def run(material: Material) -> LessonFindings:
    """Measure one head through every preparation; every draw of the exam counts."""
    import torch

    prepared = _prepared(material)
    grainy = prepared[-1].features
    scores = {one.name: _scores(material, one.features) for one in prepared}
    scores["mended"] = _scores(material, grainy, also=grainy)
    means = {name: _mean(values) for name, values in scores.items()}
    calm, grainy_ood = _share_ood(material, material.features()), _share_ood(material, grainy)
    named = {one.name: one.text for one in prepared} | {"mended": "grainy ones practised too"}
    numbers = measured(
        "share", *((f"exam_{name}", mean, f"exam right, {named[name]}") for name, mean in means.items())
    )
    losses = tuple(_loss(name, named[name], scores) for name in scores)
    seen = len(torch.cat([test for _, test in material.draws]).unique())
    noticed = measured(
        "share",
        ("noticed_right", calm, "exam pictures called unlike, right glasses"),
        ("noticed_grainy", grainy_ood, "exam pictures called unlike, a grainy camera"),
    )
    sentences = (
        *_sentences(means, losses, named, seen),
        f"From a grainy camera {percent(means['grainy'])} are right, and {percent(grainy_ood)} of its "
        f"pictures are noticed as unlike ({percent(calm)} of the others). With grainy pictures among the "
        f"practice pictures: {percent(means['mended'])}.",
    )
    tones = {one.name: one.tone for one in prepared} | {"mended": "right"}
    bars = tuple(
        Bar(text=named[name], value=mean, said=percent(mean), tone=tones[name])
        for name, mean in means.items()
    )
    figure = Figure(text=" ".join(sentences), bars=bars)
    shows = _is_costly("undivided", means, losses, seen)
    return LessonFindings(sentences=sentences, numbers=numbers + losses + noticed, figure=figure, shows=shows)


def _prepared(material: Material) -> tuple[_Preparation, ...]:
    """The right one, the wrong glasses, and last the grainy camera."""
    prepared = [_Preparation(name="right", text="right glasses", features=material.features(), tone="right")]
    for done, (name, text, spec) in enumerate(_wrong_specs(material.spec), start=1):
        prepared.append(_Preparation(name=name, text=text, features=material.features(spec)))
        material.tick(done, 5)
    grainy = material.features(change=_grained)
    prepared.append(_Preparation(name="grainy", text="a grainy camera", features=grainy, tone="plain"))
    return tuple(prepared)


def _loss(name: str, text: str, scores: dict[str, list[float]]) -> Number:
    """What a preparation costs against the right one, draw by draw."""
    lost = [before - after for before, after in zip(scores["right"], scores[name], strict=True)]
    mean, half = _mean(lost), half_interval(lost)  # the draws overlap, so it is a rough one
    what = f"lost against the right glasses, {text}"
    return Number(name=f"lost_{name}", value=mean, low=mean - half, high=mean + half, text=what)


def _wrong_specs(spec: InputSpec) -> tuple[tuple[str, str, InputSpec], ...]:
    ones, zeros = (1.0,) * spec.channels, (0.0,) * spec.channels
    swapped: ChannelOrder = "RGB" if spec.channel_order == "BGR" else "BGR"
    squashed: CropMode = "crop" if spec.crop_mode == "squash" else "squash"
    return (
        ("undivided", "not divided by 255", replace(spec, std=tuple(one / 255 for one in spec.std))),
        ("unnormalised", "no mean and std", replace(spec, mean=zeros, std=ones)),
        ("swapped", "red and blue swapped", replace(spec, channel_order=swapped)),
        ("squashed", "cut" if squashed == "crop" else "squashed", replace(spec, crop_mode=squashed)),
    )


def _grained(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The grain of a camera in the dark, always the same."""
    import numpy as np

    grain = np.random.default_rng(0).normal(0.0, _GRAIN, pixels.shape)
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)


def _scores(material: Material, seen: Tensor, also: Tensor | None = None) -> list[float]:
    """Accuracy of each draw: taught with the right glasses, examined with others.

    Args:
        material: pictures and draws.
        seen: (N, D) features of the exam, prepared like that.
        also: (N, D) a second preparation that is trained on in addition to the right one.
    """
    import torch

    from headswap.lessons.material import share_right, solve

    scores = []
    for train, test in material.draws:
        features, labels = material.features()[train], material.labels[train]
        if also is not None:
            features, labels = torch.cat([features, also[train]]), labels.repeat(2)
        head = solve(features, labels, len(material.classes))
        scores.append(share_right(head, seen[test], material.labels[test]))
    return scores


def _share_ood(material: Material, seen: Tensor) -> float:
    """Share of exam pictures that are unlike everything practised on, over all draws."""
    from headswap.evaluation.ood import NEIGHBOURS, embeddings_of, nearest, ood_scores, threshold_from

    groups = [image.group for image in material.manifest.images]
    embeddings, known = embeddings_of(seen.numpy()), embeddings_of(material.features().numpy())
    shares = []
    for train, test in material.draws:
        own = known[train.numpy()]
        threshold = threshold_from(own, [groups[row] for row in train.tolist()], known[test.numpy()])
        distances = ood_scores(nearest(embeddings[test.numpy()], own, NEIGHBOURS)[0])
        shares.append(float((distances > threshold).mean()) if threshold is not None else 0.0)
    return _mean(shares)


def _is_costly(name: str, means: dict[str, float], losses: tuple[Number, ...], total: int) -> bool:
    """Whether glasses cost more than the draws, and the `total` exam pictures of them all, vary."""
    low = next(number.low or 0.0 for number in losses if number.name == f"lost_{name}")
    return low > 0 and is_clear(means["right"], means[name], total)


def _sentences(
    means: dict[str, float], losses: tuple[Number, ...], named: dict[str, str], total: int
) -> tuple[str, ...]:
    """What each pair of glasses cost; no loss is claimed that lies within its noise."""
    costly: list[str] = []
    harmless: list[str] = []
    for name in _GLASSES:
        kind = costly if _is_costly(name, means, losses, total) else harmless
        kind.append(f"{named[name]} ({percent(means[name])})")
    sentences = [f"Through the right glasses {percent(means['right'])} of the exam pictures are right."]
    if costly:
        sentences.append(f"Clearly worse: {', '.join(costly)}.")
    if harmless:
        sentences.append(f"No clear loss on these pictures: {', '.join(harmless)}.")
    return tuple(sentences)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
