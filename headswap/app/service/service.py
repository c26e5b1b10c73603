"""The verbs that the page and the shell call: plain values in, frozen records out.

Every argument is checked here, because anything a page can send, a stranger can. A project
or job of someone else reads like one that does not exist. Loads no torch and no gradio:
networks live in the inference process, decoders in the import process, teaching in workers.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Self

from headswap.app.jobs.cluster import ClusterWatch
from headswap.app.jobs.job import JobState, short_key
from headswap.app.jobs.journal import read_events
from headswap.app.jobs.queue import Queue
from headswap.app.jobs.store import Store
from headswap.app.jobs.supervisor import Supervisor
from headswap.app.processes.child import ChildProcess
from headswap.app.processes.guard import SafeInference
from headswap.app.processes.local import LocalRunner
from headswap.app.processes.reader import Reader
from headswap.app.service.archive import ProjectArchive, archive_of
from headswap.app.service.batches import Batches
from headswap.app.service.datasets import Datasets
from headswap.app.service.exports import Exports, packing_process
from headswap.app.service.fetching import FetchPolicy
from headswap.app.service.film_links import FilmLinks
from headswap.app.service.health import Health, health_of
from headswap.app.service.history import History
from headswap.app.service.labelling import Labelling
from headswap.app.service.later import LaterClasses
from headswap.app.service.lessons.wiring import learning_of
from headswap.app.service.networks import TO_START_WITH, Networks
from headswap.app.service.projects import Project, Projects
from headswap.app.service.races import races_of
from headswap.app.service.results import Results
from headswap.app.service.retention import Retention
from headswap.app.service.settings import Settings
from headswap.app.service.thumbnails import small_jpeg
from headswap.app.service.uploads import Uploads
from headswap.app.service.views import JobView, ProjectView, RemainingTime, view_of
from headswap.bundle.prediction import Prediction
from headswap.data.decode import shown_name
from headswap.errors import BadSetting, HeadswapError, NotFound
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.pipeline.inspect import Inspection
from headswap.storage.files import copy, discard, to_json
from headswap.training.config import TrainConfig
from headswap.zoos.catalogue import DEFAULT_MODEL

_WEIGHT_FILES = (".safetensors", ".pt", ".pth", ".bin")
_LONGEST_NAME = 80  # letters of a project's name


class Service:
    """One installation. Use it as a context: leaving it lets every child process go."""

    def __init__(self, settings: Settings, cluster: ClusterWatch | None = None) -> None:
        self.settings, self.cluster = settings, cluster
        root = settings.workspace
        root.mkdir(parents=True, exist_ok=True)
        self._projects = Projects(root / "projects")
        self._store = Store(root / "jobs.sqlite")
        self._queue = Queue(self._store, LocalRunner(), settings.for_queue(), cluster=self.cluster)
        self._supervisor = Supervisor(self._queue)
        self._inference, self._reader = _inference_of(settings), _reader_of(settings)
        self.networks = Networks(self._inference, root / "networks", self._is_teaching)
        self.results = Results(self._store, self._guard(), small_jpeg)
        self.fetching = FetchPolicy(
            networks=settings.networks, weights_gb=settings.limits.weights_gb, cards=self.networks.cards,
            fetched_bytes=self.networks.fetched_bytes,
        )  # fmt: skip
        self.history = History(self._projects, self._queue, self.networks.cards, self.fetching.check)
        self.take_home = Exports(
            self._store, self._projects, self.results, self.predict, packing_process(settings)
        )
        learning = learning_of(
            settings,
            self._projects,
            check_room=self._check_room,
            check_fetch=self.fetching.check,
            job=self.job,
            report=self.results.report,
        )
        self.lessons, self.following = learning.lessons, learning.following
        self.uploads = Uploads()
        self._keeping = Retention(
            self._projects, self._store, settings.limits, waiting=self.uploads.waiting_bytes,
            also=lambda now, hours: learning.tidy(now, hours) + self.batches.tidy(),
        )  # fmt: skip
        self.images = Datasets(
            self._projects,
            self._reader.ask,
            sample=settings.sample,
            is_wanted=self._is_wanted,
            came=self._queue.warm,
            check_room=self._keeping.check_room,
            most_images=settings.limits.pictures,
        )
        self.batches = Batches(
            self._projects, self.results, self.images, self.uploads, self._reader.ask,
            self._keeping.check_room,
        )  # fmt: skip
        self.labelling, self.later, self.film_links = self._labelling(), self._later(), self._film_links()
        self.archive = self._archive()
        self.races = races_of(settings, self._projects, self.fetching, self._keeping.check_room)
        self._pace = RemainingTime()

    def __enter__(self) -> Self:
        self._keeping.start()
        self._supervisor.start()
        self.networks.warm(DEFAULT_MODEL)
        return self

    def __exit__(self, *_: object) -> None:
        self._keeping.stop()
        self.batches.close()
        self.labelling.close()
        self.film_links.close()
        self.races.close()
        self._supervisor.stop(stop_workers=True)
        self._inference.close()
        self._reader.close()
        self.take_home.close()
        self.lessons.close()
        self.archive.close()
        self._store.close()

    def begin_to_end(self) -> None:
        """Workers save while the page says good-bye; leaving the context must follow."""
        self._supervisor.begin_to_stop()

    def health(self) -> Health:
        """Is all well? Counts that name no one."""
        seen = self.cluster.state if self.cluster else None
        return health_of(self._store, self._supervisor, self.settings.workspace, seen)

    # Networks ---------------------------------------------------------------------

    def to_start_with(self) -> tuple[tuple[str, str], ...]:
        """What a newcomer chooses from: a word and the name of a network."""
        return TO_START_WITH

    # Projects ---------------------------------------------------------------------

    def new_project(self, owner: str) -> ProjectView:
        """Begin."""
        return self._view(self._projects.create(owner))

    def project(self, owner: str, project: str) -> ProjectView:
        """Where a project stands."""
        return self._view(self._projects.get(owner, project))

    def rename_project(self, owner: str, project: str, name: str) -> ProjectView:
        """Call it something else."""
        name = " ".join(name.split())[:_LONGEST_NAME]
        if not name:
            raise BadSetting("The project has no name.", remedy="Type one.")
        return self._view(self._projects.save(replace(self._projects.get(owner, project), name=name)))

    def choose_model(self, owner: str, project: str, model: str, *, path: str | None = None) -> ProjectView:
        """Take another network; its head is found, or proved when the person names it."""
        found = self._projects.get(owner, project)
        is_same = model.rpartition("/")[2] == found.model.rpartition("/")[2]
        kept = replace(found, model=model, head_path=path or None, weights=found.weights if is_same else None)
        self.networks.inspect(model, path, self._projects.weights(kept))  # raises: no such network, or head
        return self._view(self._projects.save(kept))

    def opened(self, owner: str, project: str) -> Inspection:
        """The network of a project, opened up: with the person's layer and weight file, if they gave any."""
        found = self._projects.get(owner, project)
        return self.networks.inspect(found.model, found.head_path, self._projects.weights(found))

    def use_weights(self, owner: str, project: str, file: Path) -> Inspection:
        """Take the person's own weight file for the chosen architecture; it decides the old class count."""
        found = self._projects.get(owner, project)
        self._keeping.check_room(owner, file)
        suffix = file.suffix.lower()
        if suffix not in _WEIGHT_FILES:
            raise BadSetting(
                f"{file.name[:80]} is not a weight file.", remedy=f"Give one of {', '.join(_WEIGHT_FILES)}."
            )
        path = self._projects.folder(found.id) / f"weights-{secrets.token_hex(4)}{suffix}"
        copy(file, path)
        try:
            inspection = self.networks.inspect(found.model, found.head_path, path)
        except HeadswapError as error:
            discard(path)
            raise error.renamed(path.name, shown_name(file.name)) from error
        except BaseException:
            discard(path)
            raise
        self._projects.save(replace(found, weights=path.name))
        return inspection

    # Teaching ---------------------------------------------------------------------

    def start_teaching(
        self,
        owner: str,
        project: str,
        config: TrainConfig | None = None,
        *,
        test_share: float = 0.2,
        seed: int = 0,
        key: str = "",
    ) -> str:
        """Queue a run and return its id; the same key again returns the same run."""
        found = self._projects.get(owner, project)
        dataset = self.images.for_teaching(owner, project)
        self._keeping.check_room(owner)
        weights = self._projects.weights(found)
        if weights is None:
            self.fetching.check(found.model)
        rest = self.labelling.rest(owner, project)
        experiment = Experiment(
            data=DataConfig(
                source=str(dataset), test_share=test_share, seed=seed, unlabeled=str(rest) if rest else None
            ),
            model=found.model,
            weights=str(weights) if weights else None,
            head_path=found.head_path,
            train=config or TrainConfig(),
        )
        key = short_key(key) or f"{found.id}-{self.history.newest(found)}"
        job = self._queue.submit(owner, found.id, to_json(experiment), key)
        if found.shown:
            self._projects.save(replace(found, shown=None))
        return job

    def take_winner(self, owner: str, project: str) -> tuple[str, ...]:
        """Make the network that has won the race the project's own, and queue a run of it; the run's id.

        Raises:
            NotFound: there is no such project, or no race with a winner.
        """
        winner = self.races.winner(owner, project)
        self.choose_model(owner, project, winner)
        return self.history.compare(owner, project, (winner,))

    def _is_teaching(self) -> bool:
        return bool(self._store.in_state(JobState.RUNNING))

    def warm(self) -> None:
        """Someone is here: have a worker, the readers and the process that predicts ready."""
        self._inference.warm()
        self._reader.warm()
        self.networks.after_the_first(self._queue.warm)

    def job(self, owner: str, job: str) -> JobView:
        """How a run goes."""
        found = self._store.get(job, owner=owner)
        events = read_events(self._store.folder(found.id))
        return view_of(
            found,
            events,
            queue_position=self._queue.position(found.id),
            seconds_left=self._pace.seconds_left(found),
        )

    def cancel(self, owner: str, job: str) -> None:
        """Stop a run: at once when it waits, between two steps when it runs."""
        self._queue.cancel(self._store.get(job, owner=owner).id)

    def finish_early(self, owner: str, job: str) -> None:
        """Let a run train no longer: the best it has found is examined and kept."""
        self._queue.finish_early(self._store.get(job, owner=owner).id)

    # Results ----------------------------------------------------------------------

    def predict(self, owner: str, job: str, image: Path) -> Prediction:
        """Let a taught network say what a picture shows."""
        return self.results.predict(owner, job, (image,))[0]

    def exported_page(self, key: str) -> Path:
        """The web page that a link opens.

        Raises:
            NotFound: there is no such link, or no page any more.
        """
        page = self.take_home.page_view(*self.following.page_of(key)).page
        if page is None:
            raise NotFound("This page is not here any more.", remedy="Ask for the link again.")
        return page

    def _view(self, project: Project) -> ProjectView:
        job, done = self.history.current(project), self.history.shown(project)
        return ProjectView(
            id=project.id,
            name=project.name,
            model=project.model,
            head_path=project.head_path,
            has_own_weights=project.weights is not None,
            has_images=project.data is not None,
            job=job.id if job else None,
            done_job=done.id if done else None,
            is_stale=done is not None and self.history.is_stale(project, done),
        )

    def room_of(self, owner: str) -> int:
        """Bytes that a person may still bring."""
        return self._keeping.room_of(owner)

    def _check_room(self, owner: str) -> None:
        self._keeping.check_room(owner)

    def _labelling(self) -> Labelling:
        return Labelling(
            self._projects, self.images, self.uploads, self._reader.ask, self._inference.ask,
            check_room=self._keeping.check_room, check_fetch=self.fetching.check,
        )  # fmt: skip

    def _archive(self) -> ProjectArchive:
        return archive_of(
            self.settings, self._projects, self._store, self._keeping.check_room, self.labelling.folder_of
        )

    def _film_links(self) -> FilmLinks:
        return FilmLinks(
            self._projects, self.images, check_room=self._keeping.check_room, room_of=self.room_of,
            upload_mb=self.settings.limits.upload_mb, is_local_allowed=self.settings.local_links,
        )  # fmt: skip

    def _later(self) -> LaterClasses:
        return LaterClasses(
            self._projects, self._store, self.results, self.uploads, self._reader.ask, self._inference.ask,
            check_room=self._keeping.check_room,
        )  # fmt: skip

    def _guard(self) -> SafeInference:
        ours = (self.settings.workspace / "projects", self.settings.sample.parent)
        return SafeInference(
            self._inference, self._reader, folder=self.settings.workspace / "tries", ours=ours
        )

    def _is_wanted(self, project: Project, dataset: Path) -> bool:
        """Whether a run of the project was started with these pictures."""
        jobs = self._store.of_project(project.owner, project.id)
        return any(dataset.parent.name in job.experiment_json for job in jobs)


def _inference_of(settings: Settings) -> ChildProcess:
    """The process that holds networks."""
    return ChildProcess(
        "headswap.app.processes.inference:answer",
        timeout_s=settings.limits.answer_timeout_s,
        memory_bytes=settings.for_queue().worker_bytes,
        log=settings.workspace / "logs" / "inference.jsonl",
    )


def _reader_of(settings: Settings) -> Reader:
    """The processes that read strangers' pictures."""
    return Reader(
        settings.workspace / "logs",
        settings.for_reader(),
        scratch=settings.workspace / "reading",
        upload_timeout_s=settings.limits.import_timeout_s,
    )
