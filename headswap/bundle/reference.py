"""What a bundle remembers of its training images, and of the head it had before.

Flow:  features of training and test images --remember--> ReferenceFeatures
           --save_reference--> memory.safetensors
       features of a new image --ReferenceFeatures--> its OOD score, the nearest training images,
                                             the old head's names for it

Embeddings are kept in half precision, of as many images as fit into 8 MB, spread over the classes.
A file of tensors like the weights: safetensors, covered by the bundle's seal, no pickles.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headswap.data.manifest import ImageRecord, Manifest
from headswap.errors import BundleDamaged
from headswap.evaluation.metrics import softmax
from headswap.evaluation.ood import NEIGHBOURS, Embeddings, embeddings_of, nearest, ood_scores, threshold_from
from headswap.storage.files import write_bytes
from headswap.threads import product

_MOST_BYTES = 8e6  # of embeddings
_MOST_OLD_BYTES = 32e6  # of the old head; larger ones are not kept
_MOST_TEST = 1000  # test images that take part in setting the threshold
_OLD_NAMES = 5
Floats32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class PretrainedNames:
    """The pretrained head, to ask what it would have said."""

    weight: Floats32  # (K, D)
    bias: Floats32  # (K,)
    names: tuple[str, ...]

    def top(self, features: Floats32) -> tuple[dict[str, float], ...]:
        """(N, D) features to the five best names of each, best first."""
        found = []
        for row in softmax((product(features, self.weight.T) + self.bias).astype(np.float64)):
            best: dict[str, float] = {}
            for number in np.argsort(-row, kind="stable"):
                best[self.names[number]] = best.get(self.names[number], 0.0) + float(row[number])
                if len(best) == _OLD_NAMES:
                    break
            found.append(best)
        return tuple(found)


@dataclass(frozen=True, eq=False, kw_only=True)
class ReferenceFeatures:
    """Training images as the backbone sees them."""

    embeddings: Embeddings  # (M, D)
    sha256s: tuple[str, ...]  # M
    threshold: float | None  # distance beyond which an image is out of distribution; None: too few to say
    old: PretrainedNames | None = None

    def compare(self, features: Floats32) -> tuple[list[float | None], list[tuple[str, ...]]]:
        """(N, D) features to each OOD score (over 1: out of distribution) and the nearest training images."""
        distances, indices = nearest(embeddings_of(features), self.embeddings, NEIGHBOURS)
        ood_score = [
            None if self.threshold is None else float(one / self.threshold) for one in ood_scores(distances)
        ]
        return ood_score, [tuple(self.sha256s[index] for index in row) for row in indices]


def rows_to_remember(manifest: Manifest, width: int) -> tuple[list[int], list[int]]:
    """Which images to remember and which test images to set the threshold with: rows of the manifest.

    Args:
        manifest: with parts.
        width: features of an image.
    """
    room = max(len(manifest.classes), int(_MOST_BYTES / (2 * width)))
    by_class: dict[str, list[int]] = {
        name: [] for name in sorted({one.class_name for one in manifest.images})
    }
    for row, image in enumerate(manifest.images):
        if image.part == "train":
            by_class[image.class_name].append(row)
    for rows in by_class.values():
        rows.sort(key=lambda row: manifest.images[row].sha256)  # a fair draw that needs no seed
    by_class_in_order = [row for rows in zip_longest(*by_class.values()) for row in rows if row is not None]
    test = [row for row, image in enumerate(manifest.images) if image.part == "test"]
    return sorted(by_class_in_order[:room]), test[:_MOST_TEST]


def remember(
    images: Sequence[ImageRecord], features: Floats32, test_features: Floats32, old: PretrainedNames | None
) -> ReferenceFeatures:
    """Keep the embeddings of training images and set the threshold.

    Args:
        images: M training images.
        features: (M, D), theirs.
        test_features: (E, D), of images never trained on; may be none.
        old: the pretrained head with its names, if it is one linear layer.
    """
    embeddings = embeddings_of(features).astype(np.float16).astype(np.float32)  # as they will be read again
    threshold = threshold_from(embeddings, [image.group for image in images], embeddings_of(test_features))
    if old is not None and old.weight.nbytes / 2 > _MOST_OLD_BYTES:
        old = None
    return ReferenceFeatures(
        embeddings=embeddings, sha256s=tuple(p.sha256 for p in images), threshold=threshold, old=old
    )


def save_reference(path: Path, reference: ReferenceFeatures) -> None:
    """Write it next to the weights."""
    from safetensors.numpy import save

    tensors: dict[str, NDArray[np.generic]] = {
        "looks": reference.embeddings.astype(np.float16),
        "sha256": np.frombuffer(bytes.fromhex("".join(reference.sha256s)), np.uint8).reshape(-1, 32),
    }
    facts: dict[str, object] = {"alarm": reference.threshold}
    if reference.old is not None:
        tensors["old_weight"] = reference.old.weight.astype(np.float16)
        tensors["old_bias"] = reference.old.bias.astype(np.float16)
        facts["old_names"] = list(reference.old.names)
    write_bytes(path, save(tensors, metadata={"facts": json.dumps(facts, ensure_ascii=False)}))


def read_reference(path: Path) -> ReferenceFeatures | None:
    """Read it back; None when the bundle has none.

    Raises:
        BundleDamaged: it is not what `save_reference` wrote.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
            facts = json.loads((file.metadata() or {})["facts"])
        old = None
        if "old_weight" in tensors:
            old = PretrainedNames(
                weight=tensors["old_weight"].astype(np.float32),
                bias=tensors["old_bias"].astype(np.float32),
                names=tuple(facts["old_names"]),
            )
        return ReferenceFeatures(
            embeddings=tensors["looks"].astype(np.float32),
            sha256s=tuple(row.tobytes().hex() for row in tensors["sha256"]),
            threshold=facts["alarm"],
            old=old,
        )
    except (SafetensorError, KeyError, ValueError) as error:
        raise BundleDamaged(
            f"{path.name} cannot be read.", remedy="Copy the whole bundle again, or teach again."
        ) from error
