"""What a worker process does: one experiment, from its record to a sealed bundle in the job's folder."""

from __future__ import annotations

from pathlib import Path

from headswap.errors import BundleDamaged
from headswap.events import Listener
from headswap.pipeline.experiment import Experiment
from headswap.pipeline.run import run_experiment
from headswap.pipeline.stats import keep_figures
from headswap.storage.files import check_seal, from_json, remove


def run_job(experiment_json: str, job_folder: Path, listener: Listener) -> str:
    """What a worker process does: one experiment; returns the name of the sealed result."""
    experiment: Experiment = from_json(Experiment, experiment_json)
    folder = job_folder / "bundle"
    if not _is_whole(folder):  # a worker that died after sealing left it whole
        outcome = run_experiment(experiment, folder, workspace=job_folder.parent.parent, listener=listener)
        keep_figures(job_folder, outcome.figures)
    return folder.name


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
