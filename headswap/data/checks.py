"""stub"""

from __future__ import annotations

from headswap.data.manifest import Manifest


def check(manifest: Manifest) -> Manifest:
    return manifest
