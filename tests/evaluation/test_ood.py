from __future__ import annotations

import numpy as np

from headswap.evaluation.ood import (
    Embeddings,
    cross_split_duplicates,
    embeddings_of,
    nearest,
    ood_scores,
    threshold_from,
)


def clouds(count: int, seed: int, *, centre: int = 0) -> Embeddings:
    random = np.random.default_rng(seed)
    middle = np.random.default_rng(100 + centre).gamma(1.0, size=(3, 64)) * 3
    return embeddings_of(np.maximum(middle[np.arange(count) % 3] + random.normal(size=(count, 64)) * 0.7, 0))


def test_how_strongly_an_image_speaks_plays_no_role() -> None:
    features = np.array([[1.0, 4.0, -9.0]])

    assert np.allclose(embeddings_of(features), embeddings_of(100 * features))
    assert np.isclose(np.linalg.norm(embeddings_of(features)), 1.0)


def test_the_nearest_come_first_and_one_s_own_group_is_passed_over() -> None:
    known = embeddings_of(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]))

    distances, places = nearest(known[:1], known, 2, groups=[7], known_groups=[7, 8, 9])

    assert places.tolist() == [[1, 2]]
    assert distances[0, 0] < distances[0, 1]


def test_held_out_images_raise_at_most_one_alarm_in_twenty_and_others_nearly_always_do() -> None:
    train, test, new, others = clouds(150, 0), clouds(60, 1), clouds(400, 2), clouds(200, 3, centre=9)

    threshold = threshold_from(train, range(150), test)

    assert threshold is not None
    far = [float((ood_scores(nearest(part, train, 3)[0]) > threshold).mean()) for part in (test, new, others)]
    assert far[0] <= 0.05
    assert far[1] <= 0.06
    assert far[2] > 0.95


def test_a_single_image_says_nothing_of_what_is_unlike() -> None:
    assert threshold_from(clouds(1, 0), [0], clouds(0, 1)) is None


def test_copies_of_train_images_in_another_group_are_twins() -> None:
    train = embeddings_of(np.random.default_rng(0).gamma(0.5, size=(30, 64)))
    test = np.concatenate([train[4:5], clouds(5, 7, centre=9)])

    assert cross_split_duplicates(test, train, range(100, 106), range(30)) == [0]
    assert cross_split_duplicates(test, train, [4] * 6, range(30)) == []
