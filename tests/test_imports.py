"""Importing the large libraries: torch's compiler for what compiles only, no look for garbage meanwhile."""

from __future__ import annotations

import subprocess
import sys

HEADS_ARE_FOUND = """
import sys
from headswap.heads.detect import find_head
from headswap.zoos.catalogue import build_network

for name in ("torchvision/resnet18", "timm/vit_tiny_patch16_224"):
    find_head(build_network(name))
assert "torch._dynamo" not in sys.modules
"""
THEN_SOMETHING_IS_COMPILED = """
import torch

def mean_of_squares(values):
    return (values * values).mean()

compiled = torch.compile(mean_of_squares, backend="eager", fullgraph=True)
assert compiled(torch.tensor([1.0, 3.0])).item() == 5
assert compiled(torch.arange(4.0, device="meta")).shape == ()

network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 5))
site = find_head(torch.compile(network, backend="eager"), input_size=(3, 8, 8))
assert [layer.path for layer in site.layers] == ["2"]
"""
AND_THE_LIBRARIES_ASK = """
from timm.models.naflexvit import NaFlexRopeIterator
from torch._dynamo.utils import is_compile_supported

asked = sys.modules["torchvision.ops.roi_align"].is_compile_supported
for kind in ("cpu", "cuda", "mps"):
    assert asked(kind) == is_compile_supported(kind)
"""
FROM_THE_START = """
import sys
from headswap.imports import compiler_is_loaded, without_compiler

with without_compiler():
    import torch._dynamo

    assert not compiler_is_loaded()
    assert torch._dynamo.disable(abs)(-1) == torch._dynamo.disable()(abs)(-1) == 1
    assert "torch._dynamo.eval_frame" not in sys.modules
    from torch._dynamo import OptimizedModule  # what no stand-in has

    assert compiler_is_loaded() and torch._dynamo.OptimizedModule is OptimizedModule
assert compiler_is_loaded()
with without_compiler():
    import torch._dynamo

    assert torch._dynamo.OptimizedModule is OptimizedModule
"""

A_PART = """
import sys
import threading
import torch
from headswap.imports import compiler_is_loaded, without_compiler

def work_out_shapes():
    for _ in range(100):
        with without_compiler():
            torch.empty(2, 3, 8, 8, device="meta").mean((2, 3))

def take_parts():
    with without_compiler():
        import torch._dynamo.config as config
        from torch._dynamo.eval_frame import OptimizedModule
    assert config is sys.modules["torch._dynamo.config"]
    assert config.__spec__.origin.endswith("config.py")
    taken.append(OptimizedModule)

taken = []
threads = [threading.Thread(target=work) for work in (work_out_shapes, take_parts) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert compiler_is_loaded()
assert taken == [sys.modules["torch._dynamo"].OptimizedModule] * 2
assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("headswap")]
"""

NO_GARBAGE = """
import gc
from contextlib import suppress
from headswap.imports import made_to_stay, without_compiler

with made_to_stay():
    with without_compiler():
        pass
    assert not gc.isenabled()
    kept = [[] for _ in range(1000)]
assert gc.isenabled()
assert gc.get_freeze_count() > 1000
with suppress(ZeroDivisionError), made_to_stay():
    1 / 0
assert gc.isenabled()
gc.disable()  # as its owner wants it
with without_compiler():
    pass
assert not gc.isenabled()
"""


def test_it_is_left_out_until_something_is_compiled() -> None:
    _run(HEADS_ARE_FOUND + THEN_SOMETHING_IS_COMPILED + AND_THE_LIBRARIES_ASK)


def test_a_library_that_wants_more_gets_it() -> None:
    _run(FROM_THE_START)


def test_parts_of_it_are_had_in_several_threads_at_once() -> None:
    _run(A_PART)


def test_nothing_is_looked_through_for_garbage_while_a_process_starts() -> None:
    _run(NO_GARBAGE)


def _run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
