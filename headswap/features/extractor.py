"""Run the frozen backbone of a network and catch what reaches its head.

Flow:  (N, H, W, C) uint8 images --Extractor--> (N, D) float32 features

The backbone runs in some engine; on its first images the engine is compared with the
network as it is, in single precision, and given up when it is not near enough. On a GPU runs a
copy: the network that was given stays where it is. A batch that a device has no room for is
halved until it fits.
"""

from __future__ import annotations

import copy
import ctypes
import hashlib
import platform
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headswap.data.transforms import to_float
from headswap.errors import TeachingFailed
from headswap.features.devices import device_of, is_out_of_memory, release_memory, upload
from headswap.features.engines import Engine, exact, processor_engine, relative_error, to_engine
from headswap.features.fold import folded
from headswap.features.hooks import HookedNetwork
from headswap.features.onnx_backend import NotTranslated, Run, run_translated
from headswap.heads.site import HeadSite
from headswap.network import Network
from headswap.storage.files import to_json

# A process keeps the memory that a backbone frees, for its next batch: a third to a half faster. glibc maps
# large blocks apart, gives them back to the system and asks for them again at every layer; each comes back
# as pages of zeros, and filling in pages costs more than many a convolution
# (docs/decisions/0003-engines.md). Other C libraries have no such setting, and need none.

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # <malloc.h>
_MAPPED_APART = 0  # blocks; a threshold of size would not do, glibc takes none above 32 MB
_MOST_KEPT = 512 * 2**20  # bytes that are free at the end of the heap


@cache
def keep_freed_memory() -> bool:
    """Ask once; whether there was anyone to ask."""
    if platform.system() != "Linux":
        return False
    setting = getattr(ctypes.CDLL(None), "mallopt", None)
    if setting is None:  # musl
        return False
    return bool(setting(_MMAP_MAX, _MAPPED_APART)) and bool(setting(_TRIM_THRESHOLD, _MOST_KEPT))


_COMPARED = 4  # images


@dataclass
class Extractor:
    """A network that gives features. Its engine may fall back to a more exact one."""

    network: Network
    site: HeadSite
    engine: Engine
    translations: Path | None = None  # where translations for other libraries are kept; None: only torch runs
    flip: bool = False  # features and answers are the mean over image and flipped image
    flipped: bool = False  # every image is seen flipped only
    autotuned: bool = True  # False: a faster engine may still be looked for
    takes_nvjpeg: bool = False  # True: no engine was named, so another decoder may still be taken
    given_up: tuple[str, ...] = field(init=False, default=())  # names of engines that were not near enough
    _exact: Run = field(init=False)
    _fast: Run | None = field(init=False, default=None)
    _room: int | None = field(
        init=False, default=None
    )  # images that the device takes; None: no limit was met

    def __post_init__(self) -> None:
        reference = exact(self.engine)
        if reference.device == "cpu":
            keep_freed_memory()
        self._module = _placed(self.network.module.eval(), reference)
        self._exact = self._in_torch(self._module, reference)

    @property
    def width(self) -> int:
        """D: the features of all heads, side by side."""
        return sum(self.site.in_features)

    @property
    def key(self) -> str:
        """Names weights, head, preprocessing: what features depend on in addition to image and engine."""
        return "\n".join(
            (
                self._network_key,
                to_json(self.network.input),
                *["mirror"] * self.flip,
                *["flipped"] * self.flipped,
            )
        )

    @property
    def _network_key(self) -> str:
        """Names weights, head and size: what a translation depends on, however images are prepared."""
        weights = weights_hash(self.network)
        return "\n".join((weights, str(self.network.input.size), self.site.feature_key))

    def features(self, images: NDArray[np.uint8]) -> Tensor:
        """Features of prepared images.

        Args:
            images: (N, H, W, C) uint8, as `headswap.data.transforms.prepare` gives them.

        Returns:
            (N, D) float32 on the CPU.
        """
        return self.features_and_logits(images)[0]

    def features_and_logits(self, images: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """Features and, from the same run, what the head makes of them: (N, D) and (N, C) logits."""
        if self.flipped:
            images = images[:, :, ::-1]
        batch = torch.from_numpy(to_float(images, self.network.input))  # (N, C, H, W)
        if not self.flip:
            return self._fitting(batch)
        (features, logits), (flipped, others) = self._fitting(batch), self._fitting(batch.flip(-1))
        return (features + flipped) / 2, (logits + others) / 2

    def decoder_error(self, images: NDArray[np.uint8], by_pillow: NDArray[np.uint8]) -> float:
        """How far the exact features of images are from those of the same images, as Pillow decodes them.

        Infinite where there is no room for one of them.
        """
        spec = self.network.input
        both = [torch.from_numpy(to_float(some, spec)).split(1) for some in (images, by_pillow)]
        try:
            decoded, true = (torch.cat([self._exact(one)[0] for one in some]) for some in both)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return float("inf")
        return relative_error(decoded, true)

    def give_up(self) -> None:
        """Leave an engine that is not near enough.

        For single precision first; from MPS for the processor's own engine; then for the exact one. What
        decodes stays: it is compared by itself.
        """
        self._fast, self.given_up = None, (*self.given_up, self.engine.name)
        if self.engine.precision != "float32":
            self.engine = replace(self.engine, precision="float32")
        elif self.engine.device == "mps":
            self.engine = processor_engine()
        else:
            self.engine = replace(exact(self.engine), decoder=self.engine.decoder)

    def give_up_decoder(self) -> None:
        """Go on in the same engine with what Pillow decodes."""
        self.given_up = (*self.given_up, self.engine.name)
        self.engine = replace(self.engine, decoder="pillow")  # what runs already goes on

    def change(self, engine: Engine) -> None:
        """Go on in another engine that is compared with the same exact one."""
        self.engine, self._fast = engine, None

    def _fitting(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Run a batch in as many parts as the device has room for."""
        if self._room is not None and len(batch) > self._room:
            parts = [self._fitting(part) for part in batch.split(self._room)]
            return torch.cat([one for one, _ in parts]), torch.cat([other for _, other in parts])
        try:
            return self._run(batch)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        device = self.engine.device  # the failed run's tensors are gone from here on
        release_memory(device)
        if len(batch) == 1:
            raise _too_large(self.network, device)
        self._room = (len(batch) + 1) // 2
        return self._fitting(batch)

    def _run(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        if self._fast is None and not self.engine.is_exact:
            self._start(batch[:_COMPARED])
        return (self._fast or self._exact)(batch)

    def _start(self, batch: Tensor) -> None:
        """Start the engine and compare it with the exact one; take a slower one until they agree."""
        true = self._exact(batch)[0]
        while self._fast is None and not self.engine.is_exact:
            try:
                fast = self._begin(batch)
                rough = fast(batch)[0]
            except NotTranslated:
                self.given_up = (*self.given_up, self.engine.name)
                self.engine = exact(self.engine)
            except RuntimeError as error:  # what really is wrong, the exact engine says, too
                if is_out_of_memory(error):  # which would need more still
                    raise
                self.give_up()
            else:
                near = rough.shape == true.shape and relative_error(rough, true) <= self.engine.largest_error
                if near:
                    self._fast = fast
                else:
                    self.give_up()

    def _begin(self, batch: Tensor) -> Run:
        if self.engine.library != "torch":
            if self.translations is None:
                raise NotTranslated("There is no place for a translation.", remedy="Torch runs it.")
            watched = HookedNetwork(self._module, self.site, self.network.name).eval()
            key = self._network_key
            return run_translated(watched, self.engine, batch, folder=self.translations, key=key)
        module = _placed(self._module, self.engine)
        if self.engine.folded:
            module = folded(module, upload(batch[:1], self.engine.device))
        return self._in_torch(module, self.engine)

    def _in_torch(self, module: nn.Module, engine: Engine) -> Run:
        watched = HookedNetwork(module, self.site, self.network.name)

        def run(batch: Tensor) -> tuple[Tensor, Tensor]:
            with engine.running():
                features, logits = watched(upload(batch, engine.device))
            return features.float().cpu().clone(), logits.float().cpu().clone()  # outside inference mode

        return run


def _placed(module: nn.Module, engine: Engine) -> nn.Module:
    """A network on an engine's device: itself where it is there, else a copy."""
    if device_of(module) != engine.device:
        module = copy.deepcopy(module)
    return to_engine(module, engine)


def _too_large(network: Network, device: str) -> TeachingFailed:
    location = {"cuda": "the GPU", "mps": "the GPU", "cpu": "this machine"}[device]
    return TeachingFailed(
        f"There is no room on {location} for {network.name} with one picture.",
        remedy="Choose a smaller network, or end other programs that take its memory.",
    )


def weights_hash(network: Network) -> str:
    """The sha256 of the weight file, or over the weights where they come from none."""
    if network.weights_sha256:
        return network.weights_sha256
    digest = hashlib.sha256()
    for name, tensor in network.module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
