"""The plain loop: what it returns, and the fingerprint of a body."""

from __future__ import annotations

import torch
from torch import nn

from headswap.heads.detect import find_head
from headswap.lessons.loop import LessonImages, LessonSchedule, backbone_hash, train_epochs


class Tiny(nn.Module):
    """A body of one norm and one layer, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(8, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images).flatten(1))


def data() -> LessonImages:
    torch.manual_seed(0)
    labels = torch.arange(20) % 2
    inputs = torch.randn(20, 3, 8, 8) + labels.view(-1, 1, 1, 1)
    return LessonImages(inputs=inputs, labels=labels, train=torch.arange(16), test=torch.arange(16, 20))


def test_a_pass_is_seen_with_its_loss_and_shares() -> None:
    torch.manual_seed(0)
    network, ticks = Tiny(), []
    site = find_head(network, input_size=(3, 8, 8))

    seen = train_epochs(
        network,
        site,
        data(),
        torch.optim.SGD(network.parameters(), lr=0.5),
        LessonSchedule(epochs=4, seed=0),
        tick=lambda done, total: ticks.append((done, total)),
    )

    assert len(seen) == 4
    assert ticks == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert seen[-1].loss < seen[0].loss
    assert all(0 <= one.train <= 1 and 0 <= one.test <= 1 for one in seen)


def test_the_same_seed_gives_the_same_passes() -> None:
    def once() -> tuple[object, ...]:
        torch.manual_seed(1)
        network = Tiny()
        site = find_head(network, input_size=(3, 8, 8))
        return train_epochs(
            network,
            site,
            data(),
            torch.optim.SGD(network.parameters(), lr=0.1),
            LessonSchedule(epochs=2, seed=3),
        )

    assert once() == once()


def test_the_fingerprint_of_a_body_sees_norm_statistics_and_no_head() -> None:
    network = Tiny().eval()
    site = find_head(network, input_size=(3, 8, 8))
    before = backbone_hash(network, site)

    nn.init.zeros_(network.head.weight)
    with_other_head = backbone_hash(network, site)
    network.train()(torch.randn(4, 3, 8, 8))

    assert with_other_head == before
    assert backbone_hash(network, site) != before
