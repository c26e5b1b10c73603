"""A project as one file: saved here, opened anywhere, and the list of those that a browser knows.

Flow:  project + its runs + what waits for a name --ProjectArchive.save--> NAME.headswap.zip
           --ProjectArchive.open--> a project, the same reports

What is opened gets new ids, new folders and the owner who opened it; `headswap.pipeline.project_file` has
checked every byte of it before, in a process of its own.
"""

from __future__ import annotations

import re
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from headswap.app.jobs.job import Job, JobState, new_job_id
from headswap.app.jobs.store import Store
from headswap.app.processes.child import ChildEnded, ChildProcess
from headswap.app.processes.project_check import AskProject
from headswap.app.service.labelling import FOLDER, state_of
from headswap.app.service.labels import LabelState, opened_elsewhere
from headswap.app.service.projects import Project, Projects
from headswap.app.service.settings import Settings
from headswap.data.decode import ImageLimits
from headswap.data.manifest import Manifest
from headswap.errors import BadProject, BadSetting, HeadswapError
from headswap.field_types import keys_on_disk
from headswap.pipeline.experiment import Experiment
from headswap.pipeline.project_file import BESIDE, LABELS, WAITING, SavedProject, SavedRun, pack_project
from headswap.storage.files import check_seal, discard, from_json, make_folder, move, to_json, write_text
from headswap.storage.records import read_record

ENDING = ".headswap.zip"
EXAMPLES = 4  # pictures by which a person knows a project again
CheckRoom = Callable[[str, Path], None]
FindWaiting = Callable[[Project], Path | None]
_DATASET, _IMAGES, _BUNDLE = "dataset.json", "images", "bundle"


@dataclass(frozen=True, kw_only=True)
class ProjectLine:
    """One project in a list."""

    __pydantic_config__ = keys_on_disk(images="pictures")

    id: str
    name: str
    images: int
    classes: int
    runs: int
    last_run_at: float | None  # seconds since 1970
    examples: tuple[str, ...] = ()  # sha256 of one picture of each of the first classes


class ProjectArchive:
    """Saves and opens the projects of one installation."""

    def __init__(
        self,
        projects: Projects,
        store: Store,
        child: ChildProcess,
        limits: ImageLimits,
        check_room: CheckRoom,
        waiting: FindWaiting = lambda _project: None,
    ) -> None:
        """Take what it works with.

        Args:
            projects: where projects are kept.
            store: where runs are kept.
            child: answers `AskProject` in a process of its own.
            limits: of each picture in a file from outside.
            check_room: raises when the owner has no room for a file.
            waiting: the folder of a project's pictures that wait for a name.
        """
        self._projects, self._store, self._child = projects, store, child
        self._limits, self._check_room, self._waiting = limits, check_room, waiting

    def close(self) -> None:
        """Let the child go."""
        self._child.close()

    def known(self, owner: str, projects: Sequence[str]) -> tuple[ProjectLine, ...]:
        """The projects of these ids that are the owner's, and all others of an owner who has logged in."""
        return tuple(self._line(project) for project in self._projects.known(owner, projects))

    def save(self, owner: str, project: str, folder: Path) -> Path:
        """Write the project into one file of that folder.

        Raises:
            NotFound: there is no such project.
            BadProject: a part of it is damaged here.
        """
        found = self._projects.get(owner, project)
        files: dict[str, Path | bytes] = {}
        states: dict[Path, int] = {}  # a dataset.json -> its number in the file
        dataset = self._projects.dataset(found)
        if dataset is not None and self._take_images(dataset, states, files) is None:
            raise _gone()
        self._take_waiting(found, files)
        weights = self._projects.weights(found)
        if weights is not None:
            files[f"weights{weights.suffix}"] = weights
        jobs = [job for job in self._store.of_project(owner, found.id) if job.state is JobState.DONE][::-1]
        runs = [self._take_run(job, number, weights, states, files) for number, job in enumerate(jobs)]
        saved = SavedProject(
            name=found.name,
            model=found.model,
            head_path=found.head_path,
            weights=f"weights{weights.suffix}" if weights else None,
            data=states[dataset] if dataset else None,
            states=len(states),
            runs=tuple(runs),
            shown=next((number for number, job in enumerate(jobs) if job.id == found.shown), None),
        )
        make_folder(folder)
        return pack_project(folder / f"{_file_name(found.name)}{ENDING}", saved, files)

    def delete(self, owner: str, project: str) -> None:
        """Remove a project with its pictures and runs, for ever.

        Raises:
            NotFound: there is no such project.
            BadSetting: one of its runs waits or is at work.
        """
        found = self._projects.get(owner, project)
        jobs = self._store.of_project(owner, found.id)
        if not all(job.is_over for job in jobs):
            raise BadSetting(
                f"{found.name} is being taught.", remedy="Stop the run first, then delete the project."
            )
        for job in jobs:
            self._store.forget(job.id)
        self._projects.remove(found)

    @contextmanager
    def saved(self, owner: str, project: str) -> Iterator[Path]:
        """The same in a folder of its own, for as long as someone copies it."""
        with tempfile.TemporaryDirectory(prefix="headswap-save-", ignore_cleanup_errors=True) as folder:
            yield self.save(owner, project, Path(folder))

    def open(self, owner: str, file: Path) -> str:
        """Make a new project from a file, and return its id.

        Raises:
            BadProject: it is no saved project, or not as it was saved.
            TooMuch: there is no room for it.
        """
        self._check_room(owner, file)
        project = self._projects.create(owner)
        home = self._projects.folder(project.id)
        draft = make_folder(home / f"opening.draft-{secrets.token_hex(4)}")
        adopted: list[str] = []
        try:
            saved = self._ask(file, draft)
            project = self._take_in(replace(project, name=saved.name), saved, draft, adopted)
        except BaseException:
            for job in adopted:
                self._store.forget(job)
            discard(home)
            raise
        discard(draft)
        return project.id

    # ------------------------------------------------------------------------------

    def _line(self, project: Project) -> ProjectLine:
        jobs = self._store.of_project(project.owner, project.id)
        dataset = self._projects.dataset(project)
        manifest = _manifest(dataset) if dataset and dataset.is_file() else None
        first = {image.class_name: image.sha256 for image in (manifest.images if manifest else ())[::-1]}
        return ProjectLine(
            id=project.id,
            name=project.name,
            images=len(manifest.images) if manifest else 0,
            classes=len(manifest.classes) if manifest else 0,
            runs=len(jobs),
            last_run_at=jobs[0].created_at if jobs else None,
            examples=tuple(first[name] for name in manifest.classes[:EXAMPLES]) if manifest else (),
        )

    def _take_images(
        self, dataset: Path, states: dict[Path, int], files: dict[str, Path | bytes]
    ) -> int | None:
        """Add one state of the pictures, once; its number, or None when some are gone."""
        if dataset in states:
            return states[dataset]
        if not dataset.is_file():
            return None
        manifest = _manifest(dataset)
        if (images := _images_of(manifest, _IMAGES)) is None:
            return None
        files[f"data/{len(states)}.json"] = to_json(replace(manifest, root="")).encode()
        files.update(images)
        return states.setdefault(dataset, len(states))

    def _take_waiting(self, project: Project, files: dict[str, Path | bytes]) -> None:
        """Add the pictures that wait for a name, with the answers so far."""
        if (folder := self._waiting(project)) is None:
            return
        manifest = _manifest(folder / _DATASET)
        if (images := _images_of(manifest, f"{WAITING}/{_IMAGES}")) is None:
            raise _gone()
        answers = opened_elsewhere(state_of(folder), manifest)
        files[f"{WAITING}/{_DATASET}"] = to_json(replace(manifest, root="")).encode()
        files[f"{WAITING}/{LABELS}"] = to_json(answers).encode()
        files.update(images)

    def _take_run(
        self,
        job: Job,
        number: int,
        weights: Path | None,
        states: dict[Path, int],
        files: dict[str, Path | bytes],
    ) -> SavedRun:
        folder, prefix = self._store.folder(job.id), f"runs/{number}"
        bundle = folder / job.result
        try:
            check_seal(bundle)
        except HeadswapError as error:
            raise BadProject(
                f"The run of {_day(job)} is damaged: {error.problem}",
                remedy="Delete it under Runs, then save.",
            ) from error
        for path in sorted(path for path in bundle.rglob("*") if path.is_file()):
            files[f"{prefix}/{_BUNDLE}/{path.relative_to(bundle).as_posix()}"] = path
        files.update({f"{prefix}/{name}": folder / name for name in BESIDE if (folder / name).is_file()})
        experiment: Experiment = from_json(Experiment, job.experiment_json)
        dataset = Path(experiment.data.source)
        named = Path(experiment.weights).name if experiment.weights else None
        if weights is not None and named == weights.name:
            named = f"weights{weights.suffix}"
        data = replace(experiment.data, source=_DATASET, unlabeled=None)  # what had no name then
        portable = replace(experiment, data=data, weights=named)
        return SavedRun(
            data=self._take_images(dataset, states, files), experiment=portable, created_at=job.created_at
        )

    def _ask(self, file: Path, draft: Path) -> SavedProject:
        question = AskProject(str(file), str(draft), self._limits)
        try:
            saved = self._child.ask(question, SavedProject)
        except ChildEnded as error:
            raise BadProject(
                "This file stops the program that reads it.", remedy="Choose another file."
            ) from error
        return saved

    def _take_in(self, project: Project, saved: SavedProject, draft: Path, adopted: list[str]) -> Project:
        """Move checked parts to their places; the record of the project comes last."""
        home = self._projects.folder(project.id)
        images = home / _IMAGES
        if (draft / _IMAGES).is_dir():
            move(draft / _IMAGES, images)
        if (draft / WAITING).is_dir():
            _open_waiting(draft / WAITING, home / f"{FOLDER}{secrets.token_hex(4)}")
        states = {}
        for number in range(saved.states):
            manifest: Manifest = from_json(Manifest, (draft / "data" / f"{number}.json").read_bytes())
            states[number] = self._projects.new_data_folder(project)
            write_text(states[number] / _DATASET, to_json(replace(manifest, root=str(images.resolve()))))
        weights = None
        if saved.weights:
            weights = home / f"weights-{secrets.token_hex(4)}{Path(saved.weights).suffix}"
            move(draft / saved.weights, weights)
        for number, run in enumerate(saved.runs):
            adopted.append(new_job_id())
            experiment = _relocated(run, states, home, (saved.weights, weights))
            self._adopt(project, run, experiment, draft / "runs" / str(number), adopted[-1])
        return self._projects.save(
            replace(
                project,
                model=saved.model,
                head_path=saved.head_path,
                weights=weights.name if weights else None,
                data=states[saved.data].name if saved.data is not None else None,
                shown=adopted[saved.shown] if saved.shown is not None else None,
            )
        )

    def _adopt(self, project: Project, run: SavedRun, experiment: Experiment, there: Path, job: str) -> None:
        folder = self._store.folder(job)
        move(there / _BUNDLE, folder / _BUNDLE)
        for name in BESIDE:
            if (there / name).is_file():
                move(there / name, folder / name)
        self._store.adopt(project.owner, project.id, to_json(experiment), job, _BUNDLE, run.created_at)


def _relocated(
    run: SavedRun, states: Mapping[int, Path], home: Path, own: tuple[str | None, Path | None]
) -> Experiment:
    """The choices of a run with the paths of this machine; what is gone keeps its bare name.

    Args:
        run: from the file.
        states: where each state of the pictures is now.
        home: the project's folder.
        own: the person's weight file, as the file names it and where it is now.
    """
    source = (states[run.data] if run.data is not None else home / "gone") / _DATASET
    named, path = own
    weights = str(path) if path is not None and run.experiment.weights == named else run.experiment.weights
    data = replace(run.experiment.data, source=str(source), unlabeled=None)
    return replace(run.experiment, data=data, weights=weights)


def _open_waiting(there: Path, folder: Path) -> None:
    """Put what waits for a name to its place; it is grouped when the page looks at it."""
    manifest: Manifest = from_json(Manifest, (there / _DATASET).read_bytes())
    try:
        state: LabelState = from_json(LabelState, (there / LABELS).read_bytes())
        write_text(there / LABELS, to_json(opened_elsewhere(state, manifest)))
    except (HeadswapError, FileNotFoundError) as error:
        raise BadProject(
            "The names that were given cannot be read.", remedy="Save the project again, then open that."
        ) from error
    write_text(there / _DATASET, to_json(replace(manifest, root=str((folder / _IMAGES).resolve()))))
    move(there, folder)


def _images_of(manifest: Manifest, folder: str) -> dict[str, Path] | None:
    """Name in the file -> image; None when some are gone."""
    paths = {f"{folder}/{image.source}": manifest.path(image) for image in manifest.images}
    return paths if all(path.is_file() for path in paths.values()) else None


def _gone() -> BadProject:
    return BadProject("Some pictures of this project are gone.", remedy="Give them again, then save.")


def _manifest(dataset: Path) -> Manifest:
    manifest: Manifest = read_record(Manifest, dataset)
    return manifest


# Names that mean a device on Windows, whatever ending follows.
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)( *\..*)?", re.IGNORECASE)


def _file_name(name: str) -> str:
    """A project's name as a file's, on any system."""
    plain = re.sub(r"[^\w .()-]+", " ", name, flags=re.UNICODE)
    plain = " ".join(plain.split()).strip(". ")[:60].rstrip(". ")
    return f"project {plain}".rstrip() if not plain or _DEVICE.fullmatch(plain) else plain


def _day(job: Job) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(job.created_at, UTC).strftime("%d %B %Y")


def archive_of(
    settings: Settings,
    projects: Projects,
    store: Store,
    check_room: CheckRoom,
    waiting: FindWaiting = lambda _project: None,
) -> ProjectArchive:
    """The archive of an installation, with a process of its own for what comes from outside."""
    limits = settings.for_reader()
    child = ChildProcess(
        "headswap.app.processes.project_check:answer",
        idle_s=60.0,
        timeout_s=settings.limits.import_timeout_s,
        memory_bytes=limits.memory_bytes,
        silent=True,
        confined="once",
        log=settings.workspace / "logs" / "opening.jsonl",
    )
    return ProjectArchive(projects, store, child, limits.image, check_room, waiting)
