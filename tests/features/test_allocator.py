from __future__ import annotations

import ctypes
import sys

from headswap.features.extractor import keep_freed_memory


def test_where_the_c_library_can_keep_memory_it_is_asked_to() -> None:
    has_setting = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt")

    assert keep_freed_memory() is has_setting
