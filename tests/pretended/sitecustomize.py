"""Turns the pretended device on in a process, and in those that it starts: put this folder on PYTHONPATH.

HEADSWAP_PRETENDS names the device, "mps" or "cuda". The process that reads strangers' pictures has no room
for torch, and is left as it is.
"""

import os
import sys
from pathlib import Path

if os.environ.get("HEADSWAP_PRETENDS") and not any(
    "headswap.app.processes.importing" in one for one in sys.orig_argv
):
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from pretend_device import pretend_for_good

    sys.path.pop(0)
    pretend_for_good(os.environ["HEADSWAP_PRETENDS"])
