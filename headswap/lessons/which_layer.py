"""Which layer: the wrong attribute, `out_features`, the wrong width, and the right way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headswap.lessons.glossary import terms
from headswap.lessons.lesson import Code, Lesson, LessonFindings, measured
from headswap.plots.figure import Bar, Figure

if TYPE_CHECKING:
    from torch import Tensor, nn

    from headswap.heads.site import HeadSite
    from headswap.lessons.material import Material

LESSON = Lesson(
    name="which-layer",
    title="Which layer?",
    question="This network's head is called `classifier`. You write `network.fc = Linear(1280, 4)`, as you "
    "saw it done for a ResNet. How many answers does the network give now?",
    choices=("4", "1000, as before", "None: it stops with an error"),
    right=1,
    plan="Four ways of giving a network a new head, each tried on the same picture.",
    why=(
        "Python lets you hang a new attribute on any object. The network's forward never mentions it, so "
        "nothing changes, and teaching goes on with the old head.",
        "`out_features` only says how large the layer was made. Its weights stay as they are; only the "
        "printed text changes.",
        "With the wrong width the error comes at the first picture, not at the swap. Ask the old layer for "
        "its `in_features` instead of typing a number.",
        "headswap finds the layer from what the network does when it runs, and proves the swap before you "
        "go on.",
    ),
    codes=(
        Code(
            before="""import torch
from torchvision.models import mobilenet_v3_small

network = mobilenet_v3_small().eval()
picture = torch.rand(1, 3, 64, 64)""",
            wrong="""network.fc = torch.nn.Linear(1024, 4)
answers = network(picture).shape[1]     # 1000: forward never uses `fc`""",
            right="""old = network.classifier[3]
network.classifier[3] = torch.nn.Linear(old.in_features, 4)
answers = network(picture).shape[1]     # 4""",
            wrong_text="an attribute no one uses",
            right_text="the layer that forward uses",
        ),
        Code(
            before="""import torch
from torchvision.models import resnet18

network = resnet18().eval()
picture = torch.rand(1, 3, 64, 64)""",
            wrong="""network.fc.out_features = 4
answers = network(picture).shape[1]     # 1000: a note was changed, no weight""",
            right="""network.fc = torch.nn.Linear(network.fc.in_features, 4)
answers = network(picture).shape[1]     # 4""",
            wrong_text="setting out_features",
            right_text="a new layer",
        ),
    ),
    terms=terms("width"),
)
_ATTEMPTS = (
    ("wrong_attribute", "wrong attribute"),
    ("out_features", "out_features set"),
    ("wrong_width", "wrong in_features"),
    ("right", "the head itself"),
)


def run(material: Material) -> LessonFindings:
    """Try the four ways on four copies of the network."""
    answers, change, texts = _tried(material)
    sentences, shows = _said(answers, change, material.site.paths[0])
    counts = measured(
        "count", *((f"answers_{name}", answers[name], f"answers, {text}") for name, text in _ATTEMPTS)
    )
    changed = measured("number", ("change", change, "largest change of an old answer by the first two ways"))
    bars = tuple(
        Bar(
            text=text,
            value=float(answers[name]),
            said=f"{answers[name]} answers" if answers[name] else "an error",
            tone="right" if name == "right" else "wrong",
        )
        for name, text in _ATTEMPTS
    )
    top = float(max(answers.values()))
    figure = Figure(text=" ".join(sentences), top=top, bars=bars, is_share=False)
    return LessonFindings(
        sentences=sentences, numbers=counts + changed, figure=figure, texts=texts, shows=shows
    )


def _said(answers: dict[str, int], change: float, path: str) -> tuple[tuple[str, ...], bool]:
    """What each way gave (0 answers: an error), and whether the wrong attribute changed nothing."""
    attribute, note, width = (answers[name] for name in ("wrong_attribute", "out_features", "wrong_width"))
    idle = change == 0 and attribute == note > 0
    first = f"The wrong attribute gives {attribute} answers, `out_features` {note}, changed by {change:g}."
    if idle:
        first = (
            f"The wrong attribute and `out_features` change nothing: still {attribute} answers, different "
            "from before by exactly 0, and no error."
        )
    return (
        first,
        "The wrong width is an error, but only when the first picture comes."
        if width == 0
        else f"The wrong width was no error here: the network gives {width} answers.",
        f"With the head itself replaced ({path}) the network gives {answers['right']} answers.",
    ), idle


def _tried(material: Material) -> tuple[dict[str, int], float, tuple[str, ...]]:
    """Answers of each way (0: an error), the change by the two that change nothing, and what errors say."""
    import torch

    image = material.inputs(material.spec)[:1]
    with torch.inference_mode():
        old = material.network.module(image)
    answers: dict[str, int] = {}
    texts: list[str] = []
    change = 0.0
    for done, (name, text) in enumerate(_ATTEMPTS, start=1):
        module = material.fresh().module
        _break(module, material.site, name, len(material.classes))
        try:
            with torch.inference_mode():
                answer: Tensor = module(image)
            answers[name] = answer.shape[1]
            if name in ("wrong_attribute", "out_features"):
                change = max(change, float((answer - old).abs().max()))
        except RuntimeError as error:  # what this way is here to show
            answers[name] = 0
            texts.append(f"{text}: {type(error).__name__}: {str(error).splitlines()[0]}")
        material.tick(done, len(_ATTEMPTS))
    return answers, change, tuple(texts)


def _break(module: nn.Module, site: HeadSite, attempt: str, classes: int) -> None:
    """Give the network a new head in one of the four ways."""
    from torch import nn

    from headswap.heads.swap import swap_head

    parent, _, leaf = site.paths[0].rpartition(".")
    if attempt == "wrong_attribute":
        unused = next(name for name in ("fc", "classifier", "head", "new_head") if not hasattr(module, name))
        setattr(module, unused, nn.Linear(site.in_features[0], classes))
    elif attempt == "out_features":
        head: nn.Linear = module.get_submodule(site.paths[0])  # type: ignore[assignment]
        head.out_features = classes
    elif attempt == "wrong_width":
        setattr(module.get_submodule(parent), leaf, nn.Linear(site.in_features[0] // 2, classes))
    else:
        swap_head(module, classes, site=site)
