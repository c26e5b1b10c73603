"""The runs of fine-tuning, made by a crew: several tries at the same time, and the last run with them.

Flow:  FinetuneSetup --CrewRuns.fill--> a folder that every machine sees: network, heads, images, choices
       PlannedRun --make_run, on any machine--> checkpoints in that folder --CrewRuns.run--> FinetunedRun

What makes a run is in `headswap.pipeline.spread_learner`. A search whose driver died goes on from all that
was finished, and from the last checkpoint of what was not (docs/decisions/0058-tries-as-tasks.md).
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from headswap.cluster.crew import Crew, Parcel
from headswap.data.manifest import Manifest
from headswap.errors import BadSetting, UnopenedFile
from headswap.pipeline.loading import NetworkOrigin
from headswap.pipeline.spread import check_opened, unopened_there
from headswap.pipeline.spread_learner import (
    COUNT,
    NETWORK,
    PASSES,
    SETUP,
    RunAsked,
    RunsSetup,
    kept,
    make_run,
    start_name,
    unheard,
)
from headswap.storage.files import from_json, make_folder, to_json, to_plain, write_bytes, write_text
from headswap.training.config import Moving
from headswap.training.finetune.candidates import CandidateRunner, FinetuneSetup, RunsElsewhere
from headswap.training.finetune.checkpoint import Checkpoint, EpochResult, load_checkpoint
from headswap.training.finetune.compare import answers
from headswap.training.finetune.records import FinetunedRun, OnEpoch, PlannedRun, Tick

_SEEN_S = 90  # within which what one machine wrote is seen by another


class _Ended(Exception):
    """There is no time left: what is not finished is taken as it is."""


class CrewRuns:
    """The runs of one search, asked of a crew: `headswap.training.finetune.records.Runs`."""

    def __init__(
        self,
        crew: Crew,
        origin: NetworkOrigin,
        head_path: str | None,
        manifest: Manifest,
        setup: FinetuneSetup,
        runner: CandidateRunner,
        *,
        threads: int | None = None,
    ) -> None:
        if setup.folder is None:
            raise ValueError("a crew needs a folder for checkpoints")
        self.crew, self.setup, self.runner, self.folder = crew, setup, runner, setup.folder.resolve()
        self.about = RunsSetup(
            origin=origin,
            head_path=head_path,
            manifest=replace(
                manifest,
                images=tuple(replace(image, thumbnail="") for image in manifest.images),
                left_out=(),
                findings=(),
            ),
            input=setup.image_batches.spec,
            site=setup.site,
            config=setup.config,
            seed=setup.seed,
            engine=setup.engine,
            flip=setup.flip,
            threads=threads or torch.get_num_threads(),
        )
        self._asked: list[PlannedRun] = []  # of what is under way, by number
        self._over: set[PlannedRun] = set()
        self._answers: Generator[tuple[int, Parcel], None, None] | None = None
        self._begun: list[PlannedRun] = []  # ever
        self._told, self._pass = 0, _Passes(self.folder)
        self._tick: Tick = unheard

    def fill(self, depths: frozenset[Moving], tick: Tick) -> bool:
        """Put the network onto the shelf."""
        self.runner.put_back()
        make_folder(self.folder)
        write_bytes(self.folder / NETWORK, save(kept(self.setup.module.state_dict())))
        write_text(self.folder / SETUP, to_json(self.about))
        return True

    def begin(self, planned: Sequence[PlannedRun]) -> None:
        self.close()
        for part in sorted({one.part for one in planned if one.part is not None}):
            self._put_start(part)
        self._asked = [one for one in planned if not self._is_over(one)]
        self._begun += [one for one in planned if one not in self._begun]
        parcels = (
            Parcel(
                facts=to_plain(RunAsked(folder=str(self.folder), planned=one)), about=f"The try {one.name}"
            )
            for one in self._asked
        )
        threads = self.about.threads
        self._answers = self.crew.each(make_run, parcels, threads=threads, meanwhile=self._listen)

    def run(self, planned: PlannedRun, *, tick: Tick, on_epoch: OnEpoch | None = None) -> FinetunedRun:
        self._tick = tick
        if on_epoch is not None:
            self._pass = _Passes(self.folder / planned.name, on_epoch)
        try:
            if planned not in self._begun and self.setup.budget.left_s > 0:
                self.begin([planned])
            while not self._is_over(planned) and self._answers is not None:
                self._take(self._answers)
                self._listen()
            self._listen()
        except _Ended:
            self.close()
        finally:
            self._tick, self._pass = unheard, _Passes(self.folder)
        made = self._made(planned)
        if planned.part is None:
            self.runner.put_back(made.weights)
            self.setup.module.eval()
        return made

    def _take(self, answers: Generator[tuple[int, Parcel], None, None]) -> None:
        """Wait for the end of one of the runs that are under way."""
        try:
            number, answer = next(answers)
        except UnopenedFile as error:  # of processes that make a run together: it ended all of them
            raise unopened_there(error.problem, self.about.manifest) from error
        check_opened(answer, self.about.manifest)
        self._over.add(self._asked[number])

    def close(self) -> None:
        if self._answers is not None:
            self._answers.close()
        self._answers, self._asked = None, []

    def _is_over(self, planned: PlannedRun) -> bool:
        """Whether it ended; by this driver's crew or by that of one that died."""
        if planned not in self._over and planned not in self._asked:
            found = load_checkpoint(self.folder / planned.name)
            if found is not None and found.state.stopped:
                self._over.add(planned)
        return planned in self._over

    def _put_start(self, part: int) -> None:
        """The head that is solved without a validation part: all that it changes in the network."""
        rest, _ = self.runner.rows(part)
        path = self.folder / start_name(rest)
        if path.is_file():
            return
        self.runner.put_back()
        before = {name: value.clone() for name, value in self.setup.module.state_dict().items()}
        self.setup.start(rest)
        changed = {
            name: value
            for name, value in self.setup.module.state_dict().items()
            if not torch.equal(value, before[name])
        }
        write_bytes(path, save(kept(changed)))
        self.runner.put_back()

    def _listen(self) -> None:
        """Tell how far all of it is; hear whether someone wants it to end."""
        seen = sum(_images_seen(self.folder / one.name) for one in self._begun)
        grown, self._told = max(0, seen - self._told), max(seen, self._told)
        self._tick(grown)
        self._pass.tell()
        if self.setup.budget.left_s <= 0:
            raise _Ended

    def _made(self, planned: PlannedRun) -> FinetunedRun:
        """What its last checkpoint says; without any, the solved head."""
        found = self._checkpoint(planned)
        if found is None:
            return self._untrained(planned)
        state, tensors = found.state, found.tensors
        return FinetunedRun(
            run_config=planned.run_config,
            stopped=state.stopped or "time",
            history=state.history,
            best_epoch=state.best_epoch,
            start=tensors["start"],
            best=tensors["logits"],
            last=tensors["last"],
            weights={
                name.removeprefix("best/"): value
                for name, value in tensors.items()
                if name.startswith("best/")
            },
        )

    def _checkpoint(self, planned: PlannedRun) -> Checkpoint | None:
        """Its last one. A folder on the network may be seen as it was a minute ago."""
        for _ in range(_SEEN_S):
            found = load_checkpoint(self.folder / planned.name)
            if planned not in self._over or (found is not None and found.state.stopped):
                return found
            time.sleep(1)
        raise BadSetting(
            f"{self.folder / planned.name}, which another machine has written, is not seen here.",
            remedy="Name a folder that all machines have in common with HEADSWAP_CACHE, and start again.",
        )

    def _untrained(self, planned: PlannedRun) -> FinetunedRun:
        setup = self.setup
        self.runner.put_back()
        held = setup.train[:0]
        if planned.part is not None:
            rest, held = self.runner.rows(planned.part)
            setup.start(rest)
        logits = answers(setup.module, setup.site, setup.image_batches, held, setup.engine, flip=setup.flip)
        return FinetunedRun(
            run_config=planned.run_config,
            stopped="time",
            history=(),
            best_epoch=0,
            start=logits,
            best=logits,
            last=logits,
            weights={},
        )


class _Passes:
    """Tells of each epoch of a run that is made elsewhere, in their order."""

    def __init__(self, folder: Path, on_epoch: OnEpoch | None = None) -> None:
        self.folder, self.on_epoch, self._next = folder / PASSES, on_epoch, 1

    def tell(self) -> None:
        while self.on_epoch is not None and (path := self.folder / f"{self._next:05}").is_file():
            with safe_open(path, "pt") as kept:
                said, result = kept.get_tensor("said"), kept.metadata()["result"]
            self._next += 1
            self.on_epoch(from_json(EpochResult, result), partial(_as_said, said))


def runs_on(
    crew: Crew,
    origin: NetworkOrigin,
    head_path: str | None,
    manifest: Manifest,
    *,
    threads: int | None = None,
) -> RunsElsewhere:
    """Lets a crew make the runs of searches.

    Args:
        crew: its machines see the images and the folder of checkpoints.
        origin: of the network, before it had its new head.
        head_path: the person's own choice of layer; None: found.
        manifest: the images, in the rows that the search knows them by.
        threads: of torch, of each process that makes a run; None: as many as here.
    """

    def opened(setup: FinetuneSetup, runner: CandidateRunner) -> CrewRuns:
        return CrewRuns(crew, origin, head_path, manifest, setup, runner, threads=threads)

    return opened


def _as_said(said: Tensor, rows: Tensor) -> Tensor:
    """(n, C) answers of an epoch to the test, which is all that is asked of it."""
    return said


def _images_seen(folder: Path) -> int:
    with suppress(OSError, ValueError):  # not begun
        return int((folder / COUNT).read_text(encoding="utf-8"))
    return 0
