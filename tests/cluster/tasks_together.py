"""A task that all processes of a group do together."""

from __future__ import annotations

import torch

from headswap.cluster.crew import Parcel, task
from headswap.cluster.ranks import hear, ranks_here


@task
def add_up(parcel: Parcel) -> Parcel:
    """Everything that processes exchange; rank 0 answers with what it has then."""
    ranks, count = ranks_here(), parcel.facts["count"]
    own = torch.tensor([[10.0 * at, float(ranks.rank)] for at in ranks.part(count)]).reshape(-1, 2)
    used, half_used, unused = (torch.zeros(2, 1, requires_grad=True) for _ in range(3))
    used.grad = torch.full((2, 1), 1.0 + ranks.rank)
    half_used.grad = torch.ones(2, 1) if ranks.is_first else None
    numbers = ranks.sum_gradients([used, half_used, unused], [0.5, float(ranks.rank)])
    first = torch.full((2,), ranks.rank)
    ranks.copy_first([first])
    said = ranks.bytes_of_first(b"first" if ranks.is_first else b"")
    hear()
    return Parcel(
        facts={
            "size": ranks.size,
            "rows": ranks.gathered(own, count).tolist(),
            "slopes": [
                None if one.grad is None else one.grad.flatten().tolist() for one in (used, half_used, unused)
            ],
            "numbers": numbers,
            "first": ranks.gathered(first[None], ranks.size)[-1].tolist(),
            "said": said.decode(),
        }
    )
