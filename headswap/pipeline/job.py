"""What a worker process does: one experiment, from its record to a sealed bundle in the job's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.errors import BundleDamaged
from headswap.events import Listener
from headswap.pipeline.experiment import Experiment
from headswap.pipeline.run import run_experiment
from headswap.pipeline.stats import keep_figures
from headswap.storage.files import check_seal, from_json, remove

if TYPE_CHECKING:
    from headswap.cluster.crew import Crew


def run_job(experiment_json: str, job_folder: Path, listener: Listener, on: str | None = None) -> str:
    """What a worker process does: one experiment; returns the name of the sealed result.

    Args:
        experiment_json: of an `Experiment`.
        job_folder: two levels below the folder where features are kept.
        listener: hears every step; may raise `Cancelled`.
        on: the cluster whose machines see the images, "auto" or HOST:PORT; None: this machine alone.

    Raises:
        ClusterLost: the cluster does not answer; the same call goes on from the features that are there.
    """
    experiment: Experiment = from_json(Experiment, experiment_json)
    folder, workspace = job_folder / "bundle", job_folder.parent.parent
    if not _is_whole(folder):  # a worker that died after sealing left it whole
        with _crew_if(on, experiment, job_folder) as crew:
            outcome = run_experiment(experiment, folder, workspace=workspace, crew=crew, listener=listener)
        keep_figures(job_folder, outcome.figures)
    return folder.name


@contextmanager
def _crew_if(on: str | None, experiment: Experiment, job_folder: Path) -> Iterator[Crew | None]:
    """A crew that joins the cluster when there is work for it, in a process of its own."""
    if on is None:
        yield None
        return
    from headswap.cluster.driver import DrivenCrew

    jobs = job_folder.parent
    paths = [Path(path) for path in (experiment.data.source, experiment.weights) if path]
    written = [jobs.parent / "features", jobs]  # features, and the checkpoints of tries
    with DrivenCrew(on, paths=paths, folder=jobs.parent, written=written) as crew:
        yield crew


def _is_whole(folder: Path) -> bool:
    """Whether a sealed bundle is there; a damaged one is cleared away, to be made again."""
    if not folder.exists():
        return False
    try:
        check_seal(folder)
    except BundleDamaged:
        remove(folder)
        return False
    return True
