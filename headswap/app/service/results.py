"""What a finished run gives: its report, its answers, its heat maps, and its label issues.

Flow:  job that is done --Results--> Report, Prediction, HeatMap, thumbnails, doubts left to settle

A run is shown with the pictures that it was taught on, also after the project has got others.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from headswap.app.jobs.job import JobState
from headswap.app.jobs.store import Store
from headswap.app.processes.guard import SafeInference
from headswap.app.processes.inference import AskHeatMap, AskPredictions, BatchPredictions, PredictCameraImage
from headswap.bundle.format import read_report
from headswap.bundle.prediction import HeatMap, Prediction
from headswap.data.manifest import Manifest
from headswap.errors import BadSetting, NotFound
from headswap.evaluation.report import LabelIssue, Report
from headswap.pipeline.experiment import Experiment
from headswap.storage.files import from_json, to_json, write_text
from headswap.storage.records import read_record

Thumbnail = Callable[[Path, int], bytes]
_PREVIEW_PX = 320
MOST_AT_ONCE = 32  # pictures in one question
_LARGEST_FRAME = 3_000_000  # letters of a camera's picture
_DISMISSED = "settled.json"


@dataclass(frozen=True)
class DismissedIssues:
    """Doubts that a person has decided."""

    sha256s: tuple[str, ...] = ()


class Results:
    """The results of all runs of one installation."""

    def __init__(self, store: Store, child: SafeInference, thumbnail: Thumbnail) -> None:
        self._store, self._child, self._thumbnail = store, child, thumbnail

    def bundle(self, owner: str, job: str) -> Path:
        """Where the sealed result is.

        Raises:
            NotFound: there is no such run, or it has no result yet.
        """
        found = self._store.get(job, owner=owner)
        if found.state is not JobState.DONE:
            raise NotFound("This run has no result yet.", remedy="Wait until it is done, or teach again.")
        return self._store.folder(found.id) / found.result

    def report(self, owner: str, job: str) -> Report:
        """The report."""
        return read_report(self.bundle(owner, job))

    def predict(self, owner: str, job: str, images: tuple[Path, ...]) -> tuple[Prediction, ...]:
        """Let the taught network say what pictures show, all at once."""
        if not 0 < len(images) <= MOST_AT_ONCE:
            raise BadSetting(
                f"{len(images)} pictures were given.", remedy=f"Give one to {MOST_AT_ONCE} at once."
            )
        question = AskPredictions(str(self.bundle(owner, job)), tuple(map(str, images)))
        return self._child.ask(question, BatchPredictions).predictions

    def predict_frame(self, owner: str, job: str, frame: str) -> Prediction:
        """The same for one picture of a camera, as base64; it is never written to the disk."""
        text = frame.rpartition(",")[2]
        try:
            usable = len(text) <= _LARGEST_FRAME and bool(b64decode(text, validate=True))
        except ValueError:  # not base64, or not even ASCII
            usable = False
        if not usable:
            raise BadSetting("The camera's picture did not arrive whole.", remedy="Try again.")
        question = PredictCameraImage(str(self.bundle(owner, job)), text)
        return self._child.ask(question, Prediction)

    def preview(self, owner: str, job: str, image: Path) -> bytes:
        """A small JPEG of a picture that is tried, for browsers that cannot show its format."""
        self.bundle(owner, job)
        with self._child.clean(image) as copy:
            return self._thumbnail(copy, _PREVIEW_PX)

    def heat_map(self, owner: str, job: str, image: Path, label: str | None = None) -> HeatMap:
        """Light up what spoke for a class in a picture; without `label`, for the class it chose."""
        question = AskHeatMap(str(self.bundle(owner, job)), str(image), label)
        return self._child.ask(question, HeatMap)

    def image_file(self, owner: str, job: str, sha256: str) -> Path:
        """Where one of the pictures is that the run was taught or examined on."""
        manifest = self._manifest(owner, job)
        for image in manifest.images if manifest else ():
            if image.sha256 == sha256 and manifest is not None and manifest.path(image).is_file():
                return manifest.path(image)
        raise NotFound("This picture is not kept any more.", remedy="Teach again to see it.")

    def thumbnails(
        self, owner: str, job: str, sha256s: Iterable[str], px: int = 160
    ) -> dict[str, tuple[str, bytes]]:
        """sha256 -> its class and a small JPEG; pictures that are gone are left out."""
        manifest = self._manifest(owner, job)
        if manifest is None:
            return {}
        known = {image.sha256: image for image in manifest.images}
        wanted = [known[sha256] for sha256 in dict.fromkeys(sha256s) if sha256 in known]
        return {
            image.sha256: (image.class_name, self._thumbnail(manifest.path(image), px))
            for image in wanted
            if manifest.path(image).is_file()
        }

    def label_issues(self, owner: str, job: str) -> tuple[LabelIssue, ...]:
        """Labels that may be wrong and that no one has decided yet, most doubtful first."""
        dismissed = self._dismissed(owner, job)
        return tuple(issue for issue in self.report(owner, job).label_issues if issue.sha256 not in dismissed)

    def dismiss(self, owner: str, job: str, sha256: str) -> None:
        """A person has decided about a doubted label: it is not brought up again."""
        known = {issue.sha256 for issue in self.report(owner, job).label_issues}
        if sha256 in known:
            dismissed = tuple(dict.fromkeys((*self._dismissed(owner, job), sha256)))
            write_text(self._store.folder(job) / _DISMISSED, to_json(DismissedIssues(dismissed)))

    def restore(self, owner: str, job: str, sha256: str) -> None:
        """Take back what was decided about a doubted label: it is brought up again."""
        left = tuple(one for one in self._dismissed(owner, job) if one != sha256)
        write_text(self._store.folder(job) / _DISMISSED, to_json(DismissedIssues(left)))

    def dismissed(self, owner: str, job: str) -> tuple[LabelIssue, ...]:
        """Labels that were doubted and are decided."""
        dismissed = self._dismissed(owner, job)
        return tuple(issue for issue in self.report(owner, job).label_issues if issue.sha256 in dismissed)

    def _manifest(self, owner: str, job: str) -> Manifest | None:
        """The pictures of a run, in their parts; None when they are gone."""
        found = self._store.get(job, owner=owner)
        experiment: Experiment = from_json(Experiment, found.experiment_json)
        source = Path(experiment.data.source)
        if not source.is_file():
            return None
        manifest: Manifest = read_record(Manifest, source)
        return manifest

    def _dismissed(self, owner: str, job: str) -> tuple[str, ...]:
        path = self._store.folder(self._store.get(job, owner=owner).id) / _DISMISSED
        if not path.is_file():
            return ()
        dismissed: DismissedIssues = from_json(DismissedIssues, path.read_bytes())
        return dismissed.sha256s
