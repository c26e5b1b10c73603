"""Everything a person does with headswap, in one process that may live under another system's rules.

python journey.py FOLDER DRAWINGS      ->  the last line of stdout says in JSON what was seen
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headswap.app.jobs.store import Store
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.app.service.temporary import temporary_folder
from headswap.cli.main import main as shell
from headswap.errors import HeadswapError
from headswap.lessons.config import LessonConfig

PATIENCE_S = 1800.0
CITY, ACCENT = "Łódź", "épée"


def zip_of(drawings: Path, place: Path) -> Path:
    """A zip as the Explorer of Windows and the Finder of macOS would make one together."""
    with zipfile.ZipFile(place, "w") as packed:
        for number, path in enumerate(sorted(drawings.rglob("*.png"))):
            name = {"bird": CITY, "fruit": ACCENT, "vehicle": "CON"}[path.parent.name]
            if name == ACCENT:
                name = unicodedata.normalize("NFD" if number % 2 else "NFC", name)
            packed.writestr(f"Mine\\{name}\\{path.name}", path.read_bytes())
        packed.writestr(f"Mine/{CITY}/aux.png", b"not a picture")
        packed.writestr("Mine/.DS_Store", b"\0")
        packed.writestr(f"__MACOSX/Mine/{CITY}/._bird.png", b"\0")
    return place


def wait(ask: Callable[[], Any], until: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not until(seen := ask()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{seen}")
        time.sleep(0.05)
    return seen


@contextmanager
def server(folder: Path, drawings: Path) -> Iterator[Service]:
    settings = Settings(workspace=folder / "workspace", sample=drawings, lesson=LessonConfig(epochs=1))
    with temporary_folder(settings.workspace), Service(settings) as service:
        yield service


@dataclass
class Trip:
    """Where it goes, and what was seen on the way."""

    folder: Path
    drawings: Path
    service: Service
    project: str = ""
    job: str = ""
    packed: Path = Path()
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def image(self) -> Path:
        return next((self.drawings / "bird").iterdir())


def take_images_in(trip: Trip) -> None:
    service, trip.project = trip.service, trip.service.new_project("ada").id
    manifest = service.images.add("ada", trip.project, zip_of(trip.drawings, trip.folder / "given.zip"))
    trip.seen["counts"] = manifest.counts
    trip.seen["left out"] = [left.file for left in manifest.left_out]


def mend_them(trip: Trip) -> None:
    service, images = trip.service, trip.service.images
    service.rename_project("ada", trip.project, "CON")
    manifest = service.images.manifest("ada", trip.project)
    assert manifest is not None
    images.drop("ada", trip.project, (manifest.images[0].file,))
    images.rename_class("ada", trip.project, "CON", "vehicle")
    images.undo("ada", trip.project)
    images.add("ada", trip.project, trip.drawings)  # while their thumbnails were opened, too
    manifest = service.images.manifest("ada", trip.project)
    assert manifest is not None
    for one in manifest.images:
        service.images.thumbnail("ada", trip.project, one.sha256)
    images.undo("ada", trip.project)


def stop_in_the_middle(trip: Trip) -> None:
    trip.job = trip.service.start_teaching("ada", trip.project, key="first")
    wait(lambda: trip.service.job("ada", trip.job), lambda view: view.is_over or view.share > 0)
    trip.service.begin_to_end()


def teach(trip: Trip) -> None:
    """What the server before had begun is done by this one."""
    done = wait(lambda: trip.service.job("ada", trip.job), lambda view: view.is_over)
    trip.seen["taught after the restart"] = (done.state, done.problem, done.remedy)
    store = Store(trip.folder / "workspace" / "jobs.sqlite")
    trip.seen["crashes"] = store.get(trip.job).crashes  # 0: it was not killed, it was told to stop
    store.close()


def ask(trip: Trip) -> None:
    trip.seen["label"] = trip.service.predict("ada", trip.job, trip.image).label
    trip.service.results.heat_map("ada", trip.job, trip.image)


def take_home(trip: Trip) -> None:
    trip.packed = trip.service.take_home.file("ada", trip.job)
    trip.seen["zip"] = trip.packed.name
    check = trip.service.take_home.view("ada", trip.job).check
    trip.seen["agree"] = check.agree if check else None


def learn(trip: Trip) -> None:
    progress, lessons = trip.service.lessons.open("ada", "").id, trip.service.lessons
    lessons.run("ada", progress, "which-layer", 0)
    view = wait(lambda: lessons.view("ada", progress, "which-layer"), lambda one: not one.run.is_going)
    trip.seen["lesson"] = view.result is not None


def save_open_and_delete(trip: Trip) -> None:
    service = trip.service
    saved = service.archive.save("ada", trip.project, trip.folder / "saved")
    again = service.archive.open("ada", saved)
    trip.seen["saved"] = (
        saved.name,
        sum(row.project == again for row in service.history.rows("ada", (again,))),
    )
    kept = Path(shutil.copyfile(trip.packed, trip.folder / "kept.zip"))
    service.history.delete("ada", trip.job)
    trip.seen["deleted"] = not (trip.folder / "workspace" / "jobs" / trip.job).exists()
    trip.packed = kept


def use_the_shell(trip: Trip) -> None:
    given, packed = str(trip.folder / "given.zip"), str(trip.packed)
    trip.seen["check"] = shell(["check", given])
    trip.seen["predict"] = shell(["predict", packed, str(trip.image)])
    trip.seen["evaluate"] = shell(["evaluate", packed, given])  # 2: it has seen all of these pictures


BEFORE_THE_RESTART = (take_images_in, mend_them, stop_in_the_middle)
AFTER_IT = (teach, ask, take_home, learn, save_open_and_delete)


def main(folder: Path, drawings: Path) -> dict[str, Any]:
    with server(folder, drawings) as service:
        trip = Trip(folder, drawings, service)
        for stage in BEFORE_THE_RESTART:
            stage(trip)
    with server(folder, drawings) as trip.service:
        for stage in AFTER_IT:
            stage(trip)
    use_the_shell(trip)
    return trip.seen


if __name__ == "__main__":
    try:
        facts = main(Path(sys.argv[1]), Path(sys.argv[2]))
    except HeadswapError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    sys.stdout.write(json.dumps(facts) + "\n")
