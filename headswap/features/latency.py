"""How fast and how large a network is here: what a person weighs against its accuracy.

Flow:  Network + one prepared image --pace_of--> milliseconds for one image

Measured as a prediction runs: on every core, one image, single precision, channels last, the network as
it is; after a warm-up, the median of several tries. Call it when nothing else runs.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from headswap.data.transforms import to_float
from headswap.features.devices import bring_home
from headswap.network import Network

_TRIES, _MOST_S = 7, 0.3


def pace_of(network: Network, image: NDArray[np.uint8], most_s: float = _MOST_S) -> float:
    """Milliseconds from a prepared image to the network's answer, the median of up to seven tries.

    Args:
        network: ends on the processor, wherever it was.
        image: (H, W, C) uint8, as `headswap.data.transforms.prepare` gives it.
        most_s: seconds after which no try is begun, once there is one after the warm-up.
    """
    module = bring_home(network.module)
    was_training = module.training
    module.eval()
    tries: list[float] = []
    with torch.inference_mode():
        begin = time.perf_counter()
        while len(tries) <= _TRIES and (len(tries) < 2 or time.perf_counter() - begin < most_s):
            start = time.perf_counter()
            batch = torch.from_numpy(to_float(image[None], network.input))
            module(batch.contiguous(memory_format=torch.channels_last))
            tries.append(1000 * (time.perf_counter() - start))
    module.train(was_training)
    return median(tries[1:])


def size_of(module: nn.Module) -> tuple[int, int]:
    """Parameters of a network, and its bytes as a file: parameters and buffers, each once."""
    state = {value.data_ptr(): value for value in module.state_dict(keep_vars=True).values()}
    numbers = sum(value.numel() for value in module.parameters())
    return numbers, sum(value.numel() * value.element_size() for value in state.values())
