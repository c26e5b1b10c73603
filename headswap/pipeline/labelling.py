"""Images that no one has sorted: their features, kept in files, and what to ask a person about them.

Flow:  dataset.json --write_features, a few images at a time--> features-N.safetensors
                    --write_clusters--> likeness.safetensors: features, and which images look alike
       clusters + labels so far --advise_on--> LabelAdvice

What is on the disk is not computed again, so a run that was cut off goes on where it was.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from headswap.data.manifest import Manifest
from headswap.data.store import reread
from headswap.data.transforms import prepare, wanted_px
from headswap.errors import NotFound, TeachingFailed
from headswap.features.engines import choose_engine
from headswap.features.extractor import Extractor
from headswap.heads.detect import locate_head
from headswap.storage.files import remove, write_bytes
from headswap.storage.records import read_record
from headswap.training.config import HeadChoice, HeadKind
from headswap.training.head_choice import source_of
from headswap.training.label_advice import LabelAdvice
from headswap.training.labelling import ClusterTree, advise, cluster_tree
from headswap.zoos.catalogue import load_network

CLUSTERS = "likeness.safetensors"
_WIDE = "wide"  # whether features are those of every block
MOST_WIDE = 3_000  # images: of more, only the last features are kept, as all must fit into memory
_ROWS = "features-*.safetensors"
_OLD_ROWS = "rows-*.safetensors"  # of a run that an older version began: last features only


def write_features(
    dataset: Path, start: int, count: int, *, model: str, head_path: str | None, weights: str | None
) -> None:
    """Let the backbone see some images of a data set, unless it has seen them.

    Args:
        dataset: a dataset.json; features are kept next to it.
        start: number of the first image.
        count: how many, at least 1; those after the last are none.
        model: the network, as a zoo names it.
        head_path: the person's own choice of its head; None: found.
        weights: the person's own weight file; None: pretrained.

    Raises:
        UnreadableImage: an image has gone.
        TeachingFailed: features are no finite numbers.
    """
    path = dataset.parent / f"features-{start:07}.safetensors"
    if path.exists():
        return
    manifest = _manifest(dataset)
    extractor = _extractor(model, head_path, weights, len(manifest.images))
    spec = extractor.network.input
    images = manifest.images[start : start + count]
    ready = [prepare(reread(manifest, image, wanted_px=wanted_px(spec)), spec) for image in images]
    features = extractor.features(np.stack(ready))
    if not bool(torch.isfinite(features).all()):
        raise TeachingFailed(
            f"{extractor.network.name} gives features that are not numbers (NaN or infinite).",
            remedy="Choose another network in step 1, and try again.",
        )
    write_bytes(path, save({"features": features, _WIDE: torch.tensor(bool(extractor.site.taps))}))


def write_clusters(dataset: Path) -> None:
    """Put the features of all images into one file, with the order in which they look alike."""
    files = sorted(dataset.parent.glob(_ROWS))
    read = [load_file(file) for file in files]
    features = torch.cat([one["features"] for one in read])
    if len(features) != len(_manifest(dataset).images):
        raise TeachingFailed("Some of the images were not looked at.", remedy="Choose them again.")
    tree = cluster_tree(features)
    parts = {
        "features": features,
        "merges": torch.from_numpy(tree.merges),
        "leaf": torch.from_numpy(tree.leaf),
        _WIDE: read[0][_WIDE],
    }
    write_bytes(dataset.parent / CLUSTERS, save(parts))
    for file in (*files, *dataset.parent.glob(_OLD_ROWS)):
        remove(file)


def advise_on(dataset: Path, labels: tuple[int, ...], skipped: tuple[int, ...] = ()) -> LabelAdvice:
    """What to ask next.

    Args:
        dataset: a dataset.json with clusters next to it.
        labels: of each image a class in [0, C), or -1.
        skipped: rows that a person could not label.

    Raises:
        NotFound: there are no clusters yet.
    """
    path = dataset.parent / CLUSTERS
    if not path.is_file():
        raise NotFound("These pictures are not grouped yet.", remedy="Wait until they are.")
    features, tree, head = _read_clusters(path)
    return advise(features, tree, torch.tensor(labels), skipped=skipped, head=head)


@lru_cache(maxsize=2)
def _read_clusters(path: Path) -> tuple[Tensor, ClusterTree, HeadKind]:
    """Written once; who labels asks again and again."""
    parts = load_file(path)
    tree = ClusterTree.of(parts["features"], merges=parts["merges"].numpy(), leaf=parts["leaf"].numpy())
    is_wide = _WIDE in parts and bool(parts[_WIDE])  # an older version kept the last features only
    return parts["features"], tree, "wide" if is_wide else "last"


def head_choice_for(images: int) -> HeadChoice:
    """What is kept of so many images: what every block gives of a few, of more the last features."""
    return "auto" if images <= MOST_WIDE else "last"


@lru_cache(maxsize=2)
def _manifest(dataset: Path) -> Manifest:
    manifest: Manifest = read_record(Manifest, dataset)
    return manifest


@lru_cache(maxsize=1)
def _extractor(model: str, head_path: str | None, weights: str | None, images: int) -> Extractor:
    network = load_network(model, weights=Path(weights) if weights else None)
    source = source_of(network, locate_head(network, head=head_path), head_choice_for(images), images)
    return Extractor(source.network, source.site, choose_engine())
