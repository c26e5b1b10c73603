"""A whole project in one file, to be opened elsewhere with the very same reports.

    project.json            name, choices, which run belongs to which images
    data/N.json             one state of the images: names, classes, parts; no path
    images/SHA256.png       every image once
    waiting/...             images without a name: dataset.json, labels.json with the answers so far, images/
    weights.EXT             the person's own weight file (may be missing)
    runs/N/bundle/...       as the run left it, sealed
    runs/N/*.json(l)        what it said while it ran, what it cost, which label issues are settled
    seal.json               sha256 and size of each of these

Flow:  folders of one installation --pack_project--> zip --unpack_project--> a checked folder

The file may come from a stranger: every name in it matches one of the patterns above, every
byte is counted and hashed, every record is read and every image decoded before anything is
used; ids are made again where it is opened. Nothing is run.
"""

from __future__ import annotations

import hashlib
import re
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from headswap.bundle.format import EXPERIMENT, PARTS, read_card, read_dataset, read_report
from headswap.data.decode import ImageLimits, decode
from headswap.data.layout import class_name
from headswap.data.manifest import Manifest
from headswap.data.zip_reader import ZipLimits, ZipReader, open_archive
from headswap.errors import BadProject, BadUpload, HeadswapError, UnreadableImage
from headswap.evaluation.report import Report, TestAnswer
from headswap.pipeline.experiment import Experiment
from headswap.storage.files import SEAL, Seal, SealedFile, check_seal, from_json, replacing, to_json

FORMAT = 1
RECORD, DATASET = "project.json", "dataset.json"
WAITING, LABELS = "waiting", "labels.json"
WEIGHTS_KINDS = ("safetensors", "pt", "pth", "bin")
BESIDE = ("events.jsonl", "figures.json", "settled.json")  # a bundle
LIMITS = ZipLimits(entries=60_000, total_bytes=4 * 2**30, entry_bytes=2 * 2**30)

_BLOCK = 2**20
_MOST_JSON = 64 * 2**20  # bytes of one record
_LONGEST_NAME = 80
_WHY_BUNDLE = "Choose the zip of step 5, whole and unaltered."
_WHY = "Choose the file that Save gave you, whole and unaltered."
_IMAGE = re.compile(r"([0-9a-f]{64})\.(png|jpg)")
_ALLOWED = re.compile(
    rf"project\.json|data/[0-9]{{1,4}}\.json|images/{_IMAGE.pattern}|weights\.({'|'.join(WEIGHTS_KINDS)})"
    rf"|{WAITING}/(dataset\.json|{LABELS}|images/{_IMAGE.pattern})"
    rf"|runs/[0-9]{{1,4}}/({'|'.join(map(re.escape, BESIDE))})"
    rf"|runs/[0-9]{{1,4}}/bundle/({'|'.join(map(re.escape, PARTS))})"
)


@dataclass(frozen=True, kw_only=True)
class SavedRun:
    """One run that is done."""

    data: int | None  # number of the images it was trained on; None: they are gone
    experiment: Experiment  # its choices; no path in it
    created_at: float  # seconds since 1970


@dataclass(frozen=True, kw_only=True)
class SavedProject:
    """What project.json says."""

    format: int = FORMAT
    kind: Literal["headswap project"] = "headswap project"
    name: str
    model: str
    head_path: str | None = None
    weights: str | None = None  # weights.EXT
    data: int | None = None  # number of the images in use
    states: int = 0  # how many data/N.json there are
    runs: tuple[SavedRun, ...] = ()  # oldest first
    shown: int | None = None  # the run whose report was opened


def pack_project(target: Path, project: SavedProject, files: Mapping[str, Path | bytes]) -> Path:
    """Write the file, by rename.

    Args:
        target: where it goes.
        project: for project.json.
        files: the other members by their names in the file: a path, or the bytes themselves.
    """
    members: dict[str, Path | bytes] = {RECORD: to_json(project, indent=1).encode(), **files}
    lines: list[SealedFile] = []
    with replacing(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for name, source in members.items():
            lines.append(_add(packed, name, source))
        packed.writestr(_info(SEAL), to_json(Seal(tuple(lines)), indent=1))
    return target


def _add(packed: zipfile.ZipFile, name: str, source: Path | bytes) -> SealedFile:
    if not _ALLOWED.fullmatch(name):
        raise ValueError(f"{name!r} has no place in a project file")
    digest, size = hashlib.sha256(), 0
    with packed.open(_info(name), "w", force_zip64=True) as member:
        for block in _blocks(source):
            member.write(block)
            digest.update(block)
            size += len(block)
    return SealedFile(name, digest.hexdigest(), size)


def _blocks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _info(name: str) -> zipfile.ZipInfo:
    """The same project gives the same bytes, whenever it is saved."""
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))


def unpack_project(
    file: Path,
    folder: Path,
    limits: ImageLimits | None = None,
    watching: Callable[[str], AbstractContextManager[None]] = lambda _name: nullcontext(),
) -> SavedProject:
    """Check a project file from anywhere, and lay it out in an empty folder under the same names.

    A bundle in a zip, as it is taken home, becomes a project with one run and no images.

    Args:
        file: the zip.
        folder: exists, empty; what is in it after a refusal is of no use.
        limits: of each image.
        watching: put around the decoding of each, so that one that never ends can be ended.

    Raises:
        BadProject: it is no such file, damaged, altered, or tries something.
    """
    try:
        with open_archive(file, LIMITS) as archive:
            if RECORD not in archive.names and (parts := _parts_of_bundle(archive)):
                return _unpack_bundle(archive, parts, file, folder)
            _copy_out(archive, _seal_of(archive), folder)
    except (BadUpload, UnreadableImage) as error:
        raise BadProject(error.problem, remedy=_WHY) from error
    project = _project_of(folder)
    for number in range(project.states):
        _check_images(folder / "images", _manifest(folder / "data" / f"{number}.json"))
    if (waiting := folder / WAITING).is_dir():
        _check_images(waiting / "images", _manifest(waiting / DATASET), unnamed={""})
    for number, run in enumerate(project.runs):
        _check_run(folder / "runs" / str(number), run, project.states)
    for image in sorted((*folder.glob("images/*"), *folder.glob(f"{WAITING}/images/*"))):
        with watching(image.name):
            _check_image(image, limits)
    return project


def _parts_of_bundle(archive: ZipReader) -> dict[str, str]:
    """Part of a bundle -> its name in the zip; nothing, where there is no bundle or more than one."""
    cards = [name for name in archive.names if PurePosixPath(name).name == PARTS[0]]
    if len(cards) != 1 or len(PurePosixPath(cards[0]).parts) > 2:
        return {}
    inside = PurePosixPath(cards[0]).parent
    names = {part: str(inside / part) for part in PARTS}
    return {part: name for part, name in names.items() if name in archive.names}


def _unpack_bundle(archive: ZipReader, parts: Mapping[str, str], file: Path, folder: Path) -> SavedProject:
    bundle = folder / "runs" / "0" / "bundle"
    bundle.mkdir(parents=True)
    for part, name in parts.items():
        if part.endswith(".json") and archive.size(name) > _MOST_JSON:
            raise BadProject(f"{part} is too large.", remedy=_WHY)
        archive.copy(name, bundle / part)
    try:
        check_seal(bundle)
    except (HeadswapError, OSError) as error:
        raise BadProject(f"This network is damaged: {_problem(error)}", remedy=_WHY_BUNDLE) from error
    if not (bundle / EXPERIMENT).is_file():
        raise BadProject(f"This network has no {EXPERIMENT}.", remedy=_WHY_BUNDLE)
    found: Experiment = _read(Experiment, (bundle / EXPERIMENT).read_bytes(), EXPERIMENT)
    weights = Path(found.weights).name if found.weights else None
    experiment = replace(found, data=replace(found.data, source=DATASET), weights=weights)
    run = SavedRun(data=None, experiment=experiment, created_at=time.time())
    _check_run(folder / "runs" / "0", run, 0)
    name = " ".join(file.stem.split())[:_LONGEST_NAME] or "Opened network"
    return SavedProject(name=name, model=experiment.model, head_path=experiment.head_path, runs=(run,))


def _seal_of(archive: ZipReader) -> Seal:
    if archive.left_out:
        raise BadProject(archive.left_out[0].reason, remedy=_WHY)
    if RECORD not in archive.names or SEAL not in archive.names:
        raise BadProject("This file is not a saved project.", remedy=_WHY)
    if archive.size(SEAL) > _MOST_JSON:
        raise BadProject(f"{SEAL} is too large.", remedy=_WHY)
    seal: Seal = _read(Seal, archive.read(SEAL), SEAL)
    names = [line.path for line in seal.files]
    strange = [name for name in names if not _ALLOWED.fullmatch(name)]
    if strange:
        raise BadProject(f"The file holds something that no project has: {strange[0]!a:.60}.", remedy=_WHY)
    if len(set(names)) != len(names) or {*names, SEAL} != set(archive.names):
        raise BadProject("What the file holds is not what its seal says.", remedy=_WHY)
    return seal


def _copy_out(archive: ZipReader, seal: Seal, folder: Path) -> None:
    for line in seal.files:
        most = _MOST_JSON if line.path.endswith((".json", ".jsonl")) else LIMITS.entry_bytes
        target = folder / line.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if line.size_bytes > most or archive.size(line.path) != line.size_bytes:
            raise BadProject(f"{line.path} is not as large as its seal says.", remedy=_WHY)
        if archive.copy(line.path, target) != line.sha256:
            raise BadProject(f"{line.path} is not what was saved.", remedy=_WHY)


def _project_of(folder: Path) -> SavedProject:
    project: SavedProject = _read(SavedProject, (folder / RECORD).read_bytes(), RECORD)
    if project.format != FORMAT:
        raise BadProject(
            f"The project has format {project.format}; this headswap reads format {FORMAT}.",
            remedy="Open it with the version that saved it.",
        )
    indices = (project.data, *(run.data for run in project.runs))
    shown = project.shown is None or 0 <= project.shown < len(project.runs)
    weights = project.weights is None or (
        re.fullmatch(rf"weights\.({'|'.join(WEIGHTS_KINDS)})", project.weights)
        and (folder / project.weights).is_file()
    )
    numbers = all(index is None or 0 <= index < project.states for index in indices)
    if not (shown and weights and numbers and project.name.strip() and len(project.name) <= _LONGEST_NAME):
        raise BadProject("The parts of the project do not belong together.", remedy=_WHY)
    return project


def _manifest(path: Path) -> Manifest:
    if not path.is_file():
        raise BadProject(f"The pictures numbered {path.stem} are missing.", remedy=_WHY)
    manifest: Manifest = _read(Manifest, path.read_bytes(), path.name)
    return manifest


def _check_images(store: Path, manifest: Manifest, unnamed: Set[str] = frozenset()) -> None:
    """Names that lead nowhere else, images that are there, classes as an upload would name them."""
    classes = set(manifest.classes)
    for image in manifest.images:
        named = _IMAGE.fullmatch(image.source)
        if not named or named[1] != image.sha256 or not (store / image.source).is_file():
            raise BadProject(f"A picture of {image.class_name[:40]!a} is missing.", remedy=_WHY)
        if not classes.issuperset(image.names):
            raise BadProject("A picture is of a class that does not exist.", remedy=_WHY)
    if any(name != class_name(name) or len(name) > 300 for name in classes - unnamed) or manifest.root:
        raise BadProject("The pictures are not as headswap saves them.", remedy=_WHY)


def _check_run(folder: Path, run: SavedRun, states: int) -> None:
    bundle = folder / "bundle"
    if not bundle.is_dir():
        raise BadProject("A run has no result.", remedy=_WHY)
    try:
        check_seal(bundle)
        card, report, manifest = read_card(bundle), read_report(bundle), read_dataset(bundle)
    except (HeadswapError, OSError) as error:
        raise BadProject(f"A run is damaged: {_problem(error)}", remedy=_WHY) from error
    if run.experiment.weights and run.experiment.weights != Path(run.experiment.weights).name:
        raise BadProject("A run names a file outside the project.", remedy=_WHY)
    if card.classes != report.classes or manifest.root or not _is_whole(report):
        raise BadProject("A run and its report do not belong together.", remedy=_WHY)


def _is_whole(report: Report) -> bool:
    """Whether every number of a report points to a class that it has."""
    count = len(report.classes)
    size = 0 if report.is_multi_label else count  # of several labels there is no grid
    rows = len(report.confusion) == size and all(len(row) == count for row in report.confusion)
    rows = rows and len(report.label_scores) in (0, count)
    answers = all(_is_whole_answer(answer, count) for answer in report.answers)
    label_issues = all(0 <= d.label < count and 0 <= d.suggested < count for d in report.label_issues)
    return count > 0 and rows and answers and label_issues and len(report.class_scores) == count


def _is_whole_answer(answer: TestAnswer, count: int) -> bool:
    among = answer.among or tuple(range(count))
    own = (answer.truth,) if answer.truths is None else (*answer.truths, *(answer.said or ()))
    inside = all(0 <= number < count for number in among) and set(own) <= set(among)
    return inside and len(answer.probabilities) == len(among)


def _check_image(path: Path, limits: ImageLimits | None) -> None:
    """Decode it once in this process, where a decoder can do no harm, before anyone else opens it."""
    try:
        decode(path.read_bytes(), name=path.name, limits=limits)
    except UnreadableImage as error:
        raise BadProject(f"A picture in the project cannot be read: {error.problem}", remedy=_WHY) from error


def _read(kind: Any, text: bytes, name: str) -> Any:
    try:
        return from_json(kind, text)
    except HeadswapError as error:  # also what a record refuses when it is made
        raise BadProject(f"{name} cannot be read: {error.problem}", remedy=_WHY) from error


def _problem(error: BaseException) -> str:
    return error.problem if isinstance(error, HeadswapError) else str(error)
