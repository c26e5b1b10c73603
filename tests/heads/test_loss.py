"""One row and one loss, whatever a network wraps its answer in."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headswap.heads.detect import find_head
from headswap.heads.loss import logits_of, switch_off_aux, training_loss
from headswap.heads.site import HeadLayer, HeadSite
from headswap.heads.swap import swap_head

SIZE = (3, 16, 16)
Answers = namedtuple("Answers", ["logits", "aux"])


class Net(nn.Module):
    """A body of two blocks in a list, a head with a norm after it, and an auxiliary head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(3)
        )
        self.token = nn.Parameter(torch.zeros(8))
        self.fc, self.norm, self.aux = nn.Linear(8, 6), nn.BatchNorm1d(6, affine=False), nn.Linear(8, 6)

    def forward(self, image: Tensor) -> Any:
        features = self.stem(image)
        for block in self.blocks:
            features = features + block(features)
        features = features.mean((2, 3)) + self.token
        logits = self.norm(self.fc(features))
        return Answers(logits, self.aux(features)) if self.training else logits


def test_the_loss_adds_a_part_of_the_auxiliary_heads() -> None:
    net = Net()
    site = swap_head(net, 3, input_size=SIZE).site
    labels = torch.tensor([0, 1, 2, 0])
    answer = net.train()(torch.rand(4, *SIZE))
    main, aux = (nn.functional.cross_entropy(row, labels) for row in answer)

    assert site.aux_outputs == ("aux",)
    torch.testing.assert_close(training_loss(answer, labels, site), main + 0.3 * aux)
    torch.testing.assert_close(training_loss(answer, labels, site, aux_weight=0.0), main)
    torch.testing.assert_close(training_loss(answer.logits, labels, site), main)


def test_auxiliary_heads_can_be_switched_off_and_on() -> None:
    net = Net()
    site = swap_head(net, 3, input_size=SIZE).site
    image = torch.rand(4, *SIZE)
    predicted = net.eval()(image)

    switch_on = switch_off_aux(net, site)

    assert net.train()(image).shape == (4, 3)
    assert not net.aux.weight.requires_grad
    torch.testing.assert_close(net.eval()(image).shape, predicted.shape)
    switch_on()
    assert isinstance(net.train()(image), Answers)
    assert net.aux.weight.requires_grad


def test_distilled_heads_are_averaged_and_both_are_taught() -> None:
    site = HeadSite(
        layers=tuple(HeadLayer(path=path, kind="Linear", in_features=8) for path in "ab"),
        num_classes=3,
        input_size=SIZE,
        outputs=("",),
    )
    one, other, labels = torch.rand(4, 3), torch.rand(4, 3), torch.tensor([0, 1, 2, 0])

    loss = training_loss((one, other), labels, site)

    both = [nn.functional.cross_entropy(row, labels) for row in (one, other)]
    torch.testing.assert_close(loss, sum(both) / 2)
    torch.testing.assert_close(logits_of((one, other), site), (one + other) / 2)


@pytest.mark.parametrize("last", [nn.Identity(), nn.Softmax(1), nn.LogSoftmax(1)])
def test_a_softmax_inside_the_network_is_not_applied_twice(last: nn.Module) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(48, 5))
    net = nn.Sequential(*plain, last)
    site = find_head(net, input_size=(3, 4, 4))
    image, labels = torch.rand(6, 3, 4, 4), torch.tensor([0, 1, 2, 3, 4, 0])

    torch.testing.assert_close(logits_of(net(image), site).softmax(1), plain(image).softmax(1))
    expected = nn.functional.cross_entropy(plain(image), labels)
    torch.testing.assert_close(training_loss(net(image), labels, site), expected)


def test_the_answer_is_taken_out_of_whatever_wraps_it() -> None:
    site = HeadSite(
        layers=(HeadLayer(path="fc", kind="Linear", in_features=8),),
        num_classes=3,
        input_size=SIZE,
        outputs=("1",),
    )
    features, logits = torch.rand(4, 3), torch.rand(4, 3)

    assert torch.equal(logits_of((features, logits), site), logits)
