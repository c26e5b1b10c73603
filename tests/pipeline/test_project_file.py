"""A project in one file: what was saved is what is opened, and nothing else is ever opened."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from headswap.bundle.format import read_report
from headswap.bundle.predictor import load_bundle
from headswap.data.manifest import ImageRecord, Manifest
from headswap.errors import BadProject
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.pipeline.project_file import RECORD, SavedProject, SavedRun, pack_project, unpack_project
from headswap.storage.files import SEAL, Seal, SealedFile, from_json, to_json

Members = dict[str, bytes]


def png(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def members(bundle: Path) -> Members:
    """A project of two pictures and one run, as the parts of its file."""
    records, images = [], {}
    for name, colour in (("bird", (250, 10, 10)), ("bug", (10, 10, 250))):
        data = png(colour)
        sha256 = hashlib.sha256(data).hexdigest()
        images[f"images/{sha256}.png"] = data
        records.append(
            ImageRecord(
                file=f"{name}/1.png", source=f"{sha256}.png", class_name=name, sha256=sha256,
                width=40, height=30, fingerprint="0" * 64, brightness=0.5,
            )
        )  # fmt: skip
    manifest = Manifest(name="two", root="", classes=("bird", "bug"), images=tuple(records))
    waiting = replace(manifest, classes=("",), images=(replace(records[0], class_name=""),))
    run = SavedRun(
        data=0, experiment=Experiment(data=DataConfig(source="dataset.json")), created_at=1_700_000_000.0
    )
    project = SavedProject(name="Two things", model="tf_efficientnet_lite0", data=0, states=1, runs=(run,))
    return {
        RECORD: to_json(project).encode(),
        "data/0.json": to_json(manifest).encode(),
        **images,
        "waiting/dataset.json": to_json(waiting).encode(),
        "waiting/labels.json": b"{}",
        f"waiting/images/{records[0].source}": images[f"images/{records[0].source}"],
        **{f"runs/0/bundle/{path.name}": path.read_bytes() for path in sorted(bundle.iterdir())},
    }


def project_of(members: Members) -> SavedProject:
    found: SavedProject = from_json(SavedProject, members[RECORD])
    return found


def sealed(members: Members) -> Members:
    """The members with a seal that holds: what a clever stranger would send."""
    lines = [SealedFile(n, hashlib.sha256(d).hexdigest(), len(d)) for n, d in members.items()]
    return {**members, SEAL: to_json(Seal(tuple(lines))).encode()}


def zipped(place: Path, members: Members) -> Path:
    with zipfile.ZipFile(place, "w") as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return place


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[Members], str]:
    """Opens what must be refused; gives the sentence, after checking that nothing lies outside."""

    def attempt(members: Members) -> str:
        folder = tmp_path / "inner" / "folder"
        folder.mkdir(parents=True)
        with pytest.raises(BadProject) as refusal:
            unpack_project(zipped(tmp_path / "project.zip", members), folder)
        outside = [path for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents]
        assert [path.name for path in outside] == ["project.zip"]
        assert "\n" not in str(refusal.value)
        return str(refusal.value)

    return attempt


def test_what_was_packed_is_what_is_opened_byte_by_byte(members: Members, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    files = {name: data for name, data in members.items() if name != RECORD}

    packed = pack_project(tmp_path / "a.zip", project_of(members), dict(files))
    again = pack_project(tmp_path / "b.zip", project_of(members), dict(files))
    opened = unpack_project(packed, tmp_path / "open")

    assert opened == project_of(members)
    assert packed.read_bytes() == again.read_bytes()
    for name, data in files.items():
        assert (tmp_path / "open" / name).read_bytes() == data
    assert read_report(tmp_path / "open" / "runs" / "0" / "bundle").classes == ("bird", "fruit", "vehicle")


def test_a_bundle_whose_head_reads_every_layer_says_the_same_after_it_travelled(
    members: Members, wide_bundle: Path, few_drawings: Path, tmp_path: Path
) -> None:
    others = {name: data for name, data in members.items() if name != RECORD and "/bundle/" not in name}
    files = {f"runs/0/bundle/{path.name}": path.read_bytes() for path in sorted(wide_bundle.iterdir())}
    packed = pack_project(tmp_path / "a.zip", project_of(members), {**others, **files})
    (tmp_path / "open").mkdir()

    unpack_project(packed, tmp_path / "open")

    before, after = load_bundle(wide_bundle), load_bundle(tmp_path / "open" / "runs" / "0" / "bundle")
    assert after.card.site.taps == before.card.site.taps != ()
    for answer in before.report.answers[:4]:
        image = few_drawings / answer.file
        assert after.predict(image).probabilities == before.predict(image).probabilities


UP = [
    "../x", "..\\x", "a/../../x", "/x", "\\x", "C:\\x", "C:x", "//host/x", "\\\\host\\x", "./../x", "..",
    "../", "%2e%2e/x", "..%2fx", "%2e%2e%2fx", "..%5cx", "..%c0%afx", "%252e%252e%252fx", "．．/x", "․․/x",
    "..／x", "..∕x", "....//x", "..;/x", ".../x", "~/x", "x\0/../y", "runs/0/bundle/../../../x",
    "images/../x", "runs/0/bundle/%2e%2e", "aux", "con.json",
]  # fmt: skip


@pytest.mark.parametrize("name", UP, ids=ascii)
def test_a_name_that_leads_elsewhere_is_refused(
    name: str, members: Members, refused: Callable[[Members], str]
) -> None:
    assert "Choose the file that Save gave you" in refused(sealed({**members, name: b"gotcha"}))


@pytest.mark.parametrize(
    "name",
    [
        "numpy.py", "predict.py", "sitecustomize.py", "torch/__init__.py", "run.bat", "weights.pt",
        "bundle.json/x", "Weights.safetensors", "bundle.json ", "weights.safetensors\n", "README.md",
    ],
    ids=ascii,
)  # fmt: skip
def test_nothing_but_the_parts_of_a_bundle_is_taken_from_one(
    name: str, members: Members, refused: Callable[[Members], str]
) -> None:
    said = refused(sealed({**members, f"runs/0/bundle/{name}": b"gotcha", "runs/\u0663/settled.json": b"{}"}))

    assert "The file holds something that no project has" in said


@pytest.mark.parametrize("source", ["../../../etc/passwd", "a.png", "", "0" * 64 + ".png", "0" * 64 + ".svg"])
@pytest.mark.parametrize("record", ["data/0.json", "waiting/dataset.json"])
def test_an_image_record_that_leads_elsewhere_is_refused(
    source: str, record: str, members: Members, refused: Callable[[Members], str]
) -> None:
    text = members[record].decode()
    first = text.split('"source":"')[1].split('"')[0]

    said = refused(sealed({**members, record: text.replace(first, source).encode()}))

    assert "is missing" in said


def test_every_altered_byte_and_every_missing_part_is_noticed(
    members: Members, tmp_path: Path, refused: Callable[[Members], str]
) -> None:
    whole = sealed(members)
    weights = bytearray(whole["runs/0/bundle/weights.safetensors"])
    weights[len(weights) // 2] ^= 1

    said = refused({**whole, "runs/0/bundle/weights.safetensors": bytes(weights)})

    assert "weights.safetensors is not what was saved" in said


@pytest.mark.parametrize(
    "missing", ["data/0.json", "waiting/dataset.json", "runs/0/bundle/report.json", "project.json"]
)
def test_a_missing_part_is_noticed_even_when_the_seal_was_made_anew(
    missing: str, members: Members, refused: Callable[[Members], str]
) -> None:
    assert refused(sealed({name: data for name, data in members.items() if name != missing}))


def test_a_part_that_the_seal_does_not_know_is_refused(
    members: Members, refused: Callable[[Members], str]
) -> None:
    assert "not what its seal says" in refused({**sealed(members), "runs/0/figures.json": b"{}"})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": 2}, "has format 2; this headswap reads format 1"),
        ({"data": 5}, "do not belong together"),
        ({"shown": 1}, "do not belong together"),
        ({"weights": "../../weights.pt"}, "do not belong together"),
        ({"weights": "weights.pt"}, "do not belong together"),
        ({"name": "x" * 500}, "do not belong together"),
        ({"name": " "}, "do not belong together"),
        ({"kind": "something"}, "project.json cannot be read"),
        ({"states": 7}, "numbered 1 are missing"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(
    changes: dict[str, object], sentence: str, members: Members, refused: Callable[[Members], str]
) -> None:
    import json

    record = json.dumps({**json.loads(members[RECORD]), **changes}).encode()

    assert sentence in refused(sealed({**members, RECORD: record}))


@pytest.mark.parametrize(
    ("written", "altered"),
    [
        (b'"truth": 2', b'"truth": 99'),
        (b'"among": []', b'"among": [0, 1]'),
        (b'"among": []', b'"among": [99]'),
    ],
)
def test_a_report_that_points_to_classes_it_has_not_is_refused(
    written: bytes, altered: bytes, members: Members, refused: Callable[[Members], str]
) -> None:
    report = members["runs/0/bundle/report.json"].replace(written, altered)
    assert altered in report
    inner = {
        n.removeprefix("runs/0/bundle/"): d for n, d in members.items() if n.startswith("runs/0/bundle/")
    }
    inner = sealed({**{n: d for n, d in inner.items() if n != SEAL}, "report.json": report})

    assert "do not belong together" in refused(
        sealed({**members, **{f"runs/0/bundle/{n}": d for n, d in inner.items()}})
    )


@pytest.mark.parametrize("store", ["images/", "waiting/images/"])
def test_an_image_that_is_none_is_refused(
    store: str, members: Members, refused: Callable[[Members], str]
) -> None:
    bomb = next(name for name in members if name.startswith(store))

    assert "cannot be read" in refused(sealed({**members, bomb: b"\x89PNG\r\n\x1a\n nothing"}))


def test_links_passwords_and_things_that_are_no_zip_are_refused(members: Members, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("images/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as packed:
        for name, data in sealed(members).items():
            packed.writestr(name, data)
        packed.writestr(link, "/etc/passwd")
    (tmp_path / "no.zip").write_bytes(b"PK nothing")
    zipped(tmp_path / "other.zip", {"cat/1.png": png((1, 2, 3))})

    for number, (name, sentence) in enumerate(
        [("link.zip", "is a link"), ("no.zip", "not a zip"), ("other.zip", "is not a saved project")]
    ):
        folder = tmp_path / f"folder {number}"
        folder.mkdir()
        with pytest.raises(BadProject, match=sentence):
            unpack_project(tmp_path / name, folder)
        assert not list(folder.iterdir())


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        packed.writestr(RECORD, b"{}")
        with packed.open("runs/0/events.jsonl", "w", force_zip64=True) as member:
            for _ in range(600):
                member.write(bytes(2**20))
    (tmp_path / "folder").mkdir()

    with pytest.raises(BadProject, match="would unpack to"):
        unpack_project(tmp_path / "bomb.zip", tmp_path / "folder")
    assert not list((tmp_path / "folder").iterdir())
