"""What training leaves behind: one sealed folder that predicts the same anywhere.

    bundle/
      bundle.json          names, preprocessing, the head's place, versions
      experiment.json      every choice of the run
      weights.safetensors  the whole network, backbone and new head
      memory.safetensors   embeddings of training images, the old head (may be missing)
      features.safetensors what a later change of classes needs of the images (may be missing)
      report.json          how good it is
      dataset.json         which images, by hash, in which part
      seal.json            sha256 and size of each of these

No pickles: safetensors and JSON only.
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from headswap.bundle.kept import KeptFeatures, read_kept, save_kept
from headswap.bundle.reference import ReferenceFeatures, save_reference
from headswap.data.manifest import Manifest
from headswap.data.remote import refuse_address
from headswap.errors import BundleDamaged
from headswap.evaluation.report import Report
from headswap.field_types import keys_on_disk
from headswap.heads.site import HeadSite
from headswap.network import InputSpec, Network
from headswap.storage.files import (
    SEAL,
    check_seal,
    from_json,
    read_sealed,
    replacing,
    room_on,
    sealed_folder,
    to_json,
    write_by_library,
    write_text,
)

FORMAT = 1
MULTI_LABEL_FORMAT = 2  # an image may have several labels: a version that does not know it must not answer
EXPERIMENT = "experiment.json"
REFERENCE = "memory.safetensors"
KEPT = "features.safetensors"
_CARD, _WEIGHTS, _REPORT, _DATASET = "bundle.json", "weights.safetensors", "report.json", "dataset.json"
# Nothing else in a bundle is ever used.
PARTS = (_CARD, EXPERIMENT, REFERENCE, KEPT, _WEIGHTS, _REPORT, _DATASET, SEAL)


@dataclass(frozen=True, kw_only=True)
class BundleCard:
    """Everything but numbers: what is needed to build the network again and read its answers."""

    __pydantic_config__ = keys_on_disk(flip="mirror", l2="strength", backbone_sha256="body_sha256")

    format: int
    model: str  # zoo/name of the architecture
    variant: str = ""  # of that architecture, as its zoo calls it
    classes: tuple[str, ...]
    input: InputSpec
    site: HeadSite  # of the new head
    temperature: float  # logits are divided by it before the softmax
    even_share: float = 0.0  # of the answer, spread evenly over the classes after it; 0 in older bundles
    head_path: str | None  # the person's own choice of layer; None: found
    flip: bool = False  # answers are the mean over image and flipped image
    engine: str  # what ran the backbone
    l2: float | None  # the penalty chosen; None: trained by gradient through the network
    backbone_sha256: str  # of the pretrained weights
    versions: dict[str, str]
    parameters: int
    licence: str | None
    thresholds: tuple[float, ...] = ()  # from which each label is said; (): an image has one class
    logit_offset: float = 0.0  # taken off the logits before their sigmoids: the head was lifted over a ReLU
    edits: tuple[str, ...] = ()  # what became of its classes after it was trained, in words

    @property
    def is_multi_label(self) -> bool:
        """Whether an image may have several labels: a sigmoid and a threshold for each."""
        return bool(self.thresholds)


def save_bundle(  # noqa: PLR0913
    folder: Path,
    network: Network,
    card: BundleCard,
    experiment_json: str,
    report: Report,
    manifest: Manifest,
    *,
    reference: ReferenceFeatures | None = None,
    kept: KeptFeatures | None = None,
) -> None:
    """Write a bundle, sealed, at a place that must not exist yet."""
    from safetensors.torch import save_model

    with sealed_folder(folder) as draft:
        weights = draft / _WEIGHTS
        write_by_library(weights, lambda: save_model(network.module, str(weights)))
        if reference is not None:
            save_reference(draft / REFERENCE, reference)
        if kept is not None:
            save_kept(draft / KEPT, kept)
        write_text(draft / _CARD, to_json(card, indent=1))
        write_text(draft / EXPERIMENT, experiment_json)
        write_text(draft / _REPORT, to_json(report, indent=1))
        write_text(draft / _DATASET, to_json(_portable(manifest), indent=1))


def _portable(manifest: Manifest) -> Manifest:
    """The same record without anything that shows an image or where it was."""
    images = tuple(replace(image, thumbnail="") for image in manifest.images)
    return replace(manifest, root="", images=images)


def read_card(folder: Path) -> BundleCard:
    """Read what a bundle is, without its weights.

    Raises:
        BundleDamaged: not a bundle, or of a format this version does not know.
    """
    path = folder / _CARD
    if not path.is_file():
        raise BundleDamaged(
            f"{folder.name} is not a headswap bundle: it has no {_CARD}.",
            remedy="Choose the folder or zip that `headswap teach` wrote.",
        )
    card: BundleCard = from_json(BundleCard, read_sealed(folder, _CARD))
    if card.format not in (FORMAT, MULTI_LABEL_FORMAT):
        raise BundleDamaged(
            f"{folder.name} has format {card.format}; this headswap reads formats {FORMAT} and "
            f"{MULTI_LABEL_FORMAT}.",
            remedy="Install the headswap version that wrote it, or teach again.",
        )
    return card


def read_report(folder: Path) -> Report:
    """The report kept in a bundle."""
    report: Report = from_json(Report, _with_codes(read_sealed(folder, _REPORT)))
    return report


def _with_codes(report_json: bytes) -> bytes:
    """Advice of headswap 0.1 was sentences only."""
    try:
        plain = json.loads(report_json)
        sentences = [one for one in plain["advice"] if isinstance(one, str)]
        if not sentences or len(sentences) < len(plain["advice"]):
            return report_json
        plain["advice"] = [{"code": "written", "sentence": one} for one in sentences]
    except (ValueError, KeyError, TypeError, RecursionError):  # reading it says what is wrong
        return report_json
    return json.dumps(plain).encode()


def read_dataset(folder: Path) -> Manifest:
    """Which images a bundle was trained and tested on; no images, no paths."""
    manifest: Manifest = from_json(Manifest, read_sealed(folder, _DATASET))
    return manifest


def read_features(folder: Path) -> KeptFeatures | None:
    """What a bundle keeps of its images for a later change of its classes; None: nothing."""
    images, site = len(read_dataset(folder).images), read_card(folder).site
    return read_kept(folder / KEPT, images, site.in_features)


def weights_of(folder: Path) -> Path:
    """Where a bundle's numbers are."""
    return folder / _WEIGHTS


def load_weights(folder: Path, network: Network) -> None:
    """Put a bundle's weights into a network of the right shape, strictly."""
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    try:
        load_model(network.module, str(folder / _WEIGHTS), strict=True)
    except (SafetensorError, RuntimeError) as error:
        raise BundleDamaged(
            f"The weights in {folder.name} do not fit {network.name}.",
            remedy="The library that defines it may have changed; see `versions` in bundle.json.",
        ) from error


def pack(folder: Path, target: Path) -> Path:
    """Pack a sealed bundle into one zip, by rename.

    Raises:
        BundleDamaged: the bundle is not what was saved; it is not handed on.
        DiskFull, DiskFailed: there is no zip, or the one that was there.
    """
    check_seal(folder)
    with replacing(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, f"{target.stem}/{path.relative_to(folder).as_posix()}")
    return target


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Give the checked folder of a bundle, be it a folder or a zip.

    Raises:
        BundleDamaged: there is none, or its seal does not hold.
        BadSetting: it is an address.
    """
    if path.is_dir():
        _check_any_part(path, path.name)
        check_seal(path)
        yield path
    elif path.is_file() and zipfile.is_zipfile(path):
        import tempfile

        with tempfile.TemporaryDirectory(prefix="headswap-", ignore_cleanup_errors=True) as temporary:
            folder = _unpack(path, Path(temporary))
            _check_any_part(folder, path.name)
            check_seal(folder)
            yield folder
    elif path.is_file():
        with path.open("rb") as file:
            is_cut_off = file.read(4) == _ZIP_BEGIN
        raise BundleDamaged(
            f"{path.name} is damaged: a part of the zip is missing."
            if is_cut_off
            else f"{path.name} is not a headswap bundle: it is no zip.",
            remedy="Copy it again, or teach again."
            if is_cut_off
            else "Choose the folder or zip that `headswap teach` wrote.",
        )
    else:
        refuse_address(path, "A bundle")
        raise BundleDamaged(
            f"There is no bundle at {path}.", remedy="Give the folder or zip that `headswap teach` wrote."
        )


def _check_any_part(folder: Path, name: str) -> None:
    if not any((folder / part).exists() for part in PARTS):
        raise BundleDamaged(
            f"{name} is not a headswap bundle: it holds no {_CARD}.",
            remedy="Choose the folder or zip that `headswap teach` wrote.",
        )


_ZIP_BEGIN = b"PK\x03\x04"
_MOST_BYTES = 32 * 2**30
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,  # a place before the beginning of the file
    ValueError,
    NotImplementedError,  # a compression method that Python does not know
    RuntimeError,  # encrypted
)


def _unpack(path: Path, folder: Path) -> Path:
    """Copy the known members of a bundle zip out of it, member by member, and nothing else."""
    try:
        with room_on(folder):
            return _copy_known(path, folder)
    except _ZIP_ERRORS as error:
        raise BundleDamaged(
            f"{path.name} is damaged: it cannot be unpacked.", remedy="Copy it again, or teach again."
        ) from error


def _copy_known(path: Path, folder: Path) -> Path:
    import shutil

    with zipfile.ZipFile(path) as archive:
        members = {Path(member.filename).name: member for member in archive.infolist() if not member.is_dir()}
        if sum(members[name].file_size for name in PARTS if name in members) > _MOST_BYTES:
            raise BundleDamaged(
                f"{path.name} would unpack to more than 32 GB.", remedy="Do not trust this file."
            )
        for name in PARTS:
            if name in members:
                with archive.open(members[name]) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    return folder
