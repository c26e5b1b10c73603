"""What a head is: one picture through body and head, and where the head sits in six networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headswap.lessons.glossary import terms
from headswap.lessons.lesson import Code, Lesson, LessonFindings, QuizQuestion, measured, percent
from headswap.plots.figure import Bar, Figure

if TYPE_CHECKING:
    from torch import Tensor

    from headswap.lessons.material import Material

LESSON = Lesson(
    name="what-is-a-head",
    title="What is a head?",
    question="A network looks at one of the pictures. Between the last thing it computes of the picture "
    "and its 1000 scores stands the head. What is in it?",
    choices=(
        "A list of the 1000 things it has seen",
        "One multiplication: a row of numbers for each name, and one number added",
        "Half of all its layers",
    ),
    right=1,
    plan="One picture goes through body and head; the scores are then computed again by hand. After that "
    "the head is looked for in six networks of different families.",
    why=(
        "The body turns a picture into a row of features, always as many. They say what is to be seen: "
        "fur, round, striped.",
        "The head holds one row of weights for each name. A score is the sum of feature times weight, plus "
        "one number. That is all: replacing the head replaces these rows.",
        "What the layer is called is up to the author of the network, so headswap does not look at names: "
        "it follows the answer back to the layer that made it.",
    ),
    codes=(
        Code(
            before="""import torch
from torchvision.models import mobilenet_v3_small

network = mobilenet_v3_small().eval()
picture = torch.rand(1, 3, 64, 64)""",
            wrong="""head = list(network.modules())[1]     # the first layer is the eye, not the head
scores = None if isinstance(head, torch.nn.Sequential) else head""",
            right="""head = network.classifier[3]
caught = []
head.register_forward_pre_hook(lambda layer, inputs: caught.append(inputs[0]))
answer = network(picture)
scores = caught[0] @ head.weight.T + head.bias     # the same as the answer""",
            wrong_text="taken by its place in a list",
            right_text="found, and proved by hand",
        ),
    ),
    terms=terms("features", "score", "body"),
    quiz=(
        QuizQuestion(network="resnet18", options=("fc", "layer4.1.conv2", "avgpool"), right=0),
        QuizQuestion(network="vgg11", options=("classifier.0", "features.18", "classifier.6"), right=2),
        QuizQuestion(
            network="densenet121", options=("features.norm5", "classifier", "features.denseblock4"), right=1
        ),
        QuizQuestion(
            network="squeezenet1_1", options=("classifier.1", "classifier.3", "features.12"), right=0
        ),
        QuizQuestion(
            network="deit_tiny_distilled_patch16_224", options=("head", "head and head_dist", "norm"), right=1
        ),
        QuizQuestion(network="vit_b_16", options=("encoder.ln", "heads.head", "conv_proj"), right=1),
    ),
)
_SHOWN = 5  # old names
_ROUNDING = 1e-4  # of the largest score


def run(material: Material) -> LessonFindings:
    """Look at one picture, and find six heads."""
    import torch

    from headswap.features.engines import choose_engine, exact
    from headswap.features.extractor import Extractor
    from headswap.heads.trainable import head_parameters

    network, site = material.network, material.site
    extractor = Extractor(network, site, exact(choose_engine()))
    features, scores = extractor.features_and_logits(material.pixels()[:1])
    head = network.module.get_submodule(site.paths[0])
    with torch.inference_mode():
        by_hand = features @ head.weight.cpu().T + head.bias.cpu()  # type: ignore[operator]
    difference = float((by_hand - scores).abs().max())
    in_head = sum(value.numel() for value in head_parameters(network, site))
    whole = sum(value.numel() for value in network.module.parameters())
    found = _six_heads(material)
    as_said = sum(found[question.network] == question.options[question.right] for question in LESSON.quiz)
    width, classes = site.in_features[0], len(material.classes)
    numbers = measured(
        "count",
        ("width", width, "features of one picture"),
        ("votes", scores.shape[1], "scores of the old head"),
        ("old_head", in_head, "numbers in the old head"),
        ("body", whole - in_head, "numbers in the body"),
        ("new_head", (width + 1) * classes, "numbers in a new head for these pictures"),
        ("heads_found", as_said, "of six heads found where they are"),
    )
    same = difference <= _ROUNDING * max(1.0, float(scores.abs().max()))
    exactly = ("difference", difference, "largest difference between its scores and the same by hand")
    bars = _likeliest(material, scores[0])
    sentences = (
        f"The body turns {material.manifest.images[0].source} into {width:,} features; the old head turns "
        f"them into {scores.shape[1]:,} scores; the highest is for “{bars[0].text}”.",
        f"The head is {site.paths[0]}: {in_head:,} of the network's {whole:,} numbers. A new one for "
        f"{classes} names has {(width + 1) * classes:,}.",
        _by_hand_text(difference, same=same),
    )
    figure = Figure(text=f"How sure the old head is of its {_SHOWN} likeliest names.", bars=bars)
    texts = tuple(f"{name}: {path}" for name, path in found.items())
    numbers += measured("number", exactly)
    return LessonFindings(sentences=sentences, numbers=numbers, figure=figure, texts=texts, shows=same)


def _by_hand_text(difference: float, *, same: bool) -> str:
    if same:
        return f"By hand the scores come out the same; the largest difference is {difference:g}."
    return f"By hand the scores come out differently, by as much as {difference:g}."


def _likeliest(material: Material, scores: Tensor) -> tuple[Bar, ...]:
    """The old names with the highest scores."""
    shares, rows = scores.softmax(dim=0).sort(descending=True)
    names = material.network.class_names or tuple(f"name {number}" for number in range(len(scores)))
    return tuple(
        Bar(text=names[row].split(",")[0], value=share, said=percent(share))
        for share, row in zip(shares[:_SHOWN].tolist(), rows[:_SHOWN].tolist(), strict=True)
    )


def _six_heads(material: Material) -> dict[str, str]:
    """Where `find_head` finds the head of each network of the quiz; shapes only, no weights."""
    from headswap.heads.detect import find_head
    from headswap.zoos.catalogue import build_network

    found = {}
    for done, question in enumerate(LESSON.quiz, start=1):
        site = find_head(build_network(question.network, device="meta"))
        found[question.network] = " and ".join(site.paths)
        material.tick(done, len(LESSON.quiz))
    return found
