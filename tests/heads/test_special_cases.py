"""Every way of building a classifier that a user may bring, each as a tiny network of its own.

The same contract is held by all of them: find changes nothing; swap gives (B, K) in both
modes; only the head learns; undo brings every bit back.
"""

from __future__ import annotations

import copy
import warnings
from collections import namedtuple
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (the customary name)
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint

from headswap.errors import HeadNotFound
from headswap.heads.detect import find_head
from headswap.heads.outputs import named_tensors
from headswap.heads.swap import swap_head
from headswap.heads.trainable import head_parameters

WIDTH, CLASSES = 12, 10


def body(width: int = WIDTH, channels: int = 3) -> nn.Sequential:
    """A picture to (B, width); with statistics and dropout, as real bodies have."""
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


class WithForward(nn.Module):
    """A network whose forward is a function of itself and the picture."""

    def __init__(self, run: Callable[[Any, Tensor], Any], **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, image: Tensor) -> Any:
        return self.run(self, image)


class CosineHead(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, width))
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, features: Tensor) -> Tensor:
        return self.scale * F.linear(F.normalize(features), F.normalize(self.weight))


class LoraLinear(nn.Module):
    """A linear layer with a low-rank addition, as separate layers."""

    def __init__(self, width: int, classes: int, rank: int = 4) -> None:
        super().__init__()
        self.base = nn.Linear(width, classes)
        self.down = nn.Linear(width, rank, bias=False)
        self.up = nn.Linear(rank, classes, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        return self.base(features) + 0.5 * self.up(self.down(features))


class MergedLora(nn.Linear):
    """A linear layer whose low-rank addition is merged into the weight before use."""

    def __init__(self, width: int, classes: int, rank: int = 4) -> None:
        super().__init__(width, classes)
        self.down = nn.Parameter(torch.randn(rank, width))
        self.up = nn.Parameter(torch.randn(classes, rank))

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight + self.up @ self.down, self.bias)


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second, self.norm = (
            nn.Linear(width, 4 * width),
            nn.Linear(4 * width, width),
            nn.LayerNorm(width),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.second(F.relu(self.first(self.norm(features))))


Pair = namedtuple("Pair", ["logits", "aux_logits"])


@dataclass(eq=False)
class Output:
    logits: Tensor
    features: Tensor


def old_style(wrap: Callable[..., nn.Module], layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return wrap(layer)


def no_grad_body(net: Any, image: Tensor) -> Tensor:
    with torch.no_grad():
        features = net.body(image)
    return net.fc(features)


def no_grad_body_norm_after(net: Any, image: Tensor) -> Tensor:
    with torch.no_grad():
        features = net.body(image)
    return net.norm(net.fc(features) * 2.0)


def branch_on_data(net: Any, image: Tensor) -> Tensor:
    features = net.body(image)
    if features.mean().item() > 1e9:
        features = features * 0.0
    return net.fc(features)


def multi_sample_dropout(net: Any, image: Tensor) -> Tensor:
    features = net.body(image)
    if not net.training:
        return net.fc(features)
    return torch.stack([net.fc(F.dropout(features)) for _ in range(4)]).mean(0)


def aux_in_training(net: Any, image: Tensor) -> Any:
    features = net.body(image)
    logits = net.fc(features)
    return Pair(logits, net.aux(features)) if net.training else logits


def distilled(net: Any, image: Tensor) -> Any:
    features = net.body(image)
    one, other = net.head(features), net.head_dist(features)
    return (one, other) if net.training else (one + other) / 2


def one_against_features(net: Any, image: Tensor) -> Tensor:
    return -torch.cdist(net.body(image), net.prototypes)


def class_queries(net: Any, image: Tensor) -> Tensor:
    """One learnt query per class looks at the places of the picture."""
    places = net.body(image).flatten(2).transpose(1, 2)  # (B, N, D)
    asked = (net.queries @ places.transpose(1, 2)).softmax(-1) @ places  # (B, C, D)
    return net.score(asked * net.queries).squeeze(-1)


@dataclass(frozen=True)
class Case:
    build: Callable[[], nn.Module]
    paths: tuple[str, ...]
    aux: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    classes: int = CLASSES
    input_size: tuple[int, int, int] | None = (3, 32, 32)
    counts: tuple[int, ...] = (1, 7)
    extra: dict[str, Any] = field(default_factory=dict)


def linear() -> nn.Linear:
    return nn.Linear(WIDTH, CLASSES)


MUST_WORK = {
    "weight norm": Case(
        lambda: WithForward(
            lambda n, x: n.fc(n.body(x)), body=body(), fc=parametrizations.weight_norm(linear())
        ),
        ("fc",),
    ),
    "weight norm of the old style": Case(
        lambda: WithForward(
            lambda n, x: n.fc(n.body(x)), body=body(), fc=old_style(nn.utils.weight_norm, linear())
        ),
        ("fc",),
    ),
    "spectral norm": Case(
        lambda: WithForward(
            lambda n, x: n.fc(n.body(x)), body=body(), fc=parametrizations.spectral_norm(linear())
        ),
        ("fc",),
    ),
    "spectral norm of the old style": Case(
        lambda: WithForward(
            lambda n, x: n.fc(n.body(x)), body=body(), fc=old_style(nn.utils.spectral_norm, linear())
        ),
        ("fc",),
    ),
    "spectral norm on a square head": Case(
        lambda: WithForward(
            lambda n, x: n.fc(n.body(x)),
            body=body(CLASSES),
            fc=parametrizations.spectral_norm(nn.Linear(10, 10)),
        ),
        ("fc",),
    ),
    "cosine head with a scale": Case(
        lambda: WithForward(lambda n, x: n.head(n.body(x)), body=body(), head=CosineHead(WIDTH, CLASSES)),
        ("head",),
    ),
    "cosine head with a scale on the root": Case(
        lambda: WithForward(
            lambda n, x: n.scale.exp() * F.normalize(n.body(x)) @ F.normalize(n.weight).t(),
            body=body(),
            weight=nn.Parameter(torch.randn(CLASSES, WIDTH)),
            scale=nn.Parameter(torch.tensor(1.0)),
        ),
        ("weight",),
    ),
    "norm after the head": Case(
        lambda: nn.Sequential(body(), linear(), nn.BatchNorm1d(CLASSES)), ("1",), tail=("2",)
    ),
    "layer norm after the head": Case(
        lambda: nn.Sequential(body(), linear(), nn.LayerNorm(CLASSES)), ("1",), tail=("2",), counts=(2, 7)
    ),
    "norm without parameters after the head": Case(
        lambda: nn.Sequential(body(), linear(), nn.LayerNorm(CLASSES, elementwise_affine=False)),
        ("1",),
        tail=("2",),
        counts=(2, 7),
    ),
    "norm that only keeps statistics after the head": Case(
        lambda: nn.Sequential(body(), linear(), nn.BatchNorm1d(CLASSES, affine=False)),
        ("1",),
        tail=("2",),
    ),
    "scale and bias on the root after the head": Case(
        lambda: WithForward(
            lambda n, x: n.fc(n.body(x)) * n.gain + n.offset,
            body=body(),
            fc=linear(),
            gain=nn.Parameter(torch.ones(CLASSES)),
            offset=nn.Parameter(torch.zeros(CLASSES)),
        ),
        ("fc",),
        tail=("gain", "offset"),
    ),
    "softmax inside": Case(lambda: nn.Sequential(body(), linear(), nn.Softmax(dim=1)), ("1",)),
    "log-softmax inside": Case(lambda: nn.Sequential(body(), linear(), nn.LogSoftmax(dim=1)), ("1",)),
    "sigmoid inside": Case(lambda: nn.Sequential(body(), linear(), nn.Sigmoid()), ("1",)),
    "soft cap on the answers": Case(
        lambda: WithForward(lambda n, x: 30 * torch.tanh(n.fc(n.body(x)) / 30), body=body(), fc=linear()),
        ("fc",),
    ),
    "body under no_grad": Case(lambda: WithForward(no_grad_body, body=body(), fc=linear()), ("fc",)),
    "body under no_grad and norm after the head": Case(
        lambda: WithForward(no_grad_body_norm_after, body=body(), fc=linear(), norm=nn.BatchNorm1d(CLASSES)),
        ("fc",),
        tail=("norm",),
    ),
    "body that is detached": Case(
        lambda: WithForward(lambda n, x: n.fc(n.body(x).detach()), body=body(), fc=linear()), ("fc",)
    ),
    "as many classes as features": Case(
        lambda: nn.Sequential(body(CLASSES), nn.LayerNorm(CLASSES), nn.Linear(CLASSES, CLASSES)), ("2",)
    ),
    "as many classes as features, functional": Case(
        lambda: WithForward(
            lambda n, x: n.body(x) @ n.weight, body=body(CLASSES), weight=nn.Parameter(torch.randn(10, 10))
        ),
        ("weight",),
    ),
    "as many classes as features, transposed": Case(
        lambda: WithForward(
            lambda n, x: F.linear(n.body(x), n.weight),
            body=body(CLASSES),
            weight=nn.Parameter(torch.randn(10, 10)),
        ),
        ("weight",),
    ),
    "averaged heads": Case(
        lambda: WithForward(
            lambda n, x: sum(head(n.body(x)) for head in n.heads) / 3,
            body=body(),
            heads=nn.ModuleList(linear() for _ in range(3)),
        ),
        ("heads.0", "heads.1", "heads.2"),
    ),
    "heads of unequal width": Case(
        lambda: WithForward(
            lambda n, x: n.one(n.body(x)) + n.two(n.wide(x)),
            body=body(),
            wide=body(20),
            one=linear(),
            two=nn.Linear(20, CLASSES),
        ),
        ("one", "two"),
    ),
    "distilled, a tuple in training": Case(
        lambda: WithForward(distilled, body=body(), head=linear(), head_dist=linear()), ("head", "head_dist")
    ),
    "several tasks in a dict": Case(
        lambda: WithForward(
            lambda n, x: {"colour": n.colour(n.body(x)), "shape": n.shape(n.body(x))},
            body=body(),
            colour=nn.Linear(WIDTH, CLASSES),
            shape=nn.Linear(WIDTH, 4),
        ),
        ("colour", "shape"),
    ),
    "features and logits in a tuple": Case(
        lambda: WithForward(lambda n, x: (f := n.body(x), n.fc(f)), body=body(), fc=linear()), ("fc",)
    ),
    "features and logits of one width in a tuple": Case(
        lambda: WithForward(
            lambda n, x: (f := n.body(x), n.fc(f)), body=body(CLASSES), fc=nn.Linear(CLASSES, CLASSES)
        ),
        ("fc",),
        counts=(7,),
    ),
    "logits and probabilities in a tuple": Case(
        lambda: WithForward(lambda n, x: (y := n.fc(n.body(x)), y.softmax(1)), body=body(), fc=linear()),
        ("fc",),
    ),
    "a dataclass with features": Case(
        lambda: WithForward(
            lambda n, x: Output(features=(f := n.body(x)), logits=n.fc(f)), body=body(), fc=linear()
        ),
        ("fc",),
    ),
    "an auxiliary head in training": Case(
        lambda: WithForward(aux_in_training, body=body(), fc=linear(), aux=linear()), ("fc",), aux=("aux",)
    ),
    "view(num_classes)": Case(
        lambda: WithForward(
            lambda n, x: n.fc(n.body(x)).view(-1, n.num_classes),
            body=body(),
            fc=linear(),
            num_classes=CLASSES,
        ),
        ("fc",),
    ),
    "view of a count with a strange name": Case(
        lambda: WithForward(
            lambda n, x: n.fc(n.body(x)).view(-1, n.kinds), body=body(), fc=linear(), kinds=CLASSES
        ),
        ("fc",),
    ),
    "multi-sample dropout": Case(
        lambda: WithForward(multi_sample_dropout, body=body(), fc=linear()), ("fc",)
    ),
    "LoRA beside the head": Case(
        lambda: WithForward(lambda n, x: n.fc(n.body(x)), body=body(), fc=LoraLinear(WIDTH, CLASSES)),
        ("fc.base", "fc.up"),
    ),
    "LoRA merged into the head": Case(
        lambda: WithForward(lambda n, x: n.fc(n.body(x)), body=body(), fc=MergedLora(WIDTH, CLASSES)), ("fc",)
    ),
    "checkpointed body": Case(
        lambda: WithForward(
            lambda n, x: n.fc(checkpoint(n.body, x, use_reentrant=False)), body=body(), fc=linear()
        ),
        ("fc",),
    ),
    "checkpointed body, reentrant": Case(
        lambda: WithForward(
            lambda n, x: n.fc(checkpoint(n.body, x, use_reentrant=True)), body=body(), fc=linear()
        ),
        ("fc",),
    ),
    "everything checkpointed, reentrant": Case(
        lambda: WithForward(
            lambda n, x: checkpoint(n.all, x, use_reentrant=True), all=nn.Sequential(body(), linear())
        ),
        ("all.1",),
    ),
    "everything checkpointed": Case(
        lambda: WithForward(
            lambda n, x: checkpoint(n.all, x, use_reentrant=False), all=nn.Sequential(body(), linear())
        ),
        ("all.1",),
    ),
    "frozen parameters": Case(lambda: nn.Sequential(body(), linear()).requires_grad_(False), ("1",)),
    "DataParallel": Case(lambda: nn.DataParallel(nn.Sequential(body(), linear())), ("1",)),
    "DataParallel around the body only": Case(
        lambda: nn.Sequential(nn.DataParallel(body()), linear()), ("1",)
    ),
    "a branch on data": Case(lambda: WithForward(branch_on_data, body=body(), fc=linear()), ("fc",)),
    "functional linear": Case(
        lambda: WithForward(
            lambda n, x: F.linear(n.body(x), n.weight, n.bias),
            body=body(),
            weight=nn.Parameter(torch.randn(CLASSES, WIDTH)),
            bias=nn.Parameter(torch.zeros(CLASSES)),
        ),
        ("weight",),
        tail=("bias",),
    ),
    "x @ W": Case(
        lambda: WithForward(
            lambda n, x: n.body(x) @ n.weight, body=body(), weight=nn.Parameter(torch.randn(WIDTH, CLASSES))
        ),
        ("weight",),
    ),
    "einsum": Case(
        lambda: WithForward(
            lambda n, x: torch.einsum("bd,cd->bc", n.body(x), n.weight),
            body=body(),
            weight=nn.Parameter(torch.randn(CLASSES, WIDTH)),
        ),
        ("weight",),
    ),
    "prototypes by distance": Case(
        lambda: WithForward(
            one_against_features, body=body(), prototypes=nn.Parameter(torch.randn(CLASSES, WIDTH))
        ),
        ("prototypes",),
    ),
    "prototypes by distance, by hand": Case(
        lambda: WithForward(
            lambda n, x: -(n.body(x)[:, None] - n.prototypes[None]).pow(2).sum(-1),
            body=body(),
            prototypes=nn.Parameter(torch.randn(CLASSES, WIDTH)),
        ),
        ("prototypes",),
    ),
    "a mean and a spread per class": Case(
        lambda: WithForward(
            lambda n, x: -((n.body(x)[:, None] - n.mean).pow(2) / n.spread.exp()).sum(-1) - n.spread.sum(-1),
            body=body(),
            mean=nn.Parameter(torch.randn(CLASSES, WIDTH)),
            spread=nn.Parameter(torch.zeros(CLASSES, WIDTH)),
        ),
        ("mean", "spread"),
    ),
    "a mask in a buffer": Case(
        lambda: WithForward(
            lambda n, x: F.linear(n.body(x), n.weight * n.mask),
            body=body(),
            weight=nn.Parameter(torch.randn(CLASSES, WIDTH)),
            mask=torch.ones(CLASSES, WIDTH),
        ),
        ("weight",),
        extra={"buffers": ("mask",)},
    ),
    "a prior in a buffer": Case(
        lambda: WithForward(
            lambda n, x: n.fc(n.body(x)) + n.prior, body=body(), fc=linear(), prior=torch.zeros(CLASSES)
        ),
        ("fc",),
        extra={"buffers": ("prior",)},
    ),
    "a pruned head": Case(
        lambda: nn.Sequential(body(), prune.l1_unstructured(linear(), "weight", 0.3)), ("1",)
    ),
    "experts with a gate": Case(
        lambda: WithForward(
            lambda n, x: (
                torch.stack([expert(n.body(x)) for expert in n.experts], 1)
                * n.gate(n.body(x)).softmax(1)[..., None]
            ).sum(1),
            body=body(),
            experts=nn.ModuleList(linear() for _ in range(3)),
            gate=nn.Linear(WIDTH, 3),
        ),
        ("experts.0", "experts.1", "experts.2"),
    ),
    "recurrent body": Case(
        lambda: WithForward(
            lambda n, x: n.fc(n.lstm(x.flatten(2).transpose(1, 2)[:, :20])[0][:, -1]),
            lstm=nn.LSTM(3, WIDTH, batch_first=True),
            fc=linear(),
        ),
        ("fc",),
    ),
    "numbers read by numpy": Case(
        lambda: WithForward(
            lambda n, x: n.fc(n.body(x)) * float(x.detach().float().numpy().shape[0] > 0),
            body=body(),
            fc=linear(),
        ),
        ("fc",),
    ),
    "a plain tensor that is no buffer": Case(
        lambda: WithForward(
            lambda n, x: n.fc(n.body(x - n.mean[0])), body=body(), fc=linear(), mean=[torch.zeros(1)]
        ),
        ("fc",),
    ),
    "a coarse answer that feeds the fine one": Case(
        lambda: WithForward(
            lambda n, x: {
                "coarse": (c := n.coarse(f := n.body(x))),
                "fine": n.fine(torch.cat([f, c], 1)),
            },
            body=body(),
            coarse=nn.Linear(WIDTH, 4),
            fine=nn.Linear(WIDTH + 4, CLASSES),
        ),
        ("fine",),
        counts=(),
    ),
    "one layer under two names": Case(
        lambda: WithForward(lambda n, x: n.fc(n.body(x)), body=body(), fc=(one := linear()), alias=one),
        ("fc",),
    ),
    "prototypes in an embedding": Case(
        lambda: WithForward(
            lambda n, x: -torch.cdist(n.body(x), n.centres.weight),
            body=body(),
            centres=nn.Embedding(CLASSES, WIDTH),
        ),
        ("centres",),
    ),
    "prototypes in a parameter list": Case(
        lambda: WithForward(
            lambda n, x: n.body(x) @ n.list[0] + n.list[1],
            body=body(),
            list=nn.ParameterList([torch.randn(WIDTH, CLASSES), torch.zeros(CLASSES)]),
        ),
        ("list.0",),
        tail=("list.1",),
    ),
    "a query per class": Case(
        lambda: WithForward(
            class_queries,
            body=body()[:-2],
            queries=nn.Parameter(torch.randn(CLASSES, WIDTH)),
            score=nn.Linear(WIDTH, 1),
        ),
        ("queries",),
        counts=(2, 7),
    ),
    "float16": Case(lambda: nn.Sequential(body(), linear()).half(), ("1",)),
    "bfloat16": Case(lambda: nn.Sequential(body(), linear()).bfloat16(), ("1",)),
    "float64": Case(lambda: nn.Sequential(body(), linear()).double(), ("1",)),
    "bfloat16 with a branch on data": Case(
        lambda: WithForward(branch_on_data, body=body(), fc=linear()).bfloat16(), ("fc",)
    ),
    "convolution head": Case(
        lambda: nn.Sequential(
            body()[:-2], nn.Conv2d(WIDTH, CLASSES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        ),
        ("1",),
    ),
    "convolution head after the pool": Case(
        lambda: nn.Sequential(body()[:-1], nn.Conv2d(WIDTH, CLASSES, 1), nn.Flatten()), ("1",)
    ),
    "convolution head that looks around": Case(
        lambda: nn.Sequential(
            body()[:-2], nn.Conv2d(WIDTH, CLASSES, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        ),
        ("1",),
    ),
    "convolution head with activation, as in SqueezeNet": Case(
        lambda: nn.Sequential(
            body()[:-2], nn.Conv2d(WIDTH, CLASSES, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        ),
        ("1",),
    ),
    "an identity of caches": Case(
        lambda: WithForward(
            lambda n, x: n.seen.append(x.shape) or n.fc(n.body(x)), body=body(), fc=linear(), seen=[]
        ),
        ("fc",),
    ),
    "one logit": Case(lambda: nn.Sequential(body(), nn.Linear(WIDTH, 1)), ("1",), classes=1),
    "two classes": Case(lambda: nn.Sequential(body(), nn.Linear(WIDTH, 2)), ("1",), classes=2),
    "two classes after a norm": Case(
        lambda: nn.Sequential(body(), nn.Linear(WIDTH, 2), nn.BatchNorm1d(2)), ("1",), tail=("2",), classes=2
    ),
    "a single feature": Case(lambda: nn.Sequential(body(1), nn.Linear(1, CLASSES)), ("1",)),
    "grey pictures": Case(
        lambda: nn.Sequential(body(channels=1), linear()), ("1",), input_size=None, extra={"channels": 1}
    ),
    "six channels": Case(
        lambda: nn.Sequential(body(channels=6), linear()), ("1",), input_size=None, extra={"channels": 6}
    ),
    "a flat network for 28 pixel digits": Case(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, CLASSES)),
        ("3",),
        input_size=None,
        extra={"size": (1, 28, 28)},
    ),
    "a flat network for an odd size": Case(
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 35 * 35, CLASSES)),
        ("3",),
        input_size=None,
        extra={"size": (1, 37, 37)},
    ),
    "logistic regression on pixels": Case(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, CLASSES)), ("1",), input_size=None
    ),
    "wrappers in wrappers": Case(
        lambda: WithForward(
            lambda n, x: n.model(x),
            model=WithForward(
                lambda n, x: n.net(x), net=nn.Sequential(body(), nn.Sequential(nn.Dropout(), linear()))
            ),
        ),
        ("model.net.1.1",),
    ),
    "a residual body": Case(
        lambda: nn.Sequential(body(), Residual(WIDTH), Residual(WIDTH), linear()), ("3",)
    ),
    "a hidden layer as wide as the classes": Case(
        lambda: nn.Sequential(body(), nn.Linear(WIDTH, CLASSES), nn.ReLU(), nn.Linear(CLASSES, CLASSES)),
        ("3",),
    ),
}


def two_heads_one_weight() -> nn.Module:
    net = WithForward(
        lambda n, x: (n.one(n.body(x)) + n.two(n.body(x))) / 2, body=body(), one=linear(), two=linear()
    )
    net.two.weight = net.one.weight
    return net


MUST_WORK["two heads sharing one weight"] = Case(two_heads_one_weight, ("one", "two"))


def fingerprint(net: nn.Module) -> dict[str, Any]:
    """Everything a swap could disturb: numbers, flags, modes, objects."""
    state = {name: value.clone() for name, value in net.state_dict().items()}
    flags = {name: value.requires_grad for name, value in net.named_parameters()}
    modes = {name: part.training for name, part in net.named_modules()}
    return {"state": state, "flags": flags, "modes": modes}


def assert_same(before: dict[str, Any], after: dict[str, Any], *, but: Collection[str] = ()) -> None:
    assert before["state"].keys() == after["state"].keys()
    for name, value in before["state"].items():
        if name not in but:
            assert torch.equal(value, after["state"][name]), name
    assert before["modes"] == after["modes"]
    for name, flag in before["flags"].items():
        if name not in but:
            assert flag == after["flags"][name], name


def plain(net: nn.Module) -> nn.Module:
    return net.module if isinstance(net, nn.DataParallel) else net


@pytest.mark.parametrize("name", MUST_WORK)
def test_the_head_is_found_and_nothing_is_changed(name: str) -> None:
    case = MUST_WORK[name]
    torch.manual_seed(0)
    net = case.build()
    next(iter(net.children())).eval()  # modes are mixed, as after freezing
    before, random_state = fingerprint(net), torch.get_rng_state()

    site = find_head(net, input_size=case.input_size)

    assert (site.paths, site.aux_paths, site.tail_paths) == (case.paths, case.aux, case.tail)
    assert site.num_classes == case.classes
    assert all(layer.kind and layer.in_features > 0 for layer in site.layers)
    assert_same(before, fingerprint(net))
    assert torch.equal(random_state, torch.get_rng_state())
    if "size" in case.extra:
        assert site.input_size == case.extra["size"]
    if "channels" in case.extra:
        assert site.input_size[0] == case.extra["channels"]


@pytest.mark.parametrize("name", MUST_WORK)
def test_the_head_is_swapped_and_the_swap_undone(name: str) -> None:
    case = MUST_WORK[name]
    torch.manual_seed(0)
    net = case.build()
    before = fingerprint(net)
    site = find_head(net, input_size=case.input_size)
    dtype = next(net.parameters()).dtype
    image = torch.rand(3, *site.input_size).to(dtype).requires_grad_("reentrant" in name)

    for count in case.counts:
        record = swap_head(net, count, site=site)

        learning = head_parameters(net, record.site)
        inside = {n for n, p in net.named_parameters(remove_duplicate=False) if any(p is q for q in learning)}
        assert record.site.num_classes == count
        assert all(parameter.dtype == dtype and parameter.requires_grad for parameter in learning)
        following = changing_buffers(net, record.site) | set(case.extra.get("buffers", ()))
        assert_same(before, fingerprint(net), but=inside | following)
        check_modes(net, image, count, learning, case)
        restore(net, before)  # the pass in training mode has moved the statistics
        record.undo()
        assert_same(before, fingerprint(net))


def changing_buffers(net: nn.Module, site: Any) -> set[str]:
    places = (*site.all_paths, *site.tail_paths)
    return {
        name
        for name, _ in net.named_buffers(remove_duplicate=False)
        if any(name.removeprefix("module.").startswith(f"{place}.") for place in places)
    }


def check_modes(
    net: nn.Module, image: Tensor, count: int, learning: tuple[nn.Parameter, ...], case: Case
) -> None:
    """Shapes in both modes with real numbers, and a gradient in the head and nowhere else."""
    flags = [(parameter, parameter.requires_grad) for parameter in net.parameters()]
    modes = [(part, part.training) for part in net.modules()]
    net.requires_grad_(False)
    for parameter in learning:
        parameter.requires_grad_(True)
    for training in (False, True):
        answers = [
            t for _, t in named_tensors(net.train(training)(image)) if t.requires_grad and t.dim() == 2
        ]
        assert answers
        assert {tuple(answer.shape) for answer in answers} == {(3, count)}
        if training or not case.aux:
            sum(answer.float().pow(2).sum() for answer in answers).backward()
            assert {id(p) for p in net.parameters() if p.grad is not None} == {id(p) for p in learning}
            net.zero_grad()
    for parameter, flag in flags:
        parameter.requires_grad_(flag)
    for part, training in modes:
        part.training = training


def restore(net: nn.Module, before: dict[str, Any]) -> None:
    for name, buffer in net.named_buffers():
        if name in before["state"] and before["state"][name].shape == buffer.shape:
            buffer.copy_(before["state"][name])


def under_no_grad(net: Any, image: Tensor) -> Tensor:
    with torch.no_grad():
        return net.fc(net.body(image))


def grouped_decoder(net: Any, image: Tensor) -> Tensor:
    """Two groups of five classes, each with a matrix of its own."""
    features = net.body(image)
    return torch.einsum("bd,gdc->bgc", features, net.groups).flatten(1)


def quantized() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(nn.Sequential(body(), linear()))


def exported() -> Any:
    network = nn.Sequential(body(), linear()).eval()
    return torch.export.export(network, (torch.zeros(2, 3, 32, 32),))


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(nn.Sequential(body(), linear()))


def scripted_part() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.Sequential(torch.jit.script(body()), linear())


def count_of_zero() -> nn.Module:
    return WithForward(lambda n, x: n.body(x), body=body(), num_classes=0)


MUST_REFUSE: dict[str, tuple[Callable[[], Any], str]] = {
    "a headless encoder with residual blocks": (
        lambda: nn.Sequential(body(), Residual(WIDTH), Residual(WIDTH)),
        "no classifier head: its 12 numbers are features that block after block.*Add a layer",
    ),
    "a headless encoder of convolutions": (body, "without a classifier head: its last layer `3`.*path='3'"),
    "a headless encoder without norms": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        "without a classifier head: its last layer `0` is a convolution that ends in an activation",
    ),
    "a headless encoder with a hidden layer at its end": (
        lambda: nn.Sequential(body(), nn.Linear(WIDTH, 32), nn.ReLU()),
        "its last layer `1` ends in an activation",
    ),
    "a headless encoder with a tanh pooler": (
        lambda: nn.Sequential(body(), nn.Linear(WIDTH, WIDTH), nn.Tanh()),
        "its last layer `1` ends in an activation",
    ),
    "a network built with no classes": (count_of_zero, "num_classes is 0.*Build it with a class count"),
    "an output that says it is an embedding": (
        lambda: WithForward(lambda n, x: {"image_embeds": n.fc(n.body(x))}, body=body(), fc=linear()),
        "gives features \\(`image_embeds`\\)",
    ),
    "prototypes in a buffer": (
        lambda: WithForward(
            lambda n, x: n.body(x) @ n.centres.t(), body=body(), centres=torch.randn(10, WIDTH)
        ),
        "fixed numbers \\(the buffer `centres`\\).*torch.nn.Parameter",
    ),
    "a grouped decoder": (
        lambda: WithForward(grouped_decoder, body=body(), groups=nn.Parameter(torch.randn(2, WIDTH, 5))),
        "No layer turns features into the 10 answers.*groups of classes",
    ),
    "one layer per class": (
        lambda: WithForward(
            lambda n, x: torch.cat([one(n.body(x)) for one in n.each], 1),
            body=body(),
            each=nn.ModuleList(nn.Linear(WIDTH, 1) for _ in range(5)),
        ),
        "No layer turns features into the 5 answers",
    ),
    "a binary answer that is squeezed": (
        lambda: WithForward(lambda n, x: n.fc(n.body(x)).squeeze(1), body=body(), fc=nn.Linear(WIDTH, 1)),
        "single number per picture without a class dimension.*squeeze",
    ),
    "a map of answers": (
        lambda: nn.Sequential(body()[:-2], nn.Conv2d(WIDTH, CLASSES, 1)),
        "answers with maps of 10×32×32",
    ),
    "an answer per place": (
        lambda: WithForward(
            lambda n, x: n.fc(n.body(x).flatten(2).transpose(1, 2)), body=body()[:-2], fc=linear()
        ),
        "has the shape \\(2, 1024, 10\\)",
    ),
    "a forward under no_grad": (
        lambda: WithForward(under_no_grad, body=body(), fc=linear()),
        "runs without gradients.*Remove torch.no_grad",
    ),
    "a decision instead of scores": (
        lambda: WithForward(lambda n, x: n.fc(n.body(x)).argmax(1), body=body(), fc=linear()),
        "only decisions.*before argmax",
    ),
    "a residual connection around the head": (
        lambda: WithForward(lambda n, x: (f := n.body(x)) + n.fc(f), body=body(10), fc=nn.Linear(10, 10)),
        "no classifier head: its 10 numbers are features",
    ),
    "quantized": (quantized, "quantized.*Load the original network"),
    "exported": (exported, "exported.*Load the original network"),
    "exported, as a module": (lambda: exported().module(), "exported.*Load the original network"),
    "scripted": (scripted, "scripted.*Load the original network"),
    "scripted in part": (scripted_part, "part '0' of this network is scripted.*Load the original network"),
    "lazy": (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), "no size yet.*Run one picture through"),
    "a dictionary of weights": (lambda: body().state_dict(), "OrderedDict, not a network"),
    "two inputs": (
        lambda: nn.Bilinear(4, 4, 2),
        "does not run on a picture of 3×32×32: .*missing 1 required positional argument",
    ),
}


@pytest.mark.parametrize("name", MUST_REFUSE)
def test_what_is_no_classifier_is_refused_with_a_sentence(name: str) -> None:
    build, sentence = MUST_REFUSE[name]
    net = build()

    with pytest.raises(HeadNotFound, match=f"(?s){sentence}") as refusal:
        find_head(net, input_size=(3, 32, 32))

    assert refusal.value.problem
    assert refusal.value.remedy.endswith(".")


def test_a_refused_network_is_left_as_it_was() -> None:
    net = body()
    before = fingerprint(net)

    with pytest.raises(HeadNotFound, match="without a classifier head"):
        swap_head(net, 4)

    assert_same(before, fingerprint(net))


def test_a_person_may_point_at_the_last_convolution_of_what_looks_headless() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )

    record = swap_head(net, 5, head="0", input_size=(3, 16, 16))

    assert (record.site.paths, record.site.tail_paths) == (("0",), ("1",))
    assert net(torch.zeros(2, 3, 16, 16)).shape == (2, 5)


def test_a_compiled_network_is_swapped_inside_its_wrapper() -> None:
    net = nn.Sequential(body(), linear())
    compiled: Any = torch.compile(net, backend="eager")

    record = swap_head(compiled, 4, input_size=(3, 32, 32))

    assert record.site.paths == ("1",)
    assert compiled(torch.zeros(2, 3, 32, 32)).shape == (2, 4)


def test_a_network_compiled_in_place_is_not_compiled_by_a_search() -> None:
    compilations = []
    net = nn.Sequential(body(), linear())
    net.compile(backend=lambda graph, inputs: compilations.append(graph) or graph.forward)

    site = find_head(net, input_size=(3, 32, 32))

    assert (site.paths, compilations) == (("1",), [])


def test_a_copy_of_a_swapped_network_is_whole() -> None:
    net = nn.Sequential(body(), linear())
    swap_head(net, 4, input_size=(3, 32, 32))

    twin = copy.deepcopy(net).eval()

    assert twin(torch.zeros(1, 3, 32, 32)).shape == (1, 4)
