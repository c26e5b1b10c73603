"""A shelf that machines have in common, in a folder, a store or in memory: whole, or it is said."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray
from safetensors import safe_open

import headswap
from headswap.data.remote_target import RemoteTarget
from headswap.errors import BadSetting, BadUpload, HeadswapError
from headswap.events import Event, Progress
from headswap.features import bank
from headswap.features.extractor import Extractor
from headswap.features.remote_shelf import RemoteShelf, shelf_of
from headswap.features.shelf import FolderShelf
from headswap.storage.files import DiskFull

TINY = "tests.pipeline.tiny_network:tiny_network"


@pytest.fixture(params=["file", "memory", "s3", "gs"])
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty shelf."""
    if request.param == "file":
        (tmp_path / "shelf").mkdir()
        yield f"file://{(tmp_path / 'shelf').as_posix()}"
    elif request.param == "memory":
        yield "memory://shelf"
        fsspec.filesystem("memory").rm("/", recursive=True)
    elif request.param == "gs":
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", request.getfixturevalue("gcs"))
        fsspec.filesystem("gs").mkdir("shelf")
        yield "gs://shelf/features"
        fsspec.filesystem("gs").rm("shelf", recursive=True)
    else:
        for name, value in {
            "AWS_ENDPOINT_URL": request.getfixturevalue("s3"), "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        store = fsspec.filesystem("s3")
        store.clear_instance_cache()
        fsspec.filesystem("s3").mkdir("shelf")
        yield "s3://shelf/features"
        fsspec.filesystem("s3").rm("shelf", recursive=True)
        store.clear_instance_cache()


def rows(first: int) -> torch.Tensor:
    return torch.arange(first, first + 6, dtype=torch.float32).reshape(2, 3)


def known(shelf: FolderShelf | RemoteShelf, wanted: set[str] | None = None) -> dict[str, list[float]]:
    return {name: row.tolist() for name, row in shelf.read("key", 3, wanted)}


def names_in(path: Path) -> list[str]:
    """What a shard says it holds."""
    with safe_open(path, framework="pt") as shard:
        return str(shard.metadata()["sha256"]).split()


def test_what_one_machine_puts_another_has_and_what_is_damaged_is_put_again(
    address: str, tmp_path: Path
) -> None:
    one, other, third = (RemoteShelf(tmp_path / name, address) for name in ("one", "other", "third"))
    assert one.have("key") == set()
    one.put("key", ["a", "b"], rows(0))
    one.put("key", ["c", "d"], rows(6))

    assert other.have("key") == {"a", "b", "c", "d"}
    assert list((tmp_path / "other").rglob("*")) == [], "names alone were read"
    assert known(other, {"a"}) == {"a": [0, 1, 2], "b": [3, 4, 5]}
    assert len(list((tmp_path / "other").rglob("*.safetensors"))) == 1
    assert known(other) == known(one) == {**known(other, {"a"}), "c": [6, 7, 8], "d": [9, 10, 11]}

    there = RemoteTarget(address)
    first, second = there.sizes("key")
    whole = there.read(f"key/{first}")
    there.write(f"key/{first}", whole[:-1] + bytes([whole[-1] ^ 1]))
    there.write(f"key/{second}", b"half of a sh")
    assert len(third.have("key")) == 2, "what cannot say its names is nothing"
    assert known(third) == {}
    assert there.sizes("key") == {}
    third.put("key", ["a", "b"], rows(0))
    assert known(RemoteShelf(tmp_path / "fourth", address)) == {"a": [0, 1, 2], "b": [3, 4, 5]}


def test_a_shard_of_many_images_is_whole_for_another_machine(address: str, tmp_path: Path) -> None:
    names = [f"{number:064x}" for number in range(1500)]
    features = torch.arange(4500, dtype=torch.float32).reshape(1500, 3)
    RemoteShelf(tmp_path / "one", address).put("key", names, features)
    other, there = RemoteShelf(tmp_path / "other", address), RemoteTarget(address)

    assert other.have("key") == set(names)
    assert known(other) == dict(zip(names, features.tolist(), strict=True))
    (shard,) = there.sizes("key")

    there.write(f"key/{shard}", there.read(f"key/{shard}", most=80_000))  # names alone are longer
    assert RemoteShelf(tmp_path / "third", address).have("key") == set()
    assert there.sizes("key") == {}, "half of one is damaged"
    there.write(f"key/{shard}", b"\xff" * 100_000)
    assert RemoteShelf(tmp_path / "fourth", address).have("key") == set()
    assert there.sizes("key") == {}, "no list of names is that long"


def test_without_an_address_the_folder_is_all(tmp_path: Path) -> None:
    assert isinstance(shelf_of(tmp_path, None), FolderShelf)


def test_what_was_seen_elsewhere_is_not_seen_again_and_what_is_damaged_is(
    few_drawings: Path, tmp_path: Path
) -> None:
    (tmp_path / "shelf").mkdir()
    seen: dict[str, list[int]] = {}

    def teach(name: str) -> Path:
        def listen(event: Event) -> None:
            if isinstance(event, Progress) and event.step == "features":
                seen.setdefault(name, []).append(event.done)

        out = headswap.teach(
            few_drawings, model=TINY, head="last", out=tmp_path / name, workspace=tmp_path / f"{name}-w",
            shelf=tmp_path / "shelf", listener=listen,
        ).bundle  # fmt: skip
        return Path(out)

    first = teach("first")
    (shard,) = (path for path in (tmp_path / "shelf").rglob("*.safetensors"))
    again = teach("again")
    assert len(list((tmp_path / "again-w" / "features").rglob(shard.name))) == 1, "fetched"
    damaged = bytearray(shard.read_bytes())
    damaged[-3] ^= 1
    shard.write_bytes(damaged)
    mended = teach("mended")

    assert seen["again"] == [24]
    assert seen["mended"][:2] == [24, 0], "they were believed to be there, and were not"
    shelf = [path.read_bytes() for path in (tmp_path / "shelf").rglob("*.safetensors")]
    assert len(shelf) == 1, "its name is made of what it holds, and images may come in another order"
    assert shelf != [bytes(damaged)]
    for path in first.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes() == (mended / path.name).read_bytes()


def test_a_shelf_that_goes_away_in_a_run_is_said_and_the_same_call_goes_on(
    few_drawings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank, "SHARD", 8)
    shelf, unplugged, put = tmp_path / "shelf", tmp_path / "unplugged", RemoteShelf.put
    shelf.mkdir()
    features_of = Extractor.features
    computed: list[int] = []

    def once(self: RemoteShelf, key: str, names: Sequence[str], features: torch.Tensor) -> None:
        put(self, key, names, features)
        shelf.rename(unplugged)

    def counted(self: Extractor, images: NDArray[np.uint8]) -> torch.Tensor:
        computed.append(len(images))
        return features_of(self, images)

    def teach(name: str, shelf: Path | None = shelf) -> Path:
        taught = headswap.teach(
            few_drawings, model=TINY, head="last", out=tmp_path / name, workspace=tmp_path / f"{name}-w",
            shelf=shelf,
        )  # fmt: skip
        return Path(taught.bundle)

    monkeypatch.setattr(Extractor, "features", counted)
    with monkeypatch.context() as patch:
        patch.setattr(RemoteShelf, "put", once)
        with pytest.raises(BadUpload, match=r"^There is nothing at file://.*/shelf\. .*connect its disk"):
            teach("out")
    assert not shelf.exists(), "nothing is written where its disk was"
    assert not (tmp_path / "out").exists()
    (kept,) = (path.read_bytes() for path in unplugged.rglob("*.safetensors"))
    assert [path.read_bytes() for path in (tmp_path / "out-w" / "features").rglob("*.safetensors")] == [kept]
    unplugged.rename(shelf)
    computed.clear()
    bundle = teach("out")

    assert sum(computed) == 16, "what was kept is not computed again"
    names = [name for path in shelf.rglob("*.safetensors") for name in names_in(path)]
    assert len(names) == len(set(names)) == 24, "each image is there, once"
    alone = teach("alone", shelf=None)
    for path in alone.iterdir():
        assert path.read_bytes() == (bundle / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull, "There is no room left at file://"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), DiskFull, "There is no room left at file://"),
        (PermissionError(13, "Permission denied"), BadUpload, "may not be read and written"),
        (OSError(errno.EIO, "Input/output error"), BadUpload, "does not answer: "),
    ],
)
def test_a_shelf_that_takes_nothing_is_said_and_keeps_no_half(
    error: OSError, kind: type[HeadswapError], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shelf").mkdir()
    pipe = LocalFileSystem.pipe_file

    def half(self: LocalFileSystem, path: str, data: bytes, **more: object) -> None:
        pipe(self, path, data[:10])
        raise error

    monkeypatch.setattr(LocalFileSystem, "pipe_file", half)
    shelf = RemoteShelf(tmp_path / "here", f"file://{(tmp_path / 'shelf').as_posix()}")

    with pytest.raises(kind, match=said):
        shelf.put("key", ["a", "b"], rows(0))
    assert [path for path in (tmp_path / "shelf").rglob("*") if path.is_file()] == []
    assert shelf.have("key") == set()


def test_a_disk_that_is_unplugged_is_not_written_next_to(few_drawings: Path, tmp_path: Path) -> None:
    with pytest.raises(BadUpload, match=r"There is nothing at file://.*connect its disk"):
        headswap.teach(few_drawings, out=tmp_path / "out", shelf=tmp_path / "unplugged")
    with pytest.raises(BadSetting, match="nonsense:// is no kind of address"):
        headswap.compare(few_drawings, models=[TINY], shelf="nonsense://shelf")
    assert list(tmp_path.iterdir()) == []
