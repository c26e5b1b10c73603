"""How one installation runs; made by anyone who starts it, nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from headswap.app.jobs.queue import QueueSettings
from headswap.app.processes.importing import AT_REST_BYTES, ReaderLimits
from headswap.app.service.fetching import ANY
from headswap.app.service.limits import Limits
from headswap.data.decode import ImageLimits
from headswap.field_types import check_fields
from headswap.lessons.config import LessonConfig
from headswap.threads import processors

SPARE_IDLE_S = 300.0  # how long a spare worker waits after the last sign of interest


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a service needs to know."""

    workspace: Path  # jobs, projects, features; on a local disk
    sample: Path  # folder of class folders that "the sample set" means
    limits: Limits = field(default_factory=Limits)
    networks: tuple[str, ...] = (ANY,)  # that may be fetched; see `headswap.app.service.fetching`
    local_links: bool = False  # a film's link may lead into the network that this server stands in
    protected: bool = True  # no one can listen on the way to the browser: this machine only, or TLS
    has_codes: bool = False  # people log in with a name and a code
    queue: QueueSettings = field(default_factory=lambda: QueueSettings(spare_idle_s=SPARE_IDLE_S))
    lesson: LessonConfig = field(
        default_factory=lambda: LessonConfig(epochs=3)
    )  # of an experiment on the sample set
    image_timeout_s: float = 20.0  # for one picture; a decoder that takes longer is ended

    def __post_init__(self) -> None:
        check_fields(self)

    def for_reader(self) -> ReaderLimits:
        """What a reader of strangers' pictures is held to."""
        memory_bytes = self.limits.reader_mb * 1_000_000
        return ReaderLimits(
            image=ImageLimits(
                megapixels=self.limits.megapixels,
                memory_bytes=max(1, memory_bytes - AT_REST_BYTES) if memory_bytes else 0,
                megapixels_setting="--megapixels",
                memory_setting="--reader-mb",
            ),
            most_images=self.limits.pictures,
            memory_bytes=memory_bytes,
            patience_s=self.image_timeout_s,
        )

    def for_queue(self) -> QueueSettings:
        """The queue's own settings, under these limits."""
        runs = self.limits.runs
        return replace(
            self.queue,
            capacity=runs,
            threads=max(1, processors() // runs) if runs > 1 else self.queue.threads,
            spare_idle_s=self.queue.spare_idle_s if self.limits.spare else 0.0,
            most_waiting=self.limits.waiting,
            worker_bytes=int(self.limits.worker_gb * 1e9),
        )
