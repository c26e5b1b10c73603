from __future__ import annotations

import pytest
import torch
from torch import Tensor

from headswap.errors import TeachingFailed, TooFewImages
from headswap.features import memmap as matrix
from headswap.training.config import TrainConfig
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.solver import fit_head


def clouds(
    count: int, width: int, classes: int, *, noise: float = 3.0, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Features of `classes` overlapping clouds, as a body gives them: positive, of different scales."""
    random = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, width, generator=random)
    labels = torch.arange(count) % classes
    features = (centres[labels] + noise * torch.randn(count, width, generator=random)).relu()
    return features * torch.rand(width, generator=random) * 3 + 0.1, labels


def right_share(features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor) -> float:
    return float(((features @ weight.T + bias).argmax(1) == labels).float().mean())


@pytest.mark.parametrize(
    ("count", "width"), [(80, 300), (400, 40)], ids=["in the span of the pictures", "plain"]
)
def test_the_solution_is_the_one_that_gradient_descent_finds_at_last(count: int, width: int) -> None:
    features, labels = clouds(count, width, 3)
    l2 = 0.1

    solved = fit_head(LabeledFeatures(features, labels, 3), config=TrainConfig(l2_grid=(l2,)))

    mean, scale = features.mean(0), (features.var(0, unbiased=False) + 1e-8).sqrt()
    weight = torch.zeros(3, width, requires_grad=True)
    bias = torch.zeros(3, requires_grad=True)
    descent = torch.optim.LBFGS(
        [weight, bias], max_iter=500, line_search_fn="strong_wolfe", tolerance_grad=1e-7
    )

    def closure() -> Tensor:
        descent.zero_grad()
        logits = (features - mean) / scale @ weight.T + bias
        loss = torch.nn.functional.cross_entropy(logits, labels) + l2 / 2 * weight.square().sum()
        loss.backward()
        return loss

    descent.step(closure)
    ours = (features @ solved.weight.T + solved.bias).softmax(1)
    theirs = ((features - mean) / scale @ weight.T + bias).softmax(1).detach()
    assert (ours - theirs).abs().max() < 5e-3


@pytest.mark.parametrize(("count", "width"), [(80, 300), (400, 40)], ids=["span", "plain"])
def test_numbers_kept_in_a_file_give_the_same_head_to_the_bit(
    count: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels = clouds(count, width, 3)
    in_memory = fit_head(LabeledFeatures(features, labels, 3))
    monkeypatch.setattr(matrix, "IN_MEMORY_BYTES", 0)

    in_a_file = fit_head(LabeledFeatures(features, labels, 3))

    assert in_memory.fold_logits is not None
    assert in_a_file.fold_logits is not None
    assert torch.equal(in_memory.weight, in_a_file.weight)
    assert torch.equal(in_memory.fold_logits, in_a_file.fold_logits)


def test_a_head_learns_what_can_be_learned() -> None:
    features, labels = clouds(600, 200, 5, noise=3.0)

    solved = fit_head(LabeledFeatures(features[:400], labels[:400], 5))

    assert right_share(features[400:], labels[400:], solved.weight, solved.bias) > 0.9
    assert solved.fold_logits is not None
    assert solved.fold_logits.shape == (400, 5)
    folded = float((solved.fold_logits.argmax(1) == labels[:400]).float().mean())
    assert 0.8 < folded < 1.0  # judged by heads that never saw them


def test_shuffled_labels_are_not_learned_in_the_folds() -> None:
    features, labels = clouds(300, 500, 3)
    shuffled = labels[torch.randperm(300, generator=torch.Generator().manual_seed(1))]

    solved = fit_head(LabeledFeatures(features, shuffled, 3))

    assert solved.fold_logits is not None
    assert float((solved.fold_logits.argmax(1) == shuffled).float().mean()) < 0.5


def test_copies_of_an_image_share_a_fold() -> None:
    features, _ = clouds(60, 400, 2, noise=6.0)
    labels = torch.arange(60) % 2
    labels = labels[torch.randperm(60, generator=torch.Generator().manual_seed(3))]  # nothing to learn
    twice, labels_twice = features.repeat(2, 1), labels.repeat(2)

    cheated = fit_head(LabeledFeatures(twice, labels_twice, 2))
    honest = fit_head(LabeledFeatures(twice, labels_twice, 2, list(range(60)) * 2))

    assert cheated.fold_logits is not None
    assert honest.fold_logits is not None
    assert float((cheated.fold_logits.argmax(1) == labels_twice).float().mean()) > 0.8
    assert float((honest.fold_logits.argmax(1) == labels_twice).float().mean()) < 0.7


def test_one_image_of_each_class_is_enough() -> None:
    features = torch.tensor([[1.0, 0.0, 5.0], [0.0, 1.0, 5.0]])

    solved = fit_head(LabeledFeatures(features, torch.tensor([0, 1]), 2))

    assert solved.fold_logits is None
    assert right_share(features, torch.tensor([0, 1]), solved.weight, solved.bias) == 1.0


def test_the_same_images_give_the_same_head_bit_for_bit() -> None:
    features, labels = clouds(120, 300, 4)

    first, second = (fit_head(LabeledFeatures(features, labels, 4), seed=7) for _ in range(2))

    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)


def test_features_that_never_move_do_no_harm() -> None:
    features, labels = clouds(100, 50, 2)
    features[:, 10:20] = 7.0

    solved = fit_head(LabeledFeatures(features, labels, 2))

    assert torch.isfinite(solved.weight).all()
    assert right_share(features, labels, solved.weight, solved.bias) > 0.9


def test_a_head_without_bias_gets_none() -> None:
    features, labels = clouds(100, 300, 2)

    solved = fit_head(LabeledFeatures(features, labels, 2), intercept=False)

    assert torch.allclose(solved.bias, torch.zeros(2))
    assert right_share(features, labels, solved.weight, solved.bias) > 0.9


def test_each_pass_can_be_watched() -> None:
    features, labels = clouds(100, 300, 2)
    seen: list[float] = []

    fit_head(
        LabeledFeatures(features, labels, 2),
        watch=lambda weight, bias: seen.append(right_share(features, labels, weight, bias)),
    )

    assert len(seen) > 2
    assert seen[-1] >= seen[0]


def test_a_class_without_images_is_refused() -> None:
    with pytest.raises(TooFewImages, match="Add pictures, or drop the empty class"):
        fit_head(LabeledFeatures(torch.rand(4, 3), torch.tensor([0, 0, 2, 2]), 3))


def test_features_that_are_no_numbers_are_refused() -> None:
    features = torch.rand(4, 3)
    features[0, 0] = float("nan")

    with pytest.raises(TeachingFailed, match="choose another network"):
        fit_head(LabeledFeatures(features, torch.tensor([0, 0, 1, 1]), 2))


def test_a_class_with_one_image_to_a_hundred_is_still_named() -> None:
    features, labels = clouds(1200, 100, 2, noise=2.5)
    common, rare = torch.nonzero(labels == 0).flatten(), torch.nonzero(labels == 1).flatten()
    train, test = torch.cat([common[:400], rare[:4]]), torch.cat([common[400:], rare[4:]])

    solved = fit_head(LabeledFeatures(features[train], labels[train], 2))

    said = (features[test] @ solved.weight.T + solved.bias).argmax(1)
    recall = [float((said[labels[test] == number] == number).float().mean()) for number in (0, 1)]
    assert recall[0] > 0.95
    assert recall[1] > 0.25  # 0.03 when every picture counts the same


def test_two_hundred_classes_of_three_images_are_learned() -> None:
    features, labels = clouds(800, 256, 200, noise=0.5)

    solved = fit_head(LabeledFeatures(features[:600], labels[:600], 200), config=TrainConfig(l2_grid=(0.1,)))

    assert right_share(features[600:], labels[600:], solved.weight, solved.bias) > 0.8
    assert solved.fold_logits is not None
    assert solved.fold_logits.shape == (600, 200)
