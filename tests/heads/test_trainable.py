"""What may learn, what stays still, and how a body is divided."""

from __future__ import annotations

import copy
from collections import namedtuple
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headswap.heads.detect import find_head
from headswap.heads.learning import logits_of, switch_off_aux, training_loss
from headswap.heads.site import HeadSite
from headswap.heads.stages import body_stages
from headswap.heads.swap import swap_head
from headswap.heads.trainable import freeze_body, head_parameters, keep_frozen_norms_in_eval

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

    def forward(self, picture: Tensor) -> Any:
        features = self.stem(picture)
        for block in self.blocks:
            features = features + block(features)
        features = features.mean((2, 3)) + self.token
        logits = self.norm(self.fc(features))
        return Answers(logits, self.aux(features)) if self.training else logits


def test_the_heads_parameters_are_those_of_heads_tails_and_auxiliary_heads() -> None:
    net = Net()
    site = find_head(net, input_size=SIZE)

    learning = head_parameters(net, site)

    assert [id(value) for value in learning] == [
        id(value) for value in (net.fc.weight, net.fc.bias, net.aux.weight, net.aux.bias)
    ]


def test_within_the_block_only_the_head_learns_and_the_body_stays_still() -> None:
    net = Net()
    net.token.requires_grad_(False)
    site = find_head(net, input_size=SIZE)
    statistics = net.stem[1].running_mean.clone()
    flags = {name: value.requires_grad for name, value in net.named_parameters()}

    with freeze_body(net, site) as learning:
        for _ in range(2):
            net.train()
            net(torch.rand(4, *SIZE))
        assert {id(value) for value in net.parameters() if value.requires_grad} == {id(v) for v in learning}
        assert not net.stem[1].training

    assert torch.equal(net.stem[1].running_mean, statistics)
    assert flags == {name: value.requires_grad for name, value in net.named_parameters()}
    assert net.train().stem[1].training


def test_flags_come_back_even_when_teaching_breaks_off() -> None:
    net = Net()
    site = find_head(net, input_size=SIZE)

    with pytest.raises(KeyboardInterrupt), freeze_body(net, site):
        raise KeyboardInterrupt

    assert all(value.requires_grad for value in net.parameters())
    assert "train" not in vars(net)


def test_frozen_norms_stay_in_eval_through_every_train_and_others_do_not() -> None:
    net = Net()
    net.stem.requires_grad_(False)
    net.eval()

    release = keep_frozen_norms_in_eval(net.train())

    net.train()
    assert not net.stem[1].training
    assert net.blocks[0][1].training
    release()
    assert net.train().stem[1].training


def test_a_norm_of_the_head_is_never_held_still() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.BatchNorm1d(4))
    site = find_head(net, input_size=(3, 4, 4))

    with freeze_body(net, site):
        assert net.train()[2].training


def test_a_copy_holds_its_own_norms_still() -> None:
    net = Net()
    net.stem.requires_grad_(False)
    keep_frozen_norms_in_eval(net)

    twin = copy.deepcopy(net)
    net.eval()
    twin.train()

    assert not twin.stem[1].training
    assert twin.blocks[0][1].training
    assert not net.blocks[0][1].training


def test_the_body_comes_as_its_stages_in_the_order_they_run() -> None:
    net = Net()
    site = find_head(net, input_size=SIZE)

    stages = body_stages(net, site)

    assert [stage.path for stage in stages] == ["token", "stem", "blocks.0", "blocks.1", "blocks.2"]
    assert stages[0].kind == "Parameter"
    assert stages[1].kind == "Sequential"
    heads = sum(value.numel() for value in head_parameters(net, site))
    assert sum(stage.parameters for stage in stages) + heads == sum(v.numel() for v in net.parameters())
    assert stages[-1].names == (
        "blocks.2.0.weight",
        "blocks.2.0.bias",
        "blocks.2.1.weight",
        "blocks.2.1.bias",
    )


def test_stages_come_in_the_order_they_run_and_not_as_they_are_registered() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.late, self.early = nn.Linear(8, 4), nn.Linear(8, 8), nn.Linear(48, 8)

        def forward(self, picture: Tensor) -> Tensor:
            return self.fc(self.late(self.early(picture.flatten(1)).relu()).relu())

    net = Backwards()

    stages = body_stages(net, find_head(net, input_size=(3, 4, 4)))

    assert [stage.path for stage in stages] == ["early", "late"]


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
    picture = torch.rand(4, *SIZE)
    predicted = net.eval()(picture)

    switch_on = switch_off_aux(net, site)

    assert net.train()(picture).shape == (4, 3)
    assert not net.aux.weight.requires_grad
    torch.testing.assert_close(net.eval()(picture).shape, predicted.shape)
    switch_on()
    assert isinstance(net.train()(picture), Answers)
    assert net.aux.weight.requires_grad


def test_distilled_heads_are_averaged_and_both_are_taught() -> None:
    site = HeadSite(
        paths=("a", "b"),
        kinds=("Linear",) * 2,
        in_features=(8, 8),
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
    picture, labels = torch.rand(6, 3, 4, 4), torch.tensor([0, 1, 2, 3, 4, 0])

    torch.testing.assert_close(logits_of(net(picture), site).softmax(1), plain(picture).softmax(1))
    expected = nn.functional.cross_entropy(plain(picture), labels)
    torch.testing.assert_close(training_loss(net(picture), labels, site), expected)


def test_the_answer_is_taken_out_of_whatever_wraps_it() -> None:
    site = HeadSite(
        paths=("fc",), kinds=("Linear",), in_features=(8,), num_classes=3, input_size=SIZE, outputs=("1",)
    )
    features, logits = torch.rand(4, 3), torch.rand(4, 3)

    assert torch.equal(logits_of((features, logits), site), logits)
