"""Images that a crew reads and sees give what this process gives alone: odd files, zips, several networks."""

from __future__ import annotations

import platform
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import headswap
from headswap.cluster.crew import Parcel
from headswap.data.manifest import Manifest
from headswap.errors import BadSetting, Cancelled, FinishEarly
from headswap.events import EpochEnd, Event, Guesses, Listener, Note, Progress, silent
from headswap.pipeline import run, spread
from headswap.training.config import Depth, FinetuneConfig, TrainConfig
from tests.cluster.here import Here
from tests.pipeline.small_chunks import use_crew
from tests.pipeline.tiny_network import TINY, TINY_PX

NETWORK = "tests.pipeline.tiny_network:tiny_network"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A crew of this process takes the place of a cluster; says which parcels it was given."""
    asked: list[str] = []

    class Told(Here):
        def each(self, task, parcels, **more):
            def taken() -> Iterator[Parcel]:
                for parcel in parcels:
                    asked.append(parcel.about)
                    yield parcel

            return super().each(task, taken(), **more)

    use_crew(monkeypatch, Told())
    return asked


@pytest.fixture
def bundle(tiny_bundle: Path) -> Path:
    """Every network is asked in the same way; the small one takes least."""
    return tiny_bundle


@pytest.fixture
def odd(few_drawings: Path, tmp_path: Path) -> Path:
    """The drawings in a zip, with a file that is no picture and one picture twice."""
    folder = tmp_path / "odd"
    shutil.copytree(few_drawings, folder)
    (folder / "fruit" / "broken.jpg").write_bytes(b"no picture")
    first = min((folder / "vehicle").iterdir())
    shutil.copy(first, folder / "vehicle" / f"zz{first.suffix}")
    return Path(shutil.make_archive(str(folder), "zip", folder))


def taught_tiny(data: Path | str, weights: Path, out: Path, **more: Any) -> headswap.Outcome:
    return headswap.teach(
        data, model=TINY, weights=weights, head="last", out=out, config=TrainConfig(px=TINY_PX), **more
    )


@pytest.mark.thorough  # the one at an address is read the same way
def test_a_zip_with_odd_files_gives_the_same_bundle(
    odd: Path, tiny_weights: Path, tmp_path: Path, here: list[str]
) -> None:
    one = taught_tiny(odd, tiny_weights, tmp_path / "one", workspace=tmp_path / "mine")
    assert here == []
    many = taught_tiny(odd, tiny_weights, tmp_path / "many", workspace=tmp_path / "w", on="auto")

    assert len(here) == 4, "19 files after the first seven"
    assert here[0].startswith("One of the files from ")
    assert one.left_out == many.left_out
    assert [left.file for left in many.left_out] == ["fruit/broken.jpg"]
    for name in sorted(path.name for path in (tmp_path / "one").iterdir()):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes(), name


def test_a_zip_at_an_address_gives_all_its_images(
    odd: Path, bundle: Path, tiny_weights: Path, tmp_path: Path, here: list[str]
) -> None:
    address, workspace = f"file://{odd.as_posix()}", tmp_path / "w"

    near = taught_tiny(odd, tiny_weights, tmp_path / "near", workspace=tmp_path / "mine")
    far = taught_tiny(address, tiny_weights, tmp_path / "far", workspace=workspace, on="auto")
    rows = headswap.compare(address, models=[NETWORK], folds=2, workspace=workspace, on="auto")

    assert far.counts == near.counts
    assert rows.counts == near.counts
    for taught in (near, far):
        assert [left.file for left in taught.left_out] == ["fruit/broken.jpg"]
    assert headswap.evaluate(bundle, address, workspace=workspace, on="auto") == headswap.evaluate(
        bundle, odd, workspace=tmp_path / "mine"
    )
    assert here


def test_networks_are_compared_with_the_same_figures(
    few_drawings: Path, tmp_path: Path, here: list[str]
) -> None:
    one = headswap.compare(few_drawings, models=[NETWORK], folds=2, workspace=tmp_path / "mine").rows[0]
    many = headswap.compare(
        few_drawings, models=[NETWORK], folds=2, workspace=tmp_path / "w", on="auto"
    ).rows[0]

    assert len(here) == 2 * 3, "read by three parcels, seen by three"
    assert one.state == many.state == "done"
    assert (one.right, one.head, one.right_last, one.computed) == (many.right, many.head, many.right_last, 24)


def test_images_of_folders_and_zips_are_answered_in_their_order(
    odd: Path, bundle: Path, few_drawings: Path, here: list[str]
) -> None:
    asked = [few_drawings, odd]

    one = headswap.predict(bundle, asked)
    many = headswap.predict(bundle, asked, on="auto")

    assert len(here) == 9, "24 drawings, then 26 files of the zip"
    assert many.left_out == one.left_out
    assert len(many.left_out) == 1
    assert [said.file for said in many.answers] == [said.file for said in one.answers]
    for mine, theirs in zip(one.answers, many.answers, strict=True):
        assert theirs.label == mine.label
        assert theirs.nearest == mine.nearest
        assert theirs.probabilities == pytest.approx(mine.probabilities, abs=1e-4)
        assert theirs.ood_score == pytest.approx(mine.ood_score, abs=1e-3)
    with pytest.raises(BadSetting, match="cannot be given a loaded bundle"):
        headswap.predict(headswap.load_bundle(bundle), asked, on="auto")


def test_a_bundle_is_measured_with_the_same_figures(
    odd: Path, bundle: Path, tmp_path: Path, here: list[str]
) -> None:
    one = headswap.evaluate(bundle, odd, workspace=tmp_path / "mine")
    many = headswap.evaluate(bundle, odd, workspace=tmp_path / "w", on="auto")

    assert len(here) == 4 + 5, "19 files to read, 25 images to answer"
    assert many == one


def test_a_process_without_the_engine_of_the_others_refuses() -> None:
    backbone = spread.SeenBy(
        run="r", model="tf_efficientnet_lite0", weights=None, px=None, crop_mode=None, head_path=None,
        head="last", expected=1, flip=False, engine="torch-quantum-float32", batch_size=16, folder="nowhere",
    )  # fmt: skip

    with pytest.raises(BadSetting, match=f"^{socket.gethostname()} cannot run torch-quantum-float32"):
        spread._bank(backbone)


@pytest.fixture(scope="module")
def tinted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tinted noise in three classes: small, and not easy."""
    folder, random = tmp_path_factory.mktemp("tinted") / "noise", np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(0, 200, (32, 40, 3))
            pixels[..., channel] += 8
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def taught(
    tinted: Path, out: Path, depth: Depth = "everything", *, on: str | None, listener: Listener = silent,
    epochs: int = 3,
) -> headswap.Outcome:  # fmt: skip
    finetune = FinetuneConfig(epochs=epochs, batch_size=8, learning_rate=1e-2)
    return headswap.teach(
        tinted, model=NETWORK, head="last", out=out,
        config=TrainConfig(depth=depth, px=32, finetune=finetune),
        workspace=out.with_name(f"{out.name}-workspace"), on=on, listener=listener,
    )  # fmt: skip


def runs_of(asked: list[str]) -> list[str]:
    return [about.removeprefix("The try ") for about in asked if about.startswith("The try ")]


def test_what_is_tried_elsewhere_leaves_the_same_bundle_though_the_first_driver_dies(
    tinted: Path, tmp_path: Path, here: list[str]
) -> None:
    mine: list[Event] = []
    theirs: list[Event] = []

    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.step == "finetune" and len(runs_of(here)) == 2:
            raise Cancelled

    one = taught(tinted, tmp_path / "one", on=None, listener=mine.append)
    with pytest.raises(Cancelled):
        taught(tinted, tmp_path / "many", on="auto", listener=stop)
    begun = [name.split("-")[0] for name in runs_of(here)]
    here.clear()
    many = taught(tinted, tmp_path / "many", on="auto", listener=theirs.append)

    assert begun == ["part0", "part1"]
    assert [name.split("-")[0] for name in runs_of(here)] == ["all"], "what was over is not done again"
    assert one.report.finetune == many.report.finetune
    assert one.report.finetune is not None
    assert one.report.finetune.depth == "everything"
    for kind in (EpochEnd, Guesses, Note):
        assert [event for event in theirs if isinstance(event, kind)] == [
            event for event in mine if isinstance(event, kind)
        ]
    for name in sorted(path.name for path in (tmp_path / "one").iterdir()):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes(), name
    assert list((tmp_path / "many-workspace" / "unfinished").iterdir()) == []


@pytest.mark.thorough  # the test before spreads the same search
def test_auto_chooses_the_same_from_what_is_tried_elsewhere(
    tinted: Path, tmp_path: Path, here: list[str]
) -> None:
    one = taught(tinted, tmp_path / "one", "auto", on=None, epochs=1)
    many = taught(tinted, tmp_path / "many", "auto", on="auto", epochs=1)

    assert [name.rsplit("-", 3)[0] for name in runs_of(here)[:3]] == [
        "part0-everything",
        "part0-last",
        "part0-norms",
    ]
    assert one.report == many.report


def test_who_waits_no_longer_gets_the_best_that_was_found_elsewhere(
    tinted: Path, tmp_path: Path, here: list[str]
) -> None:
    def enough(event: Event) -> None:
        if isinstance(event, Progress) and event.step == "finetune" and runs_of(here):
            raise FinishEarly

    done = taught(tinted, tmp_path / "early", on="auto", listener=enough)

    assert len(runs_of(here)) == 1
    assert done.report.finetune is not None
    assert "Teaching ended early, as was asked" in done.report.finetune.sentence


def test_two_machines_whose_bundles_have_the_same_path_have_checkpoints_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, common = tmp_path / "home" / "bundle", tmp_path / "common"
    folders = []
    for node in ("birch", "oak", "birch"):
        monkeypatch.setattr(platform, "node", lambda node=node: node)
        folders.append(run._unfinished(place, common))

    assert folders[0] == folders[2] != folders[1], "the same command on the same machine goes on"
    assert {folder.parent for folder in folders} == {common / "unfinished"}


class Asked(Here):
    """A crew that is asked, and does nothing."""

    def __init__(self) -> None:
        self.shares: list[float] = []

    def each(self, task, parcels, *, gpu_share=0.0, **more):
        self.shares.append(gpu_share)
        yield from ()


@pytest.mark.parametrize(
    ("engine", "share"),
    [
        ("torch-cuda-bfloat16-folded", spread.GPU_SHARE),
        ("torch-cpu-float32", 0.0),
        ("torch-mps-float32", 0.0),
    ],
)
def test_a_task_that_runs_the_backbone_on_a_gpu_asks_for_a_share_of_one(
    engine: str, share: float, tmp_path: Path
) -> None:
    backbone = spread.SeenBy(
        run="1", model="m", weights=None, px=None, crop_mode=None, head_path=None, head="last", expected=0,
        flip=False, engine=engine, batch_size=16, folder=str(tmp_path),
    )  # fmt: skip
    crew = Asked()

    list(spread.read_elsewhere(crew, tmp_path, None, [], backbone))
    list(spread.see_elsewhere(crew, Manifest(name="", root="", classes=(), images=()), [], backbone))
    list(spread.read_elsewhere(crew, tmp_path, None, [], None))

    assert crew.shares == [share, share, 0.0]
