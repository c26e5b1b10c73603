"""JPEGs decoded on a GPU where images are read again: as Pillow does, proved, and never mixed with it.

The device is pretended, and so is nvJPEG: the JPEGs are real, torchvision decodes them on the processor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.io import ImageReadMode

import headswap
from headswap.bundle.format import read_card, read_features
from headswap.cluster.crew import Parcel
from headswap.data.decode import read_image
from headswap.data.ingest import ingest
from headswap.data.transforms import prepare, wanted_px
from headswap.errors import Cancelled, UnreadableImage
from headswap.events import Event, Listener, Note, Progress, silent
from headswap.features.autotune import extractor_for
from headswap.features.bank import BankBuilder, FeatureBank, fill_bank
from headswap.features.engines import Engine, engine_named, exact, is_rough, nearest_engine
from headswap.features.extractor import Extractor
from headswap.features.gpu_decoding import (
    EncodedImage,
    decodes_here,
    encoded_image,
    is_prepared_on_gpu,
    prepared_on_gpu,
)
from headswap.features.stored_images import StoredImages
from headswap.heads.detect import find_head, locate_head
from headswap.network import InputSpec, Network
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.pipeline.replay import train_again
from headswap.pipeline.run import Outcome, run_experiment
from headswap.pipeline.scoring import bank_of, task_of
from headswap.storage.records import write_record
from headswap.training import verify
from headswap.training.config import TrainConfig
from headswap.training.head_choice import source_of
from headswap.zoos.catalogue import load_network
from headswap.zoos.zoo import ZooSettings
from tests.cluster.here import Here
from tests.pipeline.tiny_network import TINY, TINY_PX
from tests.pretend_device import pretend_device

PILLOW = Engine("cuda", "bfloat16", folded=True)
NVJPEG = replace(PILLOW, decoder="nvjpeg")
SPEC = InputSpec(height=32, width=32, resize_px=36)
SPECS = {
    "crop": SPEC,
    "oblong": InputSpec(height=40, width=24, resize_px=28),
    "squash": InputSpec(height=32, width=32, crop_mode="squash", squash_px=(40, 36)),
    "border": InputSpec(
        height=48, width=32, crop_mode="border", interpolation="bilinear", channel_order="BGR"
    ),
    "padded": InputSpec(height=64, width=64, resize_px=40),
}
decode_on_processor = torchvision.io.decode_jpeg


@dataclass
class Decoder:
    """Stands in for nvJPEG: what it was given, what it refuses, and what it does to the pixels."""

    batches: list[int] = field(default_factory=list)
    refused: set[bytes] = field(default_factory=set)
    change: Callable[[Tensor], Tensor] = lambda image: image

    def __call__(self, files: list[Tensor], mode: ImageReadMode, device: str) -> list[Tensor]:
        assert (mode, device) == (ImageReadMode.RGB, "cuda")
        assert all((file.dtype, file.ndim, file.device.type) == (torch.uint8, 1, "cpu") for file in files)
        self.batches.append(len(files))
        if any(file.numpy().tobytes() in self.refused for file in files):  # no partial results
            raise RuntimeError("Failed to decode jpeg: NVJPEG_STATUS_BAD_JPEG")
        return [self.change(decode_on_processor(file, mode)).to(device) for file in files]


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    """A machine with a GPU that decodes."""
    decodes_here.cache_clear()
    made = Decoder()
    with pretend_device("cuda"), patch("torchvision.io.decode_jpeg", made):
        assert decodes_here()
        made.batches.clear()
        yield made
    decodes_here.cache_clear()


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Soft colours with edges and grain."""
    random = np.random.default_rng(seed)
    soft = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize((width, height))
    pixels = np.asarray(soft).astype(np.float32) + random.normal(0, 4, (height, width, 1))
    pixels[height // 3 : height // 2, width // 4 : width // 2] = (240, 40, 90)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **({"quality": 90} | options if kind == "JPEG" else options))
    return file.getvalue()


def by_pillow(data: bytes, spec: InputSpec = SPEC) -> NDArray[np.uint8]:
    return prepare(read_image(data, name="one.jpg", wanted_px=wanted_px(spec)), spec)


def sent(data: bytes, spec: InputSpec = SPEC) -> EncodedImage:
    found = encoded_image(data, spec)
    assert found is not None
    return found


def on_gpu(files: list[bytes], spec: InputSpec = SPEC) -> list[NDArray[np.uint8] | None]:
    return prepared_on_gpu([sent(one, spec) for one in files], spec)


def stored(files: list[bytes], **more: bool) -> StoredImages:
    return StoredImages(prepared=lambda number: by_pillow(files[number]), encoded=files.__getitem__, **more)


def names(files: list[bytes]) -> list[str]:
    return [hashlib.sha256(one).hexdigest() for one in files]


MakeNetwork = Callable[..., Network]


@pytest.fixture
def fill(make_network: MakeNetwork) -> Callable[..., FeatureBank]:
    """The features of files, by a new extractor, as callers ask for them."""

    def of(
        files: list[bytes],
        folder: Path,
        engine: Engine | None = None,
        *,
        images: StoredImages | None = None,
        listener: Listener = silent,
    ) -> FeatureBank:
        network = make_network().seeing(SPEC)
        extractor = extractor_for(network, find_head(network), folder, engine)
        return fill_bank(extractor, names(files), images or stored(files), folder=folder, listener=listener)

    return of


@pytest.fixture
def files() -> list[bytes]:
    return [saved(photo(60 + 3 * number, 80 - number, number)) for number in range(12)]


@pytest.mark.parametrize("view", SPECS)
@pytest.mark.parametrize("size", [(90, 61), (61, 90), (200, 33), (20, 25), (36, 36), (333, 251)])
def test_the_gpu_prepares_what_pillow_prepares(view: str, size: tuple[int, int], decoder: Decoder) -> None:
    spec, data = SPECS[view], saved(photo(*size))

    (there,), here = on_gpu([data], spec), by_pillow(data, spec)

    assert there is not None
    assert there.dtype == np.uint8
    assert there.shape == here.shape
    apart = np.abs(there.astype(int) - here.astype(int))
    assert apart.max() <= 2
    assert apart.mean() < 0.1  # Pillow's weights are whole numbers, which tells where half a level lies


@pytest.mark.parametrize("view", ["crop", "squash", "border"])
@pytest.mark.parametrize(("width", "height", "factor"), [(1300, 1025, 2), (2061, 3001, 4), (1024, 1023, 1)])
def test_a_large_image_is_reduced_as_pillow_reduces_it_while_decoding(
    view: str, width: int, height: int, factor: int, decoder: Decoder
) -> None:
    spec, data = SPECS[view], saved(photo(width, height))

    (there,), here = on_gpu([data], spec), by_pillow(data, spec)

    assert sent(data, spec).factor == factor
    assert there is not None
    assert np.abs(there.astype(int) - here.astype(int)).mean() < 0.5


def numbered(data: bytes) -> bytes:
    """The same JPEG with components 1, 2 and 3 for R, G and B: the Adobe marker alone says what they are."""
    frame, scan = data.index(b"\xff\xc0") + 10, data.index(b"\xff\xda") + 5
    changed = bytearray(data)
    for number in range(3):
        assert changed[frame + 3 * number] == changed[scan + 2 * number] == b"RGB"[number]
        changed[frame + 3 * number] = changed[scan + 2 * number] = number + 1
    return bytes(changed)


def strange_files() -> dict[str, bytes]:
    exif, plain = Image.Exif(), photo(70, 50)
    exif[0x0112] = 6
    whole = saved(plain)
    return {
        "turned": saved(plain, exif=exif),
        "four colours": saved(plain.convert("CMYK")),
        "grey": saved(plain.convert("L")),
        "stored as RGB": saved(plain, keep_rgb=True),
        "said to be RGB": numbered(saved(plain, keep_rgb=True)),
        "PNG": saved(plain, "PNG"),
        "cut short": whole[: len(whole) // 2],
        "12 bits": whole.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
        "too narrow": saved(photo(3, 400)),
        "none": b"",
    }


@pytest.mark.parametrize("kind", strange_files())
def test_an_unusual_file_is_left_to_pillow(kind: str) -> None:
    assert encoded_image(strange_files()[kind], SPEC) is None


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"exif": Image.Exif()}])
def test_a_usual_file_is_for_the_gpu(options: dict[str, Any]) -> None:
    assert encoded_image(saved(photo(70, 50), **options), SPEC) is not None


def test_too_large_an_image_is_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headswap.features.gpu_decoding._MOST_PIXELS", 70 * 50 - 1)

    assert encoded_image(saved(photo(70, 50)), SPEC) is None


def test_no_more_pixels_are_decoded_at_once_than_there_is_room_for(
    files: list[bytes], decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [sent(one) for one in files]
    monkeypatch.setattr("headswap.features.gpu_decoding._MOST_PIXELS", 3 * max(one.pixels for one in images))

    assert all(one is not None for one in prepared_on_gpu(images, SPEC))

    assert sum(decoder.batches) == len(files)
    assert max(decoder.batches) == 3


def test_fewer_files_than_a_batch_go_to_the_gpu_where_they_are_large(
    files: list[bytes],
    decoder: Decoder,
    fill: Callable[..., FeatureBank],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headswap.features.stored_images._BATCH_BYTES", 1)

    bank = fill(files, tmp_path)

    assert bank.engine == NVJPEG.name
    assert decoder.batches == [1] * len(files)


def test_only_the_filters_that_torch_has_are_for_the_gpu() -> None:
    assert is_prepared_on_gpu(SPEC)
    assert not is_prepared_on_gpu(replace(SPEC, interpolation="lanczos"))
    assert not is_prepared_on_gpu(replace(SPEC, channels=1, mean=(0.5,), std=(0.5,)))


def test_one_file_that_cannot_be_decoded_does_not_take_the_others_along(
    files: list[bytes], decoder: Decoder
) -> None:
    expected = on_gpu(files)
    decoder.refused = {files[4]}

    ready = on_gpu(files)

    assert ready[4] is None
    for number in {*range(len(files))} - {4}:
        assert np.array_equal(ready[number], expected[number])


def test_where_there_is_no_room_for_all_fewer_are_decoded_at_once(files: list[bytes]) -> None:
    with pretend_device("cuda"), patch("torchvision.io.decode_jpeg", Decoder()):
        expected = on_gpu(files)
    small = max(one.pixels for one in map(sent, files)) * 3 * 4  # one image in floats
    decoder = Decoder(change=lambda image: image)
    with (
        pretend_device("cuda", largest_bytes=small),
        patch("torchvision.io.decode_jpeg", decoder),
    ):
        ready = on_gpu([*files] * 3)
    with (
        pretend_device("cuda", largest_bytes=64),
        patch("torchvision.io.decode_jpeg", decoder),
    ):
        none = on_gpu(files[:2])

    assert small < 36 * SPEC.height * SPEC.width * 3  # all in one tensor
    assert min(decoder.batches) < 36
    for number, one in enumerate(ready):
        assert np.array_equal(one, expected[number % len(files)])  # type: ignore[arg-type]
    assert none == [None, None]


def test_a_torchvision_that_cannot_decode_on_the_gpu_is_found_out() -> None:
    for wrong in (None, Decoder(change=lambda image: image.flip(0)), Decoder(change=lambda image: image[:1])):
        decodes_here.cache_clear()
        with pretend_device("cuda"):
            if wrong is None:  # the one that is installed has no nvJPEG
                assert not decodes_here()
            else:
                with patch("torchvision.io.decode_jpeg", wrong):
                    assert not decodes_here()
            assert engine_named(NVJPEG.name) is None
            assert nearest_engine(NVJPEG.name) == PILLOW
    decodes_here.cache_clear()


def test_an_engine_is_named_by_its_decoder_and_the_exact_one_has_pillow(decoder: Decoder) -> None:
    assert NVJPEG.name == "torch-cuda-bfloat16-folded-nvjpeg"
    assert engine_named(NVJPEG.name) == nearest_engine(NVJPEG.name) == NVJPEG
    assert engine_named("torch-cpu-float32-nvjpeg") is None
    assert nearest_engine("torch-cpu-float32-nvjpeg") == Engine("cpu", "float32")
    assert exact(NVJPEG) == Engine("cuda", "float32")
    assert is_rough("torch-cuda-float32-nvjpeg")
    assert not is_rough("torch-cuda-float32")


def test_images_that_are_read_again_are_decoded_on_the_gpu(
    files: list[bytes], decoder: Decoder, fill: Callable[..., FeatureBank], tmp_path: Path
) -> None:
    bank = fill(files, tmp_path)
    decoded = sum(decoder.batches)
    again = fill(files, tmp_path)
    pillow = fill(files, tmp_path / "pillow", PILLOW)

    assert (bank.engine, again.engine, again.computed) == (NVJPEG.name, NVJPEG.name, 0)
    assert decoded == sum(decoder.batches) == len(files)
    assert torch.equal(bank.features, again.features)
    assert torch.allclose(bank.features, pillow.features, rtol=0.02, atol=0.002)


def test_strange_and_damaged_files_among_them_have_pillows_pixels(
    files: list[bytes], decoder: Decoder, tmp_path: Path, make_network: MakeNetwork
) -> None:
    kinds = ("turned", "four colours", "grey", "stored as RGB", "said to be RGB", "PNG")
    strange = [strange_files()[kind] for kind in kinds]
    every = [*files[:6], *strange, *files[6:]]
    decoder.refused = {files[2]}
    network = make_network().seeing(SPEC)
    taken: dict[str, NDArray[np.uint8]] = {}

    class Watched(BankBuilder):
        def add(self, sha256: str, image: NDArray[np.uint8], **more: object) -> None:
            taken[sha256] = image
            super().add(sha256, image, **more)  # type: ignore[arg-type]

    extractor = extractor_for(network, find_head(network), tmp_path)
    builder = Watched(extractor, folder=tmp_path, expected=len(every))
    bank = fill_bank(builder, names(every), stored(every), folder=tmp_path)

    assert bank.engine == NVJPEG.name
    assert len(taken) == len(every)
    for data in (*strange, files[2]):
        (name,) = names([data])
        assert np.array_equal(taken[name], by_pillow(data))


def test_a_damaged_file_is_told_as_ever(
    files: list[bytes], decoder: Decoder, fill: Callable[..., FeatureBank], tmp_path: Path
) -> None:
    files[5] = files[5][:200]

    with pytest.raises(UnreadableImage, match=r"one\.jpg is cut short"):
        fill(files, tmp_path)


def test_a_decoder_that_gives_other_pixels_is_given_up_and_that_is_remembered(
    files: list[bytes], decoder: Decoder, fill: Callable[..., FeatureBank], tmp_path: Path
) -> None:
    pillow = fill(files, tmp_path / "pillow", PILLOW)
    others = [saved(photo(70, 90 - number, 50 + number)) for number in range(9)]
    decoder.change = lambda image: 255 - image
    banks: list[FeatureBank] = []
    for some in (files, others):
        heard: list[Event] = []

        banks.append(fill(some, tmp_path / "one", listener=heard.append))

        assert banks[-1].engine == PILLOW.name
        assert [one.sentence for one in heard if isinstance(one, Note)] == [
            f"{NVJPEG.name} did not give the features of the exact network: {PILLOW.name} gave them."
        ]
    named = fill(files, tmp_path / "one", NVJPEG)

    assert torch.equal(banks[0].features, pillow.features)
    assert decoder.batches == [len(files)]  # others were not tried
    assert (named.engine, named.computed) == (PILLOW.name, 0)


def test_a_decoder_that_decodes_nothing_is_given_up(
    files: list[bytes], decoder: Decoder, fill: Callable[..., FeatureBank], tmp_path: Path
) -> None:
    decoder.refused = set(files)

    bank = fill(files, tmp_path)

    assert bank.engine == PILLOW.name
    assert torch.equal(bank.features, fill(files, tmp_path / "pillow", PILLOW).features)


def test_an_engine_that_is_given_up_leaves_the_decoder_as_it_is(
    files: list[bytes], decoder: Decoder, tmp_path: Path, make_network: MakeNetwork
) -> None:
    class Wrong(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    network = make_network(Wrong()).seeing(SPEC)
    extractor = extractor_for(network, find_head(network), tmp_path)
    begin = extractor._begin
    extractor._begin = lambda batch: lambda some: tuple(2 * one for one in begin(batch)(some))  # type: ignore[method-assign,assignment,return-value]

    bank = fill_bank(extractor, names(files), stored(files), folder=tmp_path)

    assert bank.engine == "torch-cuda-float32-nvjpeg"
    assert extractor.given_up == (NVJPEG.name, "torch-cuda-float32-folded-nvjpeg")
    assert len(bank.features) == len(files)


def test_pillow_decodes_where_its_features_or_pixels_are_at_hand_or_an_engine_is_named(
    files: list[bytes], decoder: Decoder, fill: Callable[..., FeatureBank], tmp_path: Path
) -> None:
    pngs = [saved(photo(60, 50, number), "PNG") for number in range(8)]
    fill(files[:1], tmp_path / "known", PILLOW)

    assert fill(files, tmp_path / "known").engine == PILLOW.name
    assert fill(files, tmp_path / "named", PILLOW).engine == PILLOW.name
    assert fill(files, tmp_path / "here", images=stored(files, are_in_memory=True)).engine == PILLOW.name
    assert fill(pngs, tmp_path / "png").engine == PILLOW.name
    pixels = StoredImages(prepared=lambda number: by_pillow(files[number]))
    assert fill(files, tmp_path / "pixels", images=pixels).engine == PILLOW.name
    assert fill(files, tmp_path / "pixels", NVJPEG, images=pixels).engine == PILLOW.name
    assert not decoder.batches


def test_without_a_gpu_pillow_decodes(
    files: list[bytes], fill: Callable[..., FeatureBank], tmp_path: Path
) -> None:
    assert "-cpu-" in fill(files, tmp_path).engine


def test_a_named_engine_with_a_decoder_repeats_its_features_bit_for_bit(
    files: list[bytes], decoder: Decoder, fill: Callable[..., FeatureBank], tmp_path: Path
) -> None:
    first = fill(files, tmp_path / "first")

    again = fill(files, tmp_path / "again", engine_named(first.engine))
    at_hand = stored(files, are_in_memory=True)
    from_files = fill(files, tmp_path / "files", engine_named(first.engine), images=at_hand)

    assert first.engine == again.engine == from_files.engine == NVJPEG.name
    assert torch.equal(first.features, again.features)
    assert torch.equal(first.features, from_files.features)


def test_pixels_of_pillow_are_not_mixed_in(
    files: list[bytes],
    decoder: Decoder,
    fill: Callable[..., FeatureBank],
    tmp_path: Path,
    make_network: MakeNetwork,
) -> None:
    network = make_network().seeing(SPEC)
    builder = BankBuilder(
        Extractor(network, find_head(network), NVJPEG), folder=tmp_path / "added", expected=len(files)
    )
    for name in names(files):
        builder.add(name, np.zeros((32, 32, 3), np.uint8))

    bank = fill_bank(builder, names(files), stored(files), folder=tmp_path / "added")

    assert torch.equal(bank.features, fill(files, tmp_path / "alone", NVJPEG).features)


@pytest.mark.parametrize("asked_from", [0, 1])  # with the one that was added, or without it
def test_what_was_added_before_settles_the_decoder(
    files: list[bytes], decoder: Decoder, tmp_path: Path, make_network: MakeNetwork, asked_from: int
) -> None:
    network = make_network().seeing(SPEC)
    extractor = extractor_for(network, find_head(network), tmp_path)
    builder = BankBuilder(extractor, folder=tmp_path, expected=len(files))
    builder.add(names(files)[0], by_pillow(files[0]))

    asked = files[asked_from:]
    assert fill_bank(builder, names(asked), stored(asked), folder=tmp_path).engine == PILLOW.name
    assert not decoder.batches


def test_a_run_that_is_cancelled_stops_and_leaves_nothing_half(
    files: list[bytes], decoder: Decoder, fill: Callable[..., FeatureBank], tmp_path: Path
) -> None:
    def cancel(event: Event) -> None:
        if isinstance(event, Progress) and event.done == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        fill(files, tmp_path, listener=cancel)

    assert fill(files, tmp_path).engine == NVJPEG.name


@pytest.fixture(scope="module")
def drawings(few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As JPEGs."""
    folder = tmp_path_factory.mktemp("jpegs") / "drawings"
    for path in few_drawings.glob("*/*.png"):
        target = folder / path.parent.name / f"{path.stem}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        read_image(path.read_bytes(), name=path.name).save(target, quality=95)
    return folder


def taught(drawings: Path, weights: Path, folder: Path, **more: object) -> Outcome:
    """As the page teaches: from the manifest of images that were read before."""
    dataset = folder / "dataset.json"
    folder.mkdir(parents=True, exist_ok=True)
    write_record(dataset, ingest(drawings).manifest)
    return headswap.train(
        dataset,
        model=TINY,
        weights=weights,
        out=folder / "bundle",
        workspace=folder / "w",
        config=TrainConfig(px=TINY_PX),
        **more,  # type: ignore[arg-type]
    )


def test_a_network_is_taught_repeated_and_changed_with_what_the_gpu_decodes(
    drawings: Path, tiny_weights: Path, decoder: Decoder, tmp_path: Path
) -> None:
    outcome = taught(drawings, tiny_weights, tmp_path / "one")
    decoded = sum(decoder.batches)
    again = headswap.train(
        tmp_path / "one" / "dataset.json", from_bundle=outcome.bundle, weights=tiny_weights,
        out=tmp_path / "again", workspace=tmp_path / "other",
    )  # fmt: skip
    first_reading = headswap.train(  # ingest hands Pillow's pixels on, which this engine does not take
        drawings, from_bundle=outcome.bundle, weights=tiny_weights, out=tmp_path / "files",
        workspace=tmp_path / "third",
    )  # fmt: skip
    before = sum(decoder.batches)
    more = tmp_path / "more" / "disc"
    more.mkdir(parents=True)
    for number in range(6):
        photo(90, 80, number).save(more / f"{number}.jpg", quality=92)
    changed = headswap.edit(outcome.bundle, tmp_path / "changed", add=more, workspace=tmp_path / "fourth")

    assert outcome.engine == again.engine == first_reading.engine == NVJPEG.name
    assert decoded == 24
    weights = [
        Path(one.bundle, "weights.safetensors").read_bytes() for one in (outcome, again, first_reading)
    ]
    assert weights[0] == weights[1] == weights[2]
    assert sum(decoder.batches) - before == 6
    assert "disc" in read_card(Path(changed.bundle)).classes
    kept = read_features(Path(outcome.bundle))
    assert kept is not None
    assert kept.engine == NVJPEG.name
    by_processor = headswap.train(
        drawings, model=TINY, weights=tiny_weights, out=tmp_path / "pillow", workspace=tmp_path / "fifth",
        config=TrainConfig(px=TINY_PX),
    )  # fmt: skip
    assert by_processor.engine == PILLOW.name
    ours, theirs = headswap.load_bundle(outcome.bundle), headswap.load_bundle(by_processor.bundle)
    for path in list(drawings.glob("*/*.jpg"))[::4]:
        assert ours.predict(path).probabilities == pytest.approx(theirs.predict(path).probabilities, abs=0.02)


@pytest.mark.parametrize("is_folded", [pytest.param(True, marks=pytest.mark.thorough), False])
def test_close_test_images_are_looked_at_again_by_pillow_in_single_precision_too(
    drawings: Path,
    tiny_weights: Path,
    decoder: Decoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_folded: bool,
) -> None:
    single = Engine("cuda", "float32", folded=is_folded)
    monkeypatch.setattr("headswap.features.autotune.choose_engine", lambda: single)

    with patch.object(verify, "_recomputed_logits", wraps=verify._recomputed_logits) as again:
        outcome = taught(drawings, tiny_weights, tmp_path / "one")

    assert outcome.engine == f"{single.name}-nvjpeg"
    assert again.call_count == 1


def test_where_the_gpu_does_not_decode_a_run_is_repeated_by_pillow_and_a_note_says_so(
    drawings: Path, tiny_weights: Path, decoder: Decoder, tmp_path: Path
) -> None:
    outcome = taught(drawings, tiny_weights, tmp_path / "one")
    decodes_here.cache_clear()
    heard: list[Event] = []
    with patch("torchvision.io.decode_jpeg", decode_on_processor):
        again = headswap.train(
            tmp_path / "one" / "dataset.json", from_bundle=outcome.bundle, weights=tiny_weights,
            out=tmp_path / "again", workspace=tmp_path / "other", listener=heard.append,
        )  # fmt: skip

    assert again.engine == PILLOW.name
    said = [one.sentence for one in heard if isinstance(one, Note)]
    assert any(one.startswith(f"This machine has no engine {NVJPEG.name}") for one in said)


def test_a_crew_decodes_by_pillow(
    drawings: Path, tiny_weights: Path, decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headswap.pipeline.spread.CHUNK", 4)
    monkeypatch.setattr("headswap.pipeline.dataset_elsewhere.HERE_FIRST", 8)
    dataset = tmp_path / "dataset.json"
    write_record(dataset, ingest(drawings).manifest)
    experiment = Experiment(
        data=DataConfig(source=str(dataset)),
        model=TINY,
        weights=str(tiny_weights),
        train=TrainConfig(px=TINY_PX),
    )

    outcome = run_experiment(experiment, tmp_path / "bundle", workspace=tmp_path / "w", crew=Here())

    assert outcome.engine == PILLOW.name
    assert not decoder.batches


@pytest.mark.thorough  # that a crew decodes by Pillow is tried each time
def test_a_crew_is_not_asked_for_what_a_gpu_has_decoded(
    drawings: Path, tiny_weights: Path, decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Asked(Here):
        def each(
            self, task: object, parcels: object, **_more: object
        ) -> Generator[tuple[int, Parcel], None, None]:
            raise AssertionError("nothing is to be seen elsewhere")

    monkeypatch.setattr("headswap.pipeline.spread.CHUNK", 4)
    monkeypatch.setattr("headswap.pipeline.dataset_elsewhere.HERE_FIRST", 8)
    first = taught(drawings, tiny_weights, tmp_path / "one")

    again = train_again(
        first.bundle, tmp_path / "one" / "dataset.json", weights=tiny_weights, out=tmp_path / "again",
        workspace=tmp_path / "w", crew=Asked(),
    )  # fmt: skip

    assert again.engine == first.engine == NVJPEG.name
    files = [Path(one.bundle, "weights.safetensors").read_bytes() for one in (first, again)]
    assert files[0] == files[1]


@pytest.mark.parametrize("is_spread", [False, True])
def test_a_comparison_reads_again_what_is_prepared_for_another_network(
    drawings: Path, tiny_weights: Path, decoder: Decoder, tmp_path: Path, is_spread: bool
) -> None:
    network = load_network(TINY, weights=tiny_weights).seeing(
        load_network(TINY, weights=tiny_weights).input.sized(TINY_PX)
    )
    task = task_of(
        drawings, [TINY], folds=2, seed=0, workspace=tmp_path, settings=ZooSettings(),
        crew=Here() if is_spread else None, listener=silent,
    )  # fmt: skip
    source = source_of(network, locate_head(network), "last", len(task.manifest.images))

    bank = bank_of(task, source, task.manifest.images, silent)
    assert task.spec is not None
    at_hand = source_of(network.seeing(task.spec), locate_head(network), "last", 24)
    other = bank_of(replace(task, crew=None), at_hand, task.manifest.images, silent)

    assert bank.engine == (PILLOW.name if is_spread else NVJPEG.name)
    assert other.engine == PILLOW.name
