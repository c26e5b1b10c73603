"""Loaded by Python itself when this folder is on its path: the process then lives under Windows' rules."""

from __future__ import annotations

import pretend_windows

pretend_windows.install()
