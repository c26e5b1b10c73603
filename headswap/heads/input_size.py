"""Which size of image a network takes, when no one says.

Flow:  Network | module --hinted_sizes--> sizes it names itself --first_run--> DryRun at the first that works

A network's own metadata comes first, then common sizes, then a search led by the
mismatch that a fully connected layer reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from torch import nn

from headswap.errors import BadSetting, HeadNotFound
from headswap.heads.dry_run import DryRun, DryRunMode, InputSize, dry_run, on_meta
from headswap.heads.unwrap import Target
from headswap.network import Network

COMMON_SIZES_PX = (
    *(224, 256, 299, 384, 192, 240, 288, 320, 512, 448, 336, 160, 128, 96, 64, 32, 28, 378, 260, 300, 380),
    *(456, 528, 600, 252, 392, 475, 518, 560, 640, 768, 800, 1024, 196, 896, 416, 364, 420, 476, 672, 144),
    *(112, 48, 40, 36, 84, 80, 72, 100, 120, 150, 176, 180, 200, 208, 216, 227, 231, 16, 8),
)
LARGER_SIZES_PX = (256, 299, 384, 512)  # tried when a network runs in eval mode only, being fed too little
_LARGEST_PX = 1024
_MISMATCHES = (
    re.compile(r"\(\d+x(\d+) and (\d+)x\d+\)"),  # with numbers
    re.compile(r"got \[\d+, (\d+)\] X \[(\d+), \d+\]"),  # on meta tensors
)


def checked_size(input_size: tuple[int, int, int] | None) -> InputSize | None:
    """The size a person gave, if it is one.

    Raises:
        BadSetting: it is not three positive whole numbers.
    """
    if input_size is None:
        return None
    if len(input_size) != 3 or any(
        not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in input_size
    ):
        raise BadSetting(
            f"input_size is {input_size!r}.",
            remedy="Give (channels, height, width), three whole numbers of 1 or more, such as (3, 224, 224).",
        )
    channels, height, width = input_size
    return channels, height, width


def first_run(target: Target, module: nn.Module, input_size: InputSize | None) -> DryRun:
    """Run a network in eval mode at the given size, or else at the first size that it takes.

    Raises:
        HeadNotFound: it runs at none of them.
    """
    if input_size is not None:
        run = attempt(module, DryRunMode(size=input_size))
        if isinstance(run, DryRun):
            return run
        raise HeadNotFound(
            f"The network does not run on a picture of {text_of(input_size)}: {first_line(run)}",
            remedy="Give the input_size it was made for, as (channels, height, width).",
        ) from run
    first_error: Exception | None = None
    for size in _sizes(target, module):
        run = attempt(module, DryRunMode(size=size))
        if isinstance(run, DryRun):
            return run
        first_error = first_error or run
    found = _led_by_mismatch(module) or _with_numbers(target, module)
    if found is not None:
        return found
    raise HeadNotFound(
        "The network did not run on a picture of any common size. "
        f"The first try said: {first_line(first_error)}",
        remedy="Give input_size=(channels, height, width), as the network was made for; "
        "it must take one batch of pictures and nothing else.",
    ) from first_error


def attempt(module: nn.Module, how: DryRunMode) -> DryRun | Exception:
    """One pass on shapes, or with numbers where shapes do not suffice; or what the network said."""
    try:
        return dry_run(module, how)
    except Exception as error:  # noqa: BLE001  (foreign code may raise anything; it is handed on, not hidden)
        if how.real or on_meta(module) or not _needs_numbers(error):
            return error
    return attempt(module, replace(how, real=True))


def text_of(size: InputSize) -> str:
    """3×224×224."""
    return "×".join(map(str, size))


def hinted_sizes(target: Target, module: nn.Module) -> Iterator[InputSize]:
    """Sizes that the network itself names, most trusted first."""
    if isinstance(target, Network):
        yield target.input.size
    for attribute in ("pretrained_cfg", "default_cfg"):
        described = getattr(module, attribute, None)
        size = described.get("input_size") if isinstance(described, Mapping) else None
        if isinstance(size, list | tuple) and len(size) == 3:
            yield size[0], size[1], size[2]
    for holder in (getattr(module, "config", None), *module.modules()):
        channels = getattr(holder, "num_channels", 3)
        for attribute in ("image_size", "img_size", "input_size"):
            size = getattr(holder, attribute, None)
            sides = (size, size) if isinstance(size, int) else size
            if isinstance(sides, list | tuple) and len(sides) == 2 and all(isinstance(n, int) for n in sides):
                yield channels if isinstance(channels, int) else 3, sides[0], sides[1]


def _sizes(target: Target, module: nn.Module) -> Iterable[InputSize]:
    """Hinted sizes, then common ones; each once."""
    hinted = [size for size in hinted_sizes(target, module) if all(n > 0 for n in size)]
    common = [(channels, px, px) for px in COMMON_SIZES_PX for channels in _channels(module)]
    return dict.fromkeys([*hinted, *common])


def _channels(module: nn.Module) -> tuple[int, ...]:
    """Colour first, then what the first convolution takes (it may sit behind a rearrangement), then grey."""
    convolutions = (part for part in module.modules() if isinstance(part, nn.Conv2d))
    first = next((part.in_channels for part in convolutions), 3)
    return tuple(dict.fromkeys((3, first, 1)))


def _led_by_mismatch(module: nn.Module) -> DryRun | None:
    """Halve the side until a fully connected layer gets the number of features it was made for."""
    for channels in _channels(module):
        low, high = 1, _LARGEST_PX
        while low <= high:
            side = (low + high) // 2
            run = attempt(module, DryRunMode(size=(channels, side, side)))
            if isinstance(run, DryRun):
                return run
            match = next(filter(None, (pattern.search(str(run)) for pattern in _MISMATCHES)), None)
            if match is None or int(match[1]) < int(match[2]):
                low = side + 1  # too few features, or too small to run at all
            else:
                high = side - 1
    return None


def _with_numbers(target: Target, module: nn.Module) -> DryRun | None:
    """The last resort: the likeliest sizes with real numbers, in case shapes alone broke the pass."""
    if on_meta(module):
        return None
    common = [(channels, px, px) for px in (224, 32, 28) for channels in _channels(module)]
    for size in dict.fromkeys([*hinted_sizes(target, module), *common]):
        run = attempt(module, DryRunMode(size=size, real=True))
        if isinstance(run, DryRun):
            return run
    return None


def _needs_numbers(error: Exception) -> bool:
    """Whether a pass failed only because meta tensors hold no numbers."""
    return isinstance(error, NotImplementedError) or "meta" in str(error).lower()


def first_line(error: Exception | None) -> str:
    """What an error says first, as one sentence."""
    lines = str(error).strip().splitlines()
    return f"{lines[0].rstrip('.')}." if lines else f"{type(error).__name__}."
