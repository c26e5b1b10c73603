"""Pictures for practice: drawn again, bounded in memory, the same numbers as in prediction."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from PIL import Image

from headswap.data.transforms import prepare, to_float, uncut
from headswap.network import InputSpec
from headswap.training.config import FinetuneConfig
from headswap.training.finetune.batches import Augment, ImageBatches, mixer

SPEC = InputSpec(height=16, width=16, resize_px=18)


def ramp(width: int = 40, height: int = 20) -> Image.Image:
    pixels = np.broadcast_to(np.linspace(0, 255, width)[None, :, None], (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8))


def test_an_uncut_image_holds_what_the_cut_one_shows_and_more() -> None:
    whole, cut = uncut(ramp(), SPEC), prepare(ramp(), SPEC)

    assert whole.shape == (18, 36, 3)
    assert np.array_equal(whole[1:17, 10:26], cut)


def test_of_a_very_long_image_the_middle_is_used() -> None:
    whole = uncut(ramp(width=400), SPEC)

    assert whole.shape == (18, 36, 3)
    assert abs(int(whole.mean()) - 127) <= 1


def test_where_nothing_is_cut_away_the_uncut_image_is_the_prepared_one() -> None:
    spec = InputSpec(height=16, width=16, crop_mode="border")

    assert np.array_equal(uncut(ramp(), spec), prepare(ramp(), spec))


def test_memory_for_uncut_images_is_bounded_and_what_does_not_fit_is_read_again() -> None:
    reads: Counter[int] = Counter()

    def read(row: int) -> np.ndarray:
        reads[row] += 1
        return uncut(ramp(), SPEC)

    one = uncut(ramp(), SPEC).nbytes
    image_batches = ImageBatches(SPEC, read_input=read, read_uncut=read, keep_bytes=2 * one)
    augment = Augment(SPEC, FinetuneConfig())

    for _ in range(3):
        batches = list(image_batches.train([[0], [1], [2], [3]], augment))

    assert [batch.shape for batch in batches] == [(1, 3, 16, 16)] * 4
    assert sum(count == 1 for count in reads.values()) == 2
    assert sum(count == 3 for count in reads.values()) == 2


def test_crops_differ_and_the_same_seed_draws_the_same() -> None:
    augment, image = Augment(SPEC, FinetuneConfig()), uncut(ramp(), SPEC)

    def draw() -> list[np.ndarray]:
        torch.manual_seed(3)
        return [augment(image) for _ in range(4)]

    first, second = draw(), draw()

    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert len({one.tobytes() for one in first}) == 4


def test_without_crops_and_flips_train_sees_what_prediction_sees() -> None:
    spec = InputSpec(height=16, width=16, resize_px=16)
    augment = Augment(spec, FinetuneConfig(least_crop=1, flip=False))
    image_batches = ImageBatches(
        spec, read_input=lambda row: prepare(ramp(), spec), read_uncut=lambda row: uncut(ramp(), spec)
    )

    (batch,) = image_batches.train([[0, 1]], augment)

    assert torch.equal(batch, image_batches.inputs([0, 1]))
    assert np.array_equal(batch.numpy()[:1], to_float(prepare(ramp(), spec)[None], spec))


def test_mixing_gives_shares_of_classes_and_no_mixing_gives_labels_back() -> None:
    batch, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 1])

    images, shares = mixer(FinetuneConfig(mixup=0.5), 3)(batch, labels)
    same = mixer(FinetuneConfig(), 3)(batch, labels)

    assert images.shape == batch.shape
    assert shares.shape == (4, 3)
    assert torch.allclose(shares.sum(1), torch.ones(4))
    assert same[0] is batch
    assert same[1] is labels
