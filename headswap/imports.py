"""Import the large libraries sooner: without torch's compiler, and without looking for garbage.

torchvision imports `torch._dynamo` for one question about devices, timm to keep a few functions from being
compiled, and torch, for the same reason, to work out shapes on its meta device; loading it takes as long as
loading torch. While `without_compiler` lasts, stand-ins answer. As long as the compiler is not loaded nothing
can be compiled, so what they give does nothing; afterwards it does what the compiler's own would do. A
library that wants something else of it gets the compiler itself: the gain is gone then, and nothing more.

What an import makes stays. Python looks through all of it for garbage again and again while it grows, a tenth
of the time that the import takes; while `without_compiler` or `made_to_stay` lasts, it does not.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial, wraps
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"
_UTILS = f"{_COMPILER}.utils"
_one_at_a_time = threading.RLock()


def compiler_is_loaded() -> bool:
    """Whether torch's compiler itself is there, so that something may be compiled."""
    module = sys.modules.get(_COMPILER)
    return not isinstance(module, _StandIn) and hasattr(module, "disable")  # it may be on its way


@contextmanager
def without_compiler() -> Iterator[None]:
    """While it lasts, an import of torch's compiler gives stand-ins, unless it is loaded already."""
    with _one_at_a_time, _uncollected():
        is_outermost = _COMPILER not in sys.modules
        if is_outermost:
            compiler, utils = _StandIn(_COMPILER), _StandIn(_UTILS)
            vars(compiler).update(__path__=[], disable=_disable)  # a path makes it a package
            vars(utils).update(is_compile_supported=_is_compile_supported)
            sys.modules.update({_COMPILER: compiler, _UTILS: utils})
            sys.meta_path.insert(0, _parts)
        try:
            yield
        finally:
            if is_outermost:
                _take_away()


@contextmanager
def made_to_stay() -> Iterator[None]:
    """While it lasts, nothing is looked through for garbage, and what is there at its end never is.

    For the start of a process of headswap's own, which needs all of that until it ends.
    """
    with _uncollected():
        yield
        gc.freeze()


@cache
def import_libraries() -> None:
    """Import torch, torchvision and timm at once; for a process of headswap's own that needs them anyway."""
    with without_compiler(), made_to_stay():
        import_module("timm")


@contextmanager
def _uncollected() -> Iterator[None]:
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


class _StandIn(ModuleType):
    """Has what torch, torchvision and timm ask for; for anything else it makes way for the real module."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python itself asks of a module
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


class _Parts(MetaPathFinder):
    """An import of another part of the compiler gives that part of the real one."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, _RealPart()) if fullname.startswith(f"{_COMPILER}.") else None


class _RealPart(Loader):
    """Imports it in the usual way; not when it is found, for then Python lets no other thread import."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self._module = _real(spec.name)
        self._spec = self._module.__spec__
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        with suppress(AttributeError):  # some take no attributes, and so kept their own
            module.__spec__ = self._spec  # Python has given it the one that led here


_parts = _Parts()


def _disable(
    function: Callable[..., Any] | None = None,
    recursive: bool = True,
    *,
    reason: str | None = None,
    wrapping: bool = True,
) -> Callable[..., Any]:
    """Stands for `torch._dynamo.disable`."""
    if function is None:
        return partial(_disable, recursive=recursive, reason=reason, wrapping=wrapping)

    @cache
    def disabled() -> Callable[..., Any]:
        found: Callable[..., Any] = _real(_COMPILER).disable(
            function, recursive, reason=reason, wrapping=wrapping
        )
        return found

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return (disabled() if compiler_is_loaded() else function)(*args, **kwargs)

    return called


def _is_compile_supported(device_type: Any) -> Any:
    return _real(_UTILS).is_compile_supported(device_type)


def _real(name: str) -> ModuleType:
    _take_away()
    return import_module(name)


def _take_away() -> None:
    if _parts in sys.meta_path:
        sys.meta_path.remove(_parts)
    for name in (_COMPILER, _UTILS):
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]
