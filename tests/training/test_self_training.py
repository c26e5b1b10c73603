"""Images without a label: what the head guesses of them is trained on, honestly, and only where it helps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from headswap.errors import TeachingFailed
from headswap.training.config import TrainConfig
from headswap.training.head_choice import ChosenHead, choose_guesses
from headswap.training.linear.heads import LinearHeads
from headswap.training.linear.labeled_features import LabeledFeatures
from headswap.training.linear.ridge import MOST_IMAGES, fit_ridge
from headswap.training.linear.self_training import fit_self_trained, how_many, unlabeled_to_use
from headswap.training.linear.solver import SolvedHead

CLASSES, WIDTH = 4, 300


def clusters(each: int, seed: int, *, apart: float = 0.25) -> tuple[Tensor, Tensor]:
    """So many images of each of four classes, a cloud each, by features of very different sizes."""
    centres = apart * torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(7))
    sizes = torch.logspace(-2, 2, WIDTH)
    labels = torch.arange(CLASSES).repeat_interleave(each)
    noise = torch.randn(len(labels), WIDTH, generator=torch.Generator().manual_seed(seed))
    return (centres[labels] + noise) * sizes, labels


def right(head: SolvedHead, features: Tensor, labels: Tensor) -> float:
    return float(((features @ head.weight.T + head.bias).argmax(1) == labels).double().mean())


@pytest.mark.parametrize("each", [1, 3])
def test_images_without_a_label_make_a_better_head_of_few(each: int) -> None:
    features, labels = clusters(each, seed=each)
    others, _ = clusters(50, seed=5)
    known = LabeledFeatures(features, labels, CLASSES)

    alone = fit_ridge(known)
    helped = fit_self_trained(LabeledFeatures(features, labels, CLASSES, unlabeled=others))

    unseen = clusters(100, seed=6)
    assert right(helped, *unseen) > right(alone, *unseen) + 0.02
    assert (helped.fold_logits is None) == (each == 1)  # one image of a class leaves no folds
    again = fit_self_trained(LabeledFeatures(features, labels, CLASSES, unlabeled=others))
    assert torch.equal(helped.weight, again.weight)
    assert torch.equal(helped.bias, again.bias)
    said: list[Tensor] = []
    kept = TrainConfig(l2=helped.l2)  # of a run that is repeated
    images = LabeledFeatures(features, labels, CLASSES, unlabeled=others)
    repeated = fit_self_trained(images, config=kept, watch=lambda weight, _: said.append(weight))
    assert torch.equal(repeated.weight, helped.weight)
    assert torch.equal(said[-1], helped.weight)


def test_what_is_out_of_fold_is_as_honest_as_without_guesses() -> None:
    features, _ = clusters(25, seed=1)
    labels = torch.arange(CLASSES).repeat(25)  # nothing to be learned
    others, _ = clusters(50, seed=2)

    found = fit_self_trained(LabeledFeatures(features, labels, CLASSES, unlabeled=others))

    assert found.fold_logits is not None
    by_folds = float((found.fold_logits.argmax(1) == labels).double().mean())
    assert by_folds == pytest.approx(1 / CLASSES, abs=0.12)
    assert float(found.fold_logits.softmax(1).amax(1).mean()) < 0.5


def test_only_as_many_are_used_as_features_and_time_allow() -> None:
    assert how_many(200, 40, WIDTH) == 200
    assert how_many(5_000, 40, WIDTH) == WIDTH - 1 - 40
    assert how_many(5_000, 40, 10_000) == MOST_IMAGES - 40
    assert how_many(5, MOST_IMAGES, 10_000) == 0
    features, labels = clusters(3, seed=0)
    many = LabeledFeatures(features, labels, CLASSES, unlabeled=clusters(100, seed=3)[0])
    rows, same = unlabeled_to_use(many, seed=4), unlabeled_to_use(many, seed=4)
    assert rows is not None
    assert same is not None
    assert len(rows.unique()) == WIDTH - 1 - 12
    assert torch.equal(rows, same)
    assert unlabeled_to_use(many, intercept=False) is None
    several = LabeledFeatures(features, torch.eye(CLASSES)[labels], CLASSES, unlabeled=many.unlabeled)
    assert unlabeled_to_use(several) is None
    assert unlabeled_to_use(LabeledFeatures(features, labels, CLASSES)) is None


def test_features_that_are_no_numbers_are_refused() -> None:
    features, labels = clusters(3, seed=0)
    others = clusters(2, seed=1)[0]
    others[3, 5] = torch.nan
    with pytest.raises(TeachingFailed):
        fit_self_trained(LabeledFeatures(features, labels, CLASSES, unlabeled=others))


def test_rows_and_columns_keep_the_unlabeled() -> None:
    features, labels = clusters(3, seed=0)
    others = clusters(2, seed=1)[0]
    images = LabeledFeatures(features, labels, CLASSES, unlabeled=others)

    some = images.rows(labels < 2).columns(slice(10, 30))

    assert some.features.shape == (6, 20)
    assert some.unlabeled is not None
    assert torch.equal(some.unlabeled, others[:, 10:30])


def heads_that_say(logits: Tensor | None) -> LinearHeads:
    return LinearHeads((SolvedHead(torch.zeros(2, 1), torch.zeros(2), 1.0, logits, ()),), (1,))


def test_guesses_are_taken_unless_they_are_clearly_worse() -> None:
    labels = torch.arange(40) % 2
    sure = 3.0 * (2 * torch.nn.functional.one_hot(labels, 2) - 1)
    wrong = sure.clone()
    wrong[:15] *= -1
    noisy = sure.clone()
    noisy[0] *= -1

    def chosen(before: Tensor | None, after: Tensor | None) -> ChosenHead:
        plain = ChosenHead(kind="last", heads=heads_that_say(before), text="compared")
        guessed = ChosenHead(kind="wide", heads=heads_that_say(after), guesses=17)
        return choose_guesses(plain, guessed, labels)

    better, tie, worse, unknown = (
        chosen(wrong, sure), chosen(sure, noisy), chosen(sure, wrong), chosen(None, None),
    )  # fmt: skip
    assert [one.guesses for one in (better, tie, worse, unknown)] == [17, 17, 0, 17]
    assert [one.kind for one in (better, worse)] == ["wide", "last"]
    assert worse.text == "compared"
    assert "17 pictures without a label: with them 40 of 40" in better.guess_text
    assert "it had not seen (cross-validation) were right, without them 25." in better.guess_text
    assert "17 pictures without a label did not help, and were left out" in worse.guess_text
    assert "better on most sets" in unknown.guess_text
