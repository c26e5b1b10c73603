"""A server's worth of queue over small work, to be killed: `python small_server.py FOLDER CAPACITY`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from headswap.app.jobs.queue import Queue, QueueSettings
from headswap.app.jobs.store import Store
from headswap.app.jobs.supervisor import Supervisor
from headswap.app.processes.local import LocalRunner

if __name__ == "__main__":
    store = Store(Path(sys.argv[1]) / "jobs.db")
    settings = QueueSettings(capacity=int(sys.argv[2]), lease_s=30.0, room_bytes=0, spare_idle_s=60.0)
    worker = (sys.executable, str(Path(__file__).with_name("small_worker.py")))
    Supervisor(Queue(store, LocalRunner(), settings, worker=worker), interval_s=0.05).start()
    threading.Event().wait()
