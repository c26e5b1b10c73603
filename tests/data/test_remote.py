"""What lies elsewhere is read like a folder, fetched once, and refused in one sentence."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from huggingface_hub import constants
from PIL import Image

import headswap
from headswap.data import remote
from headswap.data.ingest import ingest
from headswap.data.manifest import Manifest
from headswap.data.remote import url_of
from headswap.data.remote_upload import address_of
from headswap.data.upload import store_for
from headswap.errors import BadSetting, BadUpload, HeadswapError
from tests.data.hub import TOKEN, hub

CLASSES = ("cup", "mug", "pen")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small images of three classes."""
    rng, home = np.random.default_rng(3), tmp_path_factory.mktemp("images") / "things"
    for number, name in enumerate(CLASSES):
        (home / name).mkdir(parents=True)
        for image in range(4):
            pixels = rng.integers(0, 256, (24, 30, 3), dtype=np.uint8)
            pixels[:, :, number] = 255
            Image.fromarray(pixels).save(home / name / f"{image}.png")
    return home


@pytest.fixture
def memory(folder: Path) -> Iterator[str]:
    """The same images in a store that this process holds."""
    store = fsspec.filesystem("memory")
    store.put(str(folder), "/things", recursive=True)
    yield "memory://things"
    store.rm("/", recursive=True)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a memory store was asked for, in bytes or as an open file."""
    asked: list[str] = []
    cat, opened = MemoryFileSystem.cat_file, MemoryFileSystem._open

    def cat_file(self: MemoryFileSystem, path: str, **more: object) -> bytes:
        asked.append(path)
        return bytes(cat(self, path, **more))

    def _open(self: MemoryFileSystem, path: str, **more: object) -> object:
        asked.append(path)
        return opened(self, path, **more)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", cat_file)
    monkeypatch.setattr(MemoryFileSystem, "_open", _open)
    return asked


def read(source: str | Path, workspace: Path) -> Manifest:
    path = Path(source)
    return ingest(path, store=store_for(path, workspace)).manifest


def told(manifest: Manifest) -> list[tuple[str, str, str]]:
    return sorted((one.class_name, one.sha256, one.fingerprint) for one in manifest.images)


def tar_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def samples(folder: Path) -> list[tuple[int, bytes]]:
    """The number of its class, and the bytes, of each image."""
    return [(CLASSES.index(path.parent.name), path.read_bytes()) for path in sorted(folder.rglob("*.png"))]


def web_dataset(folder: Path) -> bytes:
    files = {}
    for number, (label, data) in enumerate(samples(folder)):
        files[f"{number:04d}.png"] = data
        files[f"{number:04d}.cls"] = str(label).encode()
    return tar_of(files)


def table(folder: Path, path: Path) -> None:
    """As Hugging Face's `datasets` writes one, in row groups of five."""
    known = samples(folder)
    images = pa.array([{"bytes": data, "path": None} for _, data in known])
    rows = pa.table({"image": images, "label": pa.array([label for label, _ in known])})
    facts = {"info": {"features": {"label": {"names": list(CLASSES), "_type": "ClassLabel"}}}}
    pq.write_table(rows.replace_schema_metadata({"huggingface": json.dumps(facts)}), path, row_group_size=5)


def test_an_address_stays_one_as_a_path() -> None:
    for url in ("s3://lab/birds", "hf://datasets/me/birds@main/data", "memory://x", "file:///srv/birds"):
        assert url_of(Path(url)) == url
    assert url_of("C:/birds") is None
    assert url_of(Path("/srv/s3:/x")) is None


def test_a_folder_elsewhere_is_read_like_one_here_and_fetched_once(
    memory: str, folder: Path, tmp_path: Path, fetched: list[str]
) -> None:
    first = read(memory, tmp_path)

    assert told(first) == told(ingest(folder).manifest)
    assert [one.file for one in first.images] == sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.png")
    )
    assert all(first.path(one).read_bytes() for one in first.images)
    assert sorted(fetched) == sorted(f"/things/{one.file}" for one in first.images)

    assert read(memory, tmp_path) == first
    assert len(fetched) == len(first.images), "nothing is fetched again"

    fsspec.filesystem("memory").pipe("/things/cup/0.png", (folder / "pen" / "0.png").read_bytes())
    fetched.clear()
    changed = read(memory, tmp_path)
    assert fetched == ["/things/cup/0.png"], "what changed is another file"
    assert {one.sha256 for one in changed.images} < {one.sha256 for one in first.images}


@pytest.mark.parametrize("kind", ["webdataset", "folders in tars", "parquet"])
def test_shards_give_the_same_images_and_are_read_once(
    kind: str, folder: Path, tmp_path: Path, fetched: list[str]
) -> None:
    store, home = fsspec.filesystem("memory"), "/shards"
    if kind == "webdataset":
        store.pipe(f"{home}/things-000.tar", web_dataset(folder))
        store.pipe(f"{home}/classes.txt", "\n".join(CLASSES).encode())
    elif kind == "folders in tars":
        for name in CLASSES:
            files = {f"{name}/{path.name}": path.read_bytes() for path in (folder / name).iterdir()}
            store.pipe(f"{home}/{name}.tar", tar_of({**files, "._litter": b"x"}))
    else:
        table(folder, tmp_path / "train-00000-of-00001.parquet")
        store.put(str(tmp_path / "train-00000-of-00001.parquet"), f"{home}/train-00000-of-00001.parquet")

    manifest = read("memory://shards", tmp_path / "w")
    store.rm(home, recursive=True)

    assert told(manifest) == told(ingest(folder).manifest)
    assert manifest.left_out == ()
    assert all(one.given_part == ("train" if kind == "parquet" else None) for one in manifest.images)
    assert len(fetched) <= 6, "labels, row groups and their table of contents, and no image by itself"


def test_shards_on_this_machine_need_no_address(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tar = tmp_path / "things.tar"
    tar.write_bytes(
        tar_of({path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")})
    )
    shutil.copytree(folder, tmp_path / "mixed" / "things")
    shutil.copy(tar, tmp_path / "mixed")

    first = read(tar, tmp_path / "w")
    monkeypatch.setattr(remote.Fetcher, "open", None)
    assert read(tar, tmp_path / "w") == first, "nothing is opened a second time"
    assert told(first) == told(ingest(folder).manifest)
    assert read(f"file://{folder}", tmp_path / "w").counts == first.counts
    assert address_of(tmp_path / "mixed") is None, "images next to a tar are a folder as before"


def test_a_lost_copy_of_an_image_in_a_tar_is_fetched_again(folder: Path, tmp_path: Path) -> None:
    tar = tmp_path / "things.tar"
    tar.write_bytes(web_dataset(folder))
    first = read(tar, tmp_path / "w")
    lost, kept, *_ = [first.path(one) for one in first.images]
    lost.unlink()
    written = kept.stat().st_mtime_ns

    assert read(tar, tmp_path / "w") == first
    assert lost.is_file()
    assert kept.stat().st_mtime_ns == written, "what is there is not written again"


def test_half_a_shard_is_named_wherever_it_was_cut(folder: Path, tmp_path: Path) -> None:
    whole = web_dataset(folder)
    table(folder, tmp_path / "whole.parquet")
    rows = (tmp_path / "whole.parquet").read_bytes()
    for name, data in {
        "cut.tar": whole[: len(whole) // 2],
        "between.tar": whole[: whole.index(b"0001.cls")],
        "empty.tar": b"",
        "cut.parquet": rows[: len(rows) // 2],
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadUpload, match=f"^{name} is damaged, or only half of it is there"):
            read(tmp_path / name, tmp_path / "w")


def test_a_table_without_images_names_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "x.parquet")

    with pytest.raises(BadUpload, match="has no column of images; its columns are text, label"):
        read(tmp_path / "x.parquet", tmp_path / "w")


def test_a_server_that_fails_now_and_then_is_asked_again(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)
    cat, failed = MemoryFileSystem.cat_file, set()

    def flaky(self: MemoryFileSystem, path: str, **more: object) -> bytes:
        if path not in failed:
            failed.add(path)
            raise ConnectionResetError("reset")
        return bytes(cat(self, path, **more))

    monkeypatch.setattr(MemoryFileSystem, "cat_file", flaky)
    assert len(read(memory, tmp_path).images) == 12

    def dead(*_: object, **__: object) -> bytes:
        raise TimeoutError("timed out")

    monkeypatch.setattr(MemoryFileSystem, "cat_file", dead)
    with pytest.raises(
        BadUpload, match=r"things does not answer: timed out\. .* what has been fetched is kept"
    ):
        read(memory, tmp_path / "other")


def test_a_server_that_fails_while_it_lists_a_folder_is_asked_again_and_no_folder_is_left_out(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)
    listed, left = MemoryFileSystem.ls, [3]

    def fails(self: MemoryFileSystem, path: str, *more: object, **options: object) -> object:
        if path == "/things/mug" and left[0]:
            left[0] -= 1
            raise ConnectionResetError("reset")
        return listed(self, path, *more, **options)

    monkeypatch.setattr(MemoryFileSystem, "ls", fails)
    assert len(read(memory, tmp_path).images) == 12

    left[0] = 4
    with pytest.raises(BadUpload, match=r"things does not answer: reset\."):
        read(memory, tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar", "parquet"])
def test_a_server_that_fails_in_a_large_file_is_asked_again(
    kind: str, memory: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)
    path = tmp_path / f"things.{kind}"
    if kind == "zip":
        shutil.make_archive(str(path.with_suffix("")), "zip", folder)
    elif kind == "tar":
        path.write_bytes(web_dataset(folder))
    else:
        table(folder, path)
    fsspec.filesystem("memory").pipe(f"/far/{path.name}", path.read_bytes())
    broken: list[str] = []

    class Breaks(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() and len(broken) < 3:
                broken.append("read")
                raise ConnectionResetError("reset")
            return super().read(size)

    monkeypatch.setattr(MemoryFileSystem, "_open", lambda *_, **__: Breaks(path.read_bytes()))
    manifest = read(f"memory://far/{path.name}", tmp_path / "w")

    assert broken == ["read"] * 3
    assert len(manifest.images) == 12


def test_a_reading_that_ended_goes_on_and_no_image_is_fetched_twice(
    memory: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)
    cat, one_by_one, most = MemoryFileSystem.cat_file, Lock(), [5]
    given: list[str] = []

    def ends(self: MemoryFileSystem, path: str, **more: object) -> bytes:
        with one_by_one:
            if len(given) == most[0]:
                raise ConnectionResetError("reset")
            given.append(path)
            return bytes(cat(self, path, **more))

    monkeypatch.setattr(MemoryFileSystem, "cat_file", ends)
    with pytest.raises(BadUpload, match=r"things does not answer: reset\. .* what has been fetched is kept"):
        read(memory, tmp_path)
    assert len(given) == 5
    most[0] = 1000
    whole = read(memory, tmp_path)

    assert sorted(given) == sorted(f"/things/{one.file}" for one in whole.images), "each of them once"
    assert told(whole) == told(ingest(folder).manifest)


def test_a_reading_of_a_table_that_ended_goes_on_and_no_row_group_is_fetched_twice(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)
    path = tmp_path / "things.parquet"
    table(folder, path)
    facts, is_down = pq.ParquetFile(path).metadata, [True]
    given: list[int] = []
    images = [facts.row_group(number).column(0) for number in range(facts.num_row_groups)]
    starts = [one.dictionary_page_offset or one.data_page_offset for one in images]

    class Ends(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() in starts:
                if self.tell() == starts[1] and is_down[0]:
                    raise ConnectionResetError("reset")
                given.append(self.tell())
            return super().read(size)

    monkeypatch.setattr(remote.Fetcher, "open", lambda _self, _name: Ends(path.read_bytes()))
    with pytest.raises(BadUpload, match=r"does not answer: reset\. .* what has been fetched is kept"):
        read(path, tmp_path / "w")
    is_down[0] = False
    whole = read(path, tmp_path / "w")

    assert sorted(given) == sorted(starts), "each of them once"
    assert told(whole) == told(ingest(folder).manifest)


def test_a_reading_of_tars_that_ended_reads_again_only_the_tar_that_was_being_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)
    store, is_down = fsspec.filesystem("memory"), [True]
    asked: list[str] = []
    packed = {name: tar_of({f"{name}/{n}.png": (folder / name / f"{n}.png").read_bytes() for n in range(4)})
              for name in CLASSES}  # fmt: skip
    for name, data in packed.items():
        store.pipe(f"/tars/{name}.tar", data)

    class Ends(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if is_down[0] and self.tell() > len(packed["pen"]) // 4:
                raise ConnectionResetError("reset")
            return super().read(tarfile.BLOCKSIZE)  # as a network gives it: piece by piece

    def opens(_self: MemoryFileSystem, path: str, **_more: object) -> io.BytesIO:
        name = path.rpartition("/")[2].removesuffix(".tar")
        asked.append(name)
        return Ends(packed[name]) if name == "pen" else io.BytesIO(packed[name])

    monkeypatch.setattr(MemoryFileSystem, "_open", opens)
    with pytest.raises(BadUpload, match=r"tars does not answer: reset\. .* what has been fetched is kept"):
        read("memory://tars", tmp_path / "w")
    copies = {path: path.stat().st_mtime_ns for path in (tmp_path / "w").rglob("*.png")}
    is_down[0] = False
    asked_before, asked[:] = asked[:], []
    whole = read("memory://tars", tmp_path / "w")
    store.rm("/tars", recursive=True)

    assert sorted(set(asked_before)) == list(CLASSES)
    assert asked == ["pen"], "the other two are here"
    assert 8 < len(copies) < 12, "two tars, and some images of the third"
    assert {path: path.stat().st_mtime_ns for path in copies} == copies, "what is there is not written again"
    assert told(whole) == told(ingest(folder).manifest)


@pytest.mark.parametrize("column", ["image", "label"])
def test_a_damaged_page_of_a_table_and_a_lost_network_are_two_sentences(
    column: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)
    path = tmp_path / "things.parquet"
    table(folder, path)
    groups = pq.ParquetFile(path).metadata.row_group(1)
    pages = next(
        groups.column(number)
        for number in range(groups.num_columns)
        if groups.column(number).path_in_schema.startswith(column)
    )
    data = bytearray(path.read_bytes())
    start = pages.dictionary_page_offset or pages.data_page_offset
    data[start : start + pages.total_compressed_size] = b"\xff" * pages.total_compressed_size
    path.write_bytes(data)

    with pytest.raises(BadUpload, match=r"^things\.parquet is damaged, or only half of it is there"):
        read(path, tmp_path / "w")

    class Lost(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() == start:
                raise TimeoutError("timed out")
            return super().read(size)

    monkeypatch.setattr(remote.Fetcher, "open", lambda _self, _name: Lost(path.read_bytes()))
    with pytest.raises(BadUpload, match=r"does not answer: timed out\."):
        read(path, tmp_path / "other")


def test_a_bucket_is_read_and_answered_like_a_folder(
    s3: str,
    bundle: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from headswap.cli.main import main

    for name, value in {
        "AWS_ENDPOINT_URL": s3, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_DEFAULT_REGION": "us-east-1", "HEADSWAP_CACHE": str(tmp_path / "w"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    store = fsspec.filesystem("s3", skip_instance_cache=True)
    store.mkdir("lab")
    store.put(str(folder), "lab/things", recursive=True)

    assert told(read("s3://lab/things", tmp_path / "w")) == told(ingest(folder).manifest)
    store.rm("lab/things/pen", recursive=True)
    said = headswap.predict(bundle, "s3://lab/things", workspace=tmp_path / "w")

    assert [answer.file for answer in said.answers] == [
        f"s3://lab/things/{name}/{number}.png" for name in ("cup", "mug") for number in range(4)
    ]
    near = headswap.predict(bundle, [folder / "cup", folder / "mug"])
    assert [one.probabilities for one in said.answers] == [one.probabilities for one in near.answers]
    assert main(["check", "s3://nobody/things"]) == 2
    assert "There is nothing at s3://nobody/things. Check the bucket" in capsys.readouterr().err
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    type(store).clear_instance_cache()
    assert main(["check", "s3://lab/things"]) == 2
    assert "s3://lab/things needs credentials" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "kind", "sentence"),
    [
        ("memory://nothing", BadUpload, "There is nothing at memory://nothing"),
        ("nonsense://x/y", BadSetting, "nonsense:// is no kind of address that is known here"),
        ("abfs://box/x", BadSetting, r"abfs:// needs a package that is not installed: .*"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_sentence(
    source: str, kind: type[HeadswapError], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=sentence):
        read(source, tmp_path)


def test_parquet_without_its_package_says_what_to_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headswap.data import parquet_shards

    table(folder, tmp_path / "x.parquet")
    monkeypatch.setattr(parquet_shards, "find_spec", lambda _name: None)

    with pytest.raises(BadSetting, match=r"need pyarrow, which is not installed\. Run `pip install .*remote"):
        read(tmp_path / "x.parquet", tmp_path / "w")


@pytest.fixture
def given_by_hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a hub with `lab/birds` and `lab/private` was asked for."""
    for name in ("birds", "private"):
        shutil.copytree(folder, tmp_path / "hub" / "lab" / name)
    with hub(tmp_path / "hub") as (url, given):
        monkeypatch.setattr(constants, "ENDPOINT", url)  # both as HF_ENDPOINT sets them for a new process
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        )
        yield given


def test_a_data_set_of_a_hub_is_read_like_a_folder_and_fetched_once(
    given_by_hub: list[str], folder: Path, tmp_path: Path
) -> None:
    whole = read("hf://datasets/lab/birds", tmp_path / "w")

    assert told(whole) == told(ingest(folder).manifest)
    assert [one.file for one in whole.images] == [one.file for one in ingest(folder).manifest.images]
    assert all(whole.path(one).read_bytes() == (folder / one.file).read_bytes() for one in whole.images)
    assert read("hf://datasets/lab/birds", tmp_path / "w") == whole
    assert sorted(given_by_hub) == sorted(one.file for one in whole.images), "each of them once"


def test_a_private_data_set_of_a_hub_is_read_with_credentials_and_without_says_what_may_be_wrong(
    given_by_hub: list[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for name in ("private", "nothing"):  # a hub tells these two apart for no stranger
        with pytest.raises(
            BadUpload,
            match=f"^There is nothing at hf://datasets/lab/{name} that this machine may read. Check the "
            "spelling, or set credentials if it is private: docs/guide/remote.md says where.$",
        ):
            read(f"hf://datasets/lab/{name}", tmp_path / "w")
    assert given_by_hub == []

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert told(read("hf://datasets/lab/private", tmp_path / "w")) == told(ingest(folder).manifest)


def test_a_bucket_of_google_is_read_like_a_folder(
    gcs: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs)
    store = fsspec.filesystem("gs")
    store.mkdir("lab")
    store.put(str(folder), "lab/things", recursive=True)

    whole = read("gs://lab/things", tmp_path)
    store.rm("lab/things/pen", recursive=True)
    less = read("gs://lab/things", tmp_path)

    assert told(whole) == told(ingest(folder).manifest)
    assert less.classes == ("cup", "mug")
    assert {one.sha256 for one in less.images} < {one.sha256 for one in whole.images}
    with pytest.raises(BadUpload, match=r"^There is nothing at gs://nobody/things\. Check the bucket"):
        read("gs://nobody/things", tmp_path)


class Refuses(BaseHTTPRequestHandler):
    """As Google Cloud Storage does: a stranger, or someone who has no right."""

    def do_GET(self) -> None:
        code, who = (401, "Anonymous caller") if "/private/" in self.path else (403, "ada@lab.org")
        error = {"code": code, "message": f"{who} does not have storage.objects.list access to the bucket."}
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps({"error": error}).encode())

    def log_message(self, *_said: object) -> None:
        """Nothing."""


def test_what_google_refuses_is_two_sentences_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(
            BadUpload, match=r"^gs://others/things may not be read with the credentials of this machine\. Ask"
        ):
            read("gs://others/things", tmp_path)
        words = [sys.executable, "-m", "headswap", "check", "gs://private/things"]
        shell = subprocess.run(words, capture_output=True, text=True, check=False)
        server.shutdown()

    assert shell.returncode == 2
    assert shell.stderr == (
        "headswap: gs://private/things needs credentials, and this machine has none that it takes. Set them "
        "where its own tools look for them: docs/guide/remote.md says where.\n"
    ), "what gcsfs logs is not shown"
