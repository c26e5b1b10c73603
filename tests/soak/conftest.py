"""The short soak works in memory where it can."""

from __future__ import annotations

from tests.faults.conftest import room

__all__ = ["room"]
