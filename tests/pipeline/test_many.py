"""Folders and zips answered, written as a table, and sorted into folders."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headswap
from headswap.bundle.format import read_dataset
from headswap.bundle.prediction import Prediction
from headswap.errors import BadSetting, Cancelled, UnreadableImage
from headswap.events import Event, Progress
from headswap.pipeline.many import NOT_SURE, OOD, TABLE, csv_of, pack_sorted, sort


@pytest.fixture
def bundle(tiny_bundle: Path) -> Path:
    """Every network is asked in the same way; the small one takes least."""
    return tiny_bundle


@pytest.fixture(scope="module")
def holiday(few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawings at any depth, two of one name, noise, a note, and a picture that is none."""
    folder = tmp_path_factory.mktemp("holiday")
    for name, deep in (("bird", "a"), ("fruit", "b/c"), ("vehicle", "")):
        (folder / deep).mkdir(parents=True, exist_ok=True)
        for path in sorted((few_drawings / name).iterdir())[:3]:
            shutil.copy(path, folder / deep / path.name)
    twin = next((folder / "a").iterdir())
    shutil.copy(twin, folder / twin.name)
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    (folder / ".hidden.png").write_bytes(b"litter")
    return folder


@pytest.fixture(scope="module")
def zipped(holiday: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("zipped") / "holiday.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for path in sorted(holiday.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(holiday).as_posix())
    return place


def test_a_folder_and_a_zip_of_it_are_answered_alike(bundle: Path, holiday: Path, zipped: Path) -> None:
    heard: list[Event] = []

    folder = headswap.predict(bundle, holiday, listener=heard.append)
    packed = headswap.predict(bundle, [zipped])

    assert len(folder.answers) == 11
    names = {Path(one.file).relative_to(holiday).as_posix(): one for one in folder.answers}
    for one in packed.answers:
        same = names[one.file.removeprefix(f"{zipped}/")]
        assert replace(one, file="") == replace(same, file="")
    assert [Path(left.file).name for left in folder.left_out] == ["broken.jpg"]
    assert [Path(left.file).name for left in packed.left_out] == ["broken.jpg"]
    assert heard[-1] == Progress("predict", 12, 12)


def test_single_files_are_named_as_they_were_given(bundle: Path, holiday: Path) -> None:
    file = holiday / "noise.png"

    said = headswap.predict(bundle, [str(file)])

    assert said.answers[0].file == str(file)
    assert said.answers[0] == headswap.load_bundle(bundle).predict(file)


def test_where_nothing_can_be_read_the_reason_is_raised(bundle: Path, holiday: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"broken\.jpg"):
        headswap.predict(bundle, holiday / "broken.jpg")


def test_the_table_has_every_share_and_no_cell_that_a_spreadsheet_would_run() -> None:
    shares = {"@b": 0.75, "a": 0.25}
    said = Prediction(file="=1+1.png", label="@b", probabilities=shares, ood_score=1.5, nearest=("x", "y"))

    rows = list(csv.reader(csv_of([said], ["a", "@b"], {"x": "a/1.png"}).splitlines()))

    assert rows == [
        ["file", "label", "sure", "unlike", "is_unlike", "nearest", "a", "'@b"],
        ["'=1+1.png", "'@b", "0.750000", "1.5000", "true", "a/1.png; y", "0.250000", "0.750000"],
    ]


def test_two_images_of_one_name_are_told_apart_by_their_hash(bundle: Path) -> None:
    manifest = read_dataset(bundle)
    one, other, *others = manifest.images

    names = replace(manifest, images=(one, replace(other, file=one.file), *others)).file_names

    assert [names[image.sha256] for image in (one, other)] == [
        f"{one.file} ({image.sha256[:8]})" for image in (one, other)
    ]
    assert [names[image.sha256] for image in others] == [image.file for image in others]


def test_images_are_copied_into_their_classes_and_none_is_lost(
    bundle: Path, holiday: Path, zipped: Path, tmp_path: Path
) -> None:
    before = sorted(path.name for path in holiday.rglob("*"))
    said = {one.file: one for one in headswap.predict(bundle, holiday).answers}

    for data, out in ((holiday, tmp_path / "folder"), (zipped, tmp_path / "zip")):
        done = sort(bundle, data, out)

        copies = [path for path in out.rglob("*") if path.is_file() and path.name != TABLE]
        assert len(copies) == sum(done.counts.values()) == 11
        assert [Path(left.file).name for left in done.left_out] == ["broken.jpg"]
        for path, one in ((Path(file), one) for file, one in said.items()):
            folder = OOD if one.is_ood else one.label
            assert path.read_bytes() in {copy.read_bytes() for copy in (out / folder).iterdir()}
        assert len((out / TABLE).read_text().splitlines()) == 12
    assert sorted(path.name for path in holiday.rglob("*")) == before


def test_what_it_is_not_sure_of_is_kept_apart(bundle: Path, holiday: Path, tmp_path: Path) -> None:
    done = sort(bundle, holiday, tmp_path / "out", least_sure=1.0)

    assert set(done.counts) <= {OOD, NOT_SURE}
    assert done.counts[NOT_SURE] >= 8


@pytest.mark.parametrize("name", ["../away", "a/b", "..", OOD])
def test_a_class_that_is_no_name_of_a_folder_writes_nothing(
    name: str, bundle: Path, holiday: Path, tmp_path: Path
) -> None:
    known = headswap.load_bundle(bundle)
    strange = replace(known, card=replace(known.card, classes=(name, *known.classes[1:])))

    with pytest.raises(BadSetting, match="cannot be the name of a folder"):
        sort(strange, holiday, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_zip_has_the_same_folders_and_keeps_two_of_one_name_apart(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"a picture")

    def said(file: str, sure: float, unlike: float = 0.5) -> tuple[Prediction, Path]:
        shares = {"a": sure, "b": 1 - sure}
        return Prediction(file=file, label="a", probabilities=shares, ood_score=unlike), tmp_path / "x.jpg"

    all_said = [said("1/x.heic", 0.9), said("2/x.png", 0.9), said("y.jpg", 0.6), said("z.jpg", 0.9, 2.0)]

    packed = pack_sorted(all_said, ["a", "b"], {}, tmp_path / "out.zip", least_sure=0.7)

    with zipfile.ZipFile(packed) as found:
        names = [f"{NOT_SURE}/y.jpg", f"{OOD}/z.jpg", "a/x-2.jpg", "a/x.jpg", TABLE]
        assert sorted(found.namelist()) == sorted(names)
        assert found.read(TABLE).decode() == csv_of([one for one, _ in all_said], ["a", "b"], {})
    with pytest.raises(BadSetting, match="cannot be the name of a folder"):
        pack_sorted(all_said, ["..", "b"], {}, tmp_path / "bad.zip", least_sure=0.7)
    assert not (tmp_path / "bad.zip").exists()


def test_a_folder_that_is_there_is_left_alone(bundle: Path, holiday: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="exists already"):
        sort(bundle, holiday, tmp_path)


def test_it_can_be_stopped(bundle: Path, holiday: Path, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        sort(bundle, holiday, tmp_path / "out", listener=stop)


KILLED = """
import os, signal, sys
import headswap
bundle, images, kept, most = sys.argv[1:]
def listen(event):
    if event.done > int(most):
        os.kill(os.getpid(), signal.SIGKILL)
headswap.predict(bundle, images, kept=kept, listener=listen)
"""


def test_after_a_kill_it_goes_on_where_it_was(
    bundle: Path, few_drawings: Path, holiday: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    arguments = [str(bundle), str(few_drawings), str(kept), "17"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert killed.returncode == -9
    data = kept.read_bytes()
    kept.write_bytes(data[:-30])  # the last line was cut off, too
    lines = data.count(b"\n")
    loaded = headswap.load_bundle(bundle)
    asked: list[object] = []
    original = type(loaded).predict_each
    monkeypatch.setattr(
        type(loaded),
        "predict_each",
        lambda self, images: original(self, (asked.append(one) or one for one in images)),
    )

    again = headswap.predict(loaded, few_drawings, kept=kept)

    total = len(again.answers)
    assert lines > 17
    assert len(asked) == total - (lines - 2)  # a line for the bundle, and the one that was cut off
    assert len(kept.read_bytes().splitlines()) == total + 2
    asked.clear()
    assert headswap.predict(loaded, few_drawings, kept=kept) == again
    assert asked == []
    whole = headswap.predict(loaded, few_drawings)
    assert [(one.file, one.label) for one in again.answers] == [
        (one.file, one.label) for one in whole.answers
    ]
    for one, other in zip(again.answers, whole.answers, strict=True):  # with other pictures in its batch
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    asked.clear()
    assert headswap.predict(loaded, holiday, kept=kept).left_out[0].file.endswith("broken.jpg")
    assert len(asked) == 12


def test_what_was_kept_counts_for_the_same_bundle_and_the_same_picture_only(
    bundle: Path, wide_bundle: Path, holiday: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(holiday, tmp_path / "mine")
    first, other = headswap.load_bundle(bundle), headswap.load_bundle(wide_bundle)
    before = headswap.predict(first, tmp_path / "mine", kept=kept)

    shutil.copy(tmp_path / "mine" / "noise.png", tmp_path / "mine" / "broken.jpg")

    assert len(headswap.predict(first, tmp_path / "mine", kept=kept).answers) == len(before.answers) + 1
    assert headswap.predict(other, tmp_path / "mine", kept=kept) == headswap.predict(other, tmp_path / "mine")
