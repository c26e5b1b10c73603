"""Processes that do one piece of work together, each its own part of every step (torch.distributed).

Flow:  torch's process group --ranks_here--> Ranks; parts, sums and copies between them

Each process has a rank, from 0. Rank 0 alone writes, reports and decides when to stop. A process that is
alone has `ALONE`, with which every function here gives back what it was given.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

WAIT_S = 600.0  # how long a process waits for the others in a step before it gives up


@dataclass(frozen=True)
class Ranks:
    """This process among the others of its group."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports for all of them."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        return self.size == 1

    def parts(self, count: int) -> list[range]:
        """Which of `count` things each process does: in order, and as equally many as can be."""
        ends = [count * rank // self.size for rank in range(self.size + 1)]
        return [range(begin, end) for begin, end in itertools.pairwise(ends)]

    def part(self, count: int) -> range:
        """Which of `count` things this process does; may be none."""
        return self.parts(count)[self.rank]

    def gathered(self, own: Tensor, count: int) -> Tensor:
        """What all processes have, in order.

        Args:
            own: (n, ...) on the processor, for the n things of `part(count)`.
            count: of all things.

        Returns:
            (count, ...), in every process.
        """
        if self.is_alone or count == 0:
            return own
        lengths = [len(part) for part in self.parts(count)]
        padded = own.new_zeros(max(lengths), *own.shape[1:])
        padded[: len(own)] = own
        found = [torch.empty_like(padded) for _ in lengths]
        dist.all_gather(found, padded)
        return torch.cat([one[:length] for one, length in zip(found, lengths, strict=True)])

    def sum_gradients(self, parameters: Sequence[Tensor], numbers: Sequence[float]) -> list[float]:
        """Make every gradient the sum of those of all processes; gives the sums of some numbers, too.

        A parameter without a gradient in any process stays without one: an optimizer leaves it alone.

        Args:
            parameters: the same in every process, single precision, on one device.
            numbers: as many in every process; float32 on their way.
        """
        if self.is_alone:
            return list(numbers)
        device = parameters[0].device
        has = [float(value.grad is not None) for value in parameters]
        slopes = [
            (torch.zeros_like(value) if value.grad is None else value.grad).flatten() for value in parameters
        ]
        flat = torch.cat([*slopes, torch.tensor([*has, *numbers], device=device)])
        flat = self._summed(flat)
        lengths = [value.numel() for value in parameters]
        *sums, told = flat.split([*lengths, len(has) + len(numbers)])
        facts: list[float] = told.tolist()
        for value, total, count in zip(parameters, sums, facts, strict=False):
            value.grad = torch.empty_like(value).copy_(total.view(value.shape)) if count else None
        return facts[len(has) :]

    def copy_first(self, tensors: Iterable[Tensor]) -> None:
        """Give every process what rank 0 has, in place."""
        if self.is_alone:
            return
        for value in tensors:
            sent = value.detach() if _is_sent_from(value) else value.detach().cpu()
            sent = sent.contiguous()
            dist.broadcast(sent, src=0)
            value.detach().copy_(sent)

    def bytes_of_first(self, content: bytes, group: dist.ProcessGroup | None = None) -> bytes:
        """What rank 0 gives, in every process; what the others give is not used.

        Args:
            content: of any length.
            group: with which they talk; None: the usual one.
        """
        if self.is_alone:
            return content
        length = torch.tensor([len(content)])
        dist.broadcast(length, src=0, group=group)
        count = int(length)
        sent = torch.zeros(max(1, count), dtype=torch.uint8)
        if self.is_first and count:
            sent[:] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        dist.broadcast(sent, src=0, group=group)
        return sent[:count].numpy().tobytes()

    @staticmethod
    def _summed(flat: Tensor) -> Tensor:
        if _is_sent_from(flat):
            dist.all_reduce(flat)
            return flat
        sent = flat.cpu()
        dist.all_reduce(sent)
        return sent.to(flat.device)


ALONE = Ranks()


def ranks_here() -> Ranks:
    """This process in the group that torch has begun in it; alone where there is none."""
    if not (dist.is_available() and dist.is_initialized()):
        return ALONE
    return Ranks(rank=dist.get_rank(), size=dist.get_world_size())


def _silent() -> None:
    """Nothing waits."""


_hearer: ContextVar[Callable[[], None]] = ContextVar("hearer", default=_silent)  # of this thread


@contextmanager
def heard_by(meanwhile: Callable[[], None] | None) -> Iterator[None]:
    """While it lasts, `hear` calls a function: of a process that works and reports at the same time."""
    before = _hearer.set(meanwhile or _silent)
    try:
        yield
    finally:
        _hearer.reset(before)


def hear() -> None:
    """Call the function that `heard_by` has set in this thread; it may raise what ends the work."""
    _hearer.get()()


def _is_sent_from(value: Tensor) -> bool:
    """Whether the group takes it from where it is: from CUDA NCCL does, gloo from the processor only."""
    return value.device.type == "cpu" or ("nccl" in str(dist.get_backend_config()) and value.is_cuda)
