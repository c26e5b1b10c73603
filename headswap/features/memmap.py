"""A row of numbers for each image: in memory while they are few, else in a file without a name.

Flow:  rows, width --matrix--> Tensor to fill;  Tensor + wanted rows --taken--> Tensor of these rows
       Tensor + wanted columns --columns_of--> Tensor of these columns

So the memory of a run does not grow with its images: the system keeps of the file what it has
room for, and the file is gone with the last tensor that uses it, or with the process.
"""

from __future__ import annotations

import logging
import mmap
import os
import tempfile
from pathlib import Path

import torch
from torch import Tensor

IN_MEMORY_BYTES = 16 * 2**20
_AT_ONCE = 4096  # rows
_ROOMY = Path("/var/tmp")  # on a disk, where the usual place for short-lived files may be memory

logger = logging.getLogger(__name__)


def matrix(rows: int, width: int) -> Tensor:
    """(rows, width) float32, to be filled."""
    size = 4 * rows * width
    if size > IN_MEMORY_BYTES:
        try:
            return torch.frombuffer(_mapped(size), dtype=torch.float32).view(rows, width)
        except OSError as error:  # no room on the disk, or no such thing here: then memory has to do
            logger.warning("%d MB are kept in memory and not in a file: %s", size // 2**20, error)
    return torch.empty(rows, width)


def taken(numbers: Tensor, rows: Tensor) -> Tensor:
    """Some rows of (N, D) float32, by their places (int64) or by a mask over all (bool)."""
    indices = torch.nonzero(rows).flatten() if rows.dtype == torch.bool else rows
    found = matrix(len(indices), numbers.shape[1])
    for start in range(0, len(indices), _AT_ONCE):
        some = indices[start : start + _AT_ONCE]
        torch.index_select(numbers, 0, some, out=found[start : start + len(some)])
    return found


def columns_of(numbers: Tensor, columns: slice) -> Tensor:
    """Some columns of (N, D) float32, side by side."""
    some = numbers[:, columns]
    if some.is_contiguous():  # all of them
        return some
    return matrix(*some.shape).copy_(some)


def _mapped(size: int) -> mmap.mmap:
    """Memory that is a file of this process alone."""
    roomy = _ROOMY if os.access(_ROOMY, os.W_OK) else None
    with tempfile.TemporaryFile(prefix="headswap-", dir=roomy) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk is found out now, not while writing
        else:
            file.truncate(size)
        return mmap.mmap(file.fileno(), size)
