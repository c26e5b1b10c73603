"""Every run of a person, kept: how good, how fast, how large; shown again, deleted, compared.

Flow:  projects a browser knows --History.rows--> RunView each --show--> the five steps as they were then

Who asks gets the runs of projects whose ids they know and own; of all others there is nothing to see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from headswap.app.jobs.job import Job, JobState
from headswap.app.jobs.queue import Queue
from headswap.app.service.networks import TakenRun
from headswap.app.service.projects import Project, Projects
from headswap.app.service.views import share_of
from headswap.bundle.format import read_report
from headswap.errors import BadSetting, HeadswapError, NotFound
from headswap.network import NetworkCard
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.pipeline.stats import read_figures
from headswap.storage.files import from_json, to_json
from headswap.threads import machine_text
from headswap.training.config import TrainConfig

MOST_COMPARED = 8  # networks at once
_TAKEN = 20  # runs from which it is told how long the next one takes
Cards = Callable[[tuple[str, ...]], tuple[NetworkCard, ...]]


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What a sealed report says, in a few figures."""

    accuracy: float
    interval: tuple[float, float]
    right: int
    total: int
    images: int  # practised on and examined
    depth: str  # what moved in the end
    tried: str = ""  # what was asked for, where that came to nothing and the head alone was kept


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run as a table shows it; None is what was not measured, or not yet."""

    id: str
    project: str
    project_name: str
    created_at: float  # seconds since 1970
    model: str
    images_key: str  # runs with the same one were taught and tested on the same images
    depth: str  # what may move
    state: str  # queued, running, done, failed, cancelled, paused
    share: float  # done, in [0, 1]
    problem: str  # why it failed
    is_shown: bool  # its report is the one that Test shows
    summary: RunSummary | None
    seconds: float | None
    parameters: int | None
    size_bytes: int | None
    ms_per_image: float | None
    machine: str = ""  # that was so fast
    has_lost_cluster: bool = False  # it is paused until the cluster is back

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


class History:
    """The runs of all projects of one installation."""

    def __init__(
        self,
        projects: Projects,
        queue: Queue,
        cards: Cards,
        check_fetch: Callable[..., None] = lambda *_: None,
    ) -> None:
        """Take what it works with.

        Args:
            projects: where projects are kept.
            queue: of all runs.
            cards: what is known of networks; raises when no zoo has one of that name.
            check_fetch: raises when one of these networks would have to be fetched and may not be.
        """
        self._check_fetch = check_fetch
        self._projects, self._queue, self._store, self._cards = projects, queue, queue.store, cards

    def rows(self, owner: str, projects: Sequence[str]) -> tuple[RunView, ...]:
        """The runs of these projects that are the owner's, newest first."""
        found: list[tuple[Job, Project]] = []
        for project in self._projects.known(owner, projects):
            found += [(job, project) for job in self._store.of_project(owner, project.id)]
        found.sort(key=lambda pair: -pair[0].sequence)
        shown = {project.id: self.shown(project) for _, project in found}
        return tuple(self._row(job, project, shown[project.id]) for job, project in found)

    def row(self, owner: str, job: str) -> RunView:
        """One run.

        Raises:
            NotFound: there is no such run.
        """
        found = self._store.get(job, owner=owner)
        project = self._projects.get(owner, found.project)
        return self._row(found, project, self.shown(project))

    def experiment(self, owner: str, job: str) -> Experiment:
        """What a run was asked to do.

        Raises:
            NotFound: there is no such run.
        """
        return _experiment(self._store.get(job, owner=owner))

    def before(self, owner: str, job: str) -> RunView | None:
        """The run of the same project that was done last before this one was asked for.

        Raises:
            NotFound: there is no such run.
        """
        found = self._store.get(job, owner=owner)
        project = self._projects.get(owner, found.project)
        done = [one for one in self._of(project) if one.state is JobState.DONE]
        earlier = next((one for one in done if one.sequence < found.sequence), None)
        return self._row(earlier, project, None) if earlier else None

    def taken(self, owner: str) -> tuple[TakenRun, ...]:
        """The owner's newest runs that went to their end on this machine, without a limit."""
        runs: list[TakenRun] = []
        for job in reversed(self._store.of_owner(owner)):
            experiment, folder = _experiment(job), self._store.folder(job.id)
            if job.state is not JobState.DONE or job.finish_requested or experiment.train.budget_s:
                continue
            figures, summary = read_figures(folder), _summary_of(folder / job.result)
            if figures and summary and figures.machine == machine_text():
                runs.append(TakenRun(experiment=experiment, images=summary.images, seconds=figures.seconds))
            if len(runs) == _TAKEN:
                break
        return tuple(runs)

    def shown(self, project: Project) -> Job | None:
        """The run whose report Test shows: the one that was opened last, else the newest that is done."""
        done = [job for job in self._of(project) if job.state is JobState.DONE]
        return next((job for job in done if job.id == project.shown), done[0] if done else None)

    def is_stale(self, project: Project, job: Job) -> bool:
        """Whether the project's pictures are others than those that a run was taught on.

        Where a network was opened without its pictures, there are none that could be others.
        """
        dataset, source = self._projects.dataset(project), Path(_experiment(job).data.source)
        return source.is_file() if dataset is None else source != dataset

    def current(self, project: Project) -> Job | None:
        """The run that the header speaks of: the one at work, else the next in the queue, else the newest."""
        jobs = self._of(project)
        running = [job for job in jobs if job.state is JobState.RUNNING]
        waiting = [job for job in jobs if not job.is_over]
        return next(iter([*running, *waiting[::-1], *jobs]), None)

    def newest(self, project: Project) -> int:
        """The number of the newest run, 0 when there is none: it makes two presses of a button one."""
        return max((job.sequence for job in self._of(project)), default=0)

    def show(self, owner: str, job: str) -> str:
        """Bring a run back: its report to Test, its network to Network; returns the project it belongs to.

        Raises:
            NotFound: there is no such run, or it has no report.
        """
        found = self._store.get(job, owner=owner)
        project = self._projects.get(owner, found.project)
        if found.state is not JobState.DONE:
            raise NotFound("This run has no report.", remedy="Open one that is done.")
        experiment = _experiment(found)
        weights = Path(experiment.weights).name if experiment.weights else None
        if weights and not (self._projects.folder(project.id) / weights).is_file():
            weights = None
        self._projects.save(
            replace(
                project,
                shown=found.id,
                model=experiment.model,
                head_path=experiment.head_path,
                weights=weights,
            )
        )
        return project.id

    def delete(self, owner: str, job: str) -> bool:
        """Remove a run that is over, with all it left.

        Returns:
            False when another program holds some of its files: they go as soon as they are free.

        Raises:
            NotFound: there is no such run.
            BadSetting: it is not over.
        """
        found = self._store.get(job, owner=owner)
        if not self._store.forget(found.id):
            raise BadSetting("This run is not over.", remedy="Stop it first, then delete it.")
        return self._store.is_all_gone(found.id)

    def compare(self, owner: str, project: str, models: Sequence[str]) -> tuple[str, ...]:
        """Queue a run of each network on the pictures as they are; returns the ids of those started.

        A network that has such a run already, waiting, at work or done, is not started again, so
        pressing twice, or coming back after a restart, adds nothing.
        """
        found = self._projects.get(owner, project)
        dataset = self._projects.dataset(found)
        if dataset is None:
            raise BadSetting("There are no pictures yet.", remedy="Add some, or use the sample set.")
        names = tuple(dict.fromkeys(models))
        if not names:
            raise BadSetting("No network was chosen.", remedy="Choose two or more.")
        if len(names) > MOST_COMPARED:
            raise BadSetting(f"{len(names)} networks were chosen.", remedy=f"Choose {MOST_COMPARED} at most.")
        bare = tuple(name.rpartition("/")[2] for name in names)
        known = zip((*names, *bare), self._cards((*names, *bare)), strict=True)
        full = {name: card.full_name for name, card in known}
        there = {
            _settings_key(_experiment(job), full)
            for job in self._of(found)
            if job.state not in (JobState.FAILED, JobState.CANCELLED)
        }
        self._check_fetch(*names)
        newest, started = self.newest(found), []
        for name in names:
            experiment = Experiment(
                data=DataConfig(source=str(dataset)), model=full[name], train=TrainConfig()
            )
            if _settings_key(experiment, full) not in there:
                key = f"{found.id}-{newest}-{full[name]}"
                started.append(self._queue.submit(owner, found.id, to_json(experiment), key))
        self._projects.save(replace(self._projects.get(owner, project), shown=None))
        return tuple(started)

    # ------------------------------------------------------------------------------

    def _of(self, project: Project) -> list[Job]:
        return self._store.of_project(project.owner, project.id)

    def _row(self, job: Job, project: Project, shown: Job | None) -> RunView:
        experiment = _experiment(job)
        folder = self._store.folder(job.id)
        summary = _summary_of(folder / job.result) if job.state is JobState.DONE else None
        figures = read_figures(folder)
        return RunView(
            id=job.id,
            project=project.id,
            project_name=project.name,
            created_at=job.created_at,
            model=experiment.model,
            images_key=f"{experiment.data.source} {experiment.data.test_share:g} {experiment.data.seed}",
            depth=summary.depth if summary else experiment.train.depth,
            state=str(job.state),
            share=share_of(job),
            problem=str(job.error.problem) if job.error else "",
            is_shown=shown is not None and shown.id == job.id,
            summary=summary,
            seconds=figures.seconds if figures else None,
            parameters=figures.parameters if figures else None,
            size_bytes=figures.size_bytes if figures else None,
            ms_per_image=figures.ms_per_image if figures else None,
            machine=figures.machine if figures else "",
            has_lost_cluster=job.has_lost_cluster,
        )


def _settings_key(experiment: Experiment, full: Mapping[str, str]) -> str:
    """Two runs with the same key would give the same result."""
    return to_json(replace(experiment, model=full.get(experiment.model, experiment.model)))


def _experiment(job: Job) -> Experiment:
    experiment: Experiment = from_json(Experiment, job.experiment_json)
    return experiment


@lru_cache(maxsize=512)
def _summary_of(bundle: Path) -> RunSummary | None:
    """A sealed bundle never changes; one that is damaged has no report, and says so when it is opened."""
    try:
        report = read_report(bundle)
    except (HeadswapError, OSError):
        return None
    return RunSummary(
        accuracy=report.accuracy,
        interval=report.interval,
        right=report.right,
        total=report.total,
        images=report.train_total + report.test_total,
        depth=report.finetune.depth if report.finetune else "head",
        tried=report.finetune.asked if report.finetune and report.finetune.depth == "head" else "",
    )
