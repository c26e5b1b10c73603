"""Fine-tune more than the head, but only as far as it helps: search, confirm, train on everything.

Flow:  TrialSetup (network with a solved head) --search_finetuning--> the same network, moved or not,
           and FinetuneResult

Inside the training part a validation part is held back; the head is solved on the rest and is
the floor. A few ways of moving more of the network are tried briefly, the best in full, and
each held-back image is compared before and after. With "auto" only a clear gain counts; a
depth that a person chose is kept unless it does harm. Then that way is trained once more with
all training images, from the head solved on all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from headswap.errors import FinishEarly
from headswap.evaluation.report import FinetuneSummary
from headswap.events import Listener, Note, Progress
from headswap.storage.files import make_folder
from headswap.storage.records import is_record_whole, read_record, write_record
from headswap.training.finetune.candidates import (
    CandidateRunner,
    FinetuneSetup,
    planned_last,
    planned_try,
)
from headswap.training.finetune.compare import HELD_BACK, FinetuneGain, compare, score_held_out, together
from headswap.training.finetune.plan import (
    BESIDE,
    EARLY,
    FORWARD,
    KEPT,
    FinetuneCandidate,
    SearchPlan,
    least_seconds,
    plan_search,
)
from headswap.training.finetune.records import FinetunedRun, OnEpoch, PlannedRun, Runs

_FEWEST_HELD = 8  # validation images below which nothing can be said
_ALONE = "With a time limit, or with norms in training mode, one process alone tries how much may move."
_ENDED = "Teaching ended early, as was asked"
_TEXTS = {
    "norms": "The head and the norms of the body",
    "last": "The head and the last blocks of the body",
    "everything": "Head and body",
    "auto": "How much of the body may move",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class FinetuneResult:
    """The result of a search for the best fine-tuning."""

    summary: FinetuneSummary
    moved: bool  # the network is no longer the pretrained backbone with the solved head
    held: Tensor  # (V,) rows that were held back
    logits: Tensor  # (V, C) of these, by networks trained the same way, but never on them
    processes: int = 1  # that made each run together


@dataclass(frozen=True, eq=False, kw_only=True)
class _Best:
    """The best way that was found."""

    candidate: FinetuneCandidate
    tries: tuple[FinetunedRun, ...]  # one for each validation part
    held: Tensor  # (V,) rows of these parts
    gain: FinetuneGain

    @property
    def broke(self) -> bool:
        """Whether a try ended in numbers without meaning."""
        return any(one.stopped == "diverged" for one in self.tries)

    @property
    def chosen_from(self) -> int:
        """Of how many epochs the judged ones are the best; 1: they are the last of a whole run."""
        return max(1 if one.is_whole else max(1, len(one.history)) for one in self.tries)

    @property
    def stop_after(self) -> int:
        epochs = sorted(one.judged_epoch for one in self.gaining)
        return epochs[len(epochs) // 2]

    @property
    def gaining(self) -> tuple[FinetunedRun, ...]:
        """The tries in which some epoch was better than the solved head."""
        return tuple(one for one in self.tries if one.best_epoch > 0)


def search_finetuning(setup: FinetuneSetup, *, listener: Listener, on_epoch: OnEpoch) -> FinetuneResult:
    """Train more than the head where that helps, in place.

    Args:
        setup: network, images, choices.
        listener: hears progress and what came of it; may raise `Cancelled`, and at progress `FinishEarly`.
        on_epoch: hears of each epoch of the last run.
    """
    return _Search(setup, listener).run(on_epoch)


class _Search:
    """One search: what is planned and how much of it is done."""

    def __init__(self, setup: FinetuneSetup, listener: Listener) -> None:
        self.setup, self.listener, self.runner = setup, listener, CandidateRunner(setup)
        self.runs: Runs = self.runner
        self.tried, self.done, self.total = 0, 0.0, 0.0  # work is counted as in rough costs
        self.ahead: list[PlannedRun] = []  # runs that are not over, as far as is known
        self.early, self.kept = EARLY, KEPT  # of a try and of the last run, what will probably be made

    def run(self, on_epoch: OnEpoch) -> FinetuneResult:
        if self.setup.config.depth == "auto" and not self.setup.leaves_room:
            return self._stay(
                None,
                "Of the practice pictures it had not seen (cross-validation), too few pictures were wrong to "
                "tell a better way from chance.",
            )
        parts = self.runner.parts
        held = int(parts[0].sum()) if parts else 0
        if held < _FEWEST_HELD:
            return self._stay(
                None, f"Only {held} practice pictures can be held back to see whether it helps: too few."
            )
        plan = self._planned()
        if isinstance(plan, str):
            return self._stay(None, plan)
        self.runs = self._runs()
        self.costs = self.runner.costs(measured=False)
        self.total = plan.seconds(self.costs)
        dearest = max(plan.candidates, key=lambda one: self.costs.image[one.depth])
        self.ahead = self._brief_runs(plan) + self._full_runs(dearest, plan)
        try:
            return self._searched(plan, on_epoch)
        finally:
            self.runs.close()

    def _runs(self) -> Runs:
        """Who makes the runs: others only where no clock decides, so that they are those of this process."""
        setup = self.setup
        if setup.together is not None:
            if setup.budget.is_limited or setup.config.finetune.norms == "train":
                self.listener(Note(_ALONE))
                return self.runner
            return setup.together(setup, self.runner)
        if setup.elsewhere is None:
            return self.runner
        if setup.budget.is_limited or setup.engine.device != "cpu":
            self.listener(
                Note("With a time limit, or a GPU here, this machine alone tries how much may move.")
            )
            return self.runner
        return setup.elsewhere(setup, self.runner)

    def _searched(self, plan: SearchPlan, on_epoch: OnEpoch) -> FinetuneResult:
        below = partial(self._tick, share=FORWARD)
        if not self.runs.fill(plan.depths, below):
            return self._stay(None, self._no_time)
        best = self._found(plan)
        refusal = self._refusal(best)
        if refusal:
            return self._stay(best, refusal)
        planned = planned_last(best.candidate, plan.epochs, best.stop_after)
        self.ahead = [planned]
        last = self._run(planned, on_epoch)
        if last.stopped in ("time", "diverged"):
            self.runner.put_back(best.gaining[0].weights)
        return self._moved(best)

    def _planned(self) -> SearchPlan | str:
        """What there is time for, or why nothing; a resumed run keeps the plan it had."""
        setup, config = self.setup, self.setup.config.finetune
        path = None if setup.folder is None else setup.folder / "plan.json"
        if path is not None and path.is_file() and is_record_whole(SearchPlan, path):
            plan: SearchPlan = read_record(SearchPlan, path)
            return plan
        depth, is_limited, left_s = setup.config.depth, setup.budget.is_limited, setup.budget.left_s
        kept_s = 0.0
        costs = self.runner.costs(measured=is_limited)
        if is_limited:
            kept_s = costs.image["everything"] / 2 * len(setup.labels)  # test, saving
            setup.budget.keep_back(kept_s)
        made = plan_search(depth, config, costs, seconds=setup.budget.left_s)
        if made is None:
            return (
                f"There was no time for it: {max(0.0, left_s):.0f} s were left, of which the test and saving "
                f"need {kept_s:.0f} s, and it takes {least_seconds(depth, config, costs):.0f} s at least."
            )
        if path is not None:
            make_folder(path.parent)
            write_record(path, made)
        return made

    def _found(self, plan: SearchPlan) -> _Best:
        """The best of all candidates, each tried briefly, then tried in full."""
        candidate = plan.candidates[0]
        if len(plan.candidates) > 1:
            brief = self._brief(plan)
            best = max(brief, key=lambda one: (not one.broke, one.gain.loss))
            self.tried = len(brief)
            if best.broke or best.gain.is_harm or brief[-1].tries[-1].stopped == "time":
                return best
            candidate = best.candidate
        # most runs end as they were planned: a machine that has nothing to do begins with the last one
        self.ahead = self._full_runs(candidate, plan)
        *planned, _ = self.ahead
        self.runs.begin(self.ahead)
        tries = [self._run(planned[0])]
        self.early, self.kept = len(tries[0].history) / plan.epochs, 0.7 if tries[0].best_epoch else 0.1
        self.tried = max(1, self.tried)
        for one in planned[1:]:
            so_far = self._judged(candidate, tries)
            if so_far.broke or so_far.gain.is_harm or tries[-1].stopped == "time":
                break
            tries.append(self._run(one))
        return self._judged(candidate, tries)

    def _brief(self, plan: SearchPlan) -> list[_Best]:
        """Each candidate, for a few epochs."""
        brief: list[_Best] = []
        planned = self._brief_runs(plan)
        self.runs.begin(planned)
        for candidate, one in zip(plan.candidates, planned, strict=True):
            if not brief or brief[-1].tries[-1].stopped != "time":
                brief.append(self._judged(candidate, [self._run(one)]))
        return brief

    @staticmethod
    def _brief_runs(plan: SearchPlan) -> list[PlannedRun]:
        if len(plan.candidates) == 1:
            return []
        return [planned_try(candidate, 0, plan.search_epochs) for candidate in plan.candidates]

    def _full_runs(self, candidate: FinetuneCandidate, plan: SearchPlan) -> list[PlannedRun]:
        """The tries of one candidate in full, and the run on all training images."""
        parts = range(min(plan.confirmations, len(self.runner.parts)))
        tries = [planned_try(candidate, part, plan.epochs) for part in parts]
        return [*tries, planned_last(candidate, plan.epochs, plan.epochs)]

    def _run(self, planned: PlannedRun, on_epoch: OnEpoch | None = None) -> FinetunedRun:
        share = BESIDE * self.costs.image[planned.run_config.depth]
        self.total = min(self.total, self.done + sum(map(self._work, self.ahead)))
        made = self.runs.run(planned, tick=partial(self._tick, share=share), on_epoch=on_epoch)
        self.ahead = [one for one in self.ahead if one != planned]
        return made

    def _work(self, planned: PlannedRun) -> float:
        run, rows = planned.run_config, self.costs.every if planned.part is None else self.costs.rest
        return BESIDE * self.costs.image[run.depth] * run.stop_after * rows

    def _judged(self, candidate: FinetuneCandidate, tries: Sequence[FinetunedRun]) -> _Best:
        """Put the validation parts of some tries together."""
        rows = [self.runner.rows(part)[1] for part in range(len(tries))]
        labels = [self.setup.labels[some] for some in rows]
        before = [score_held_out(one.start, truth) for one, truth in zip(tries, labels, strict=True)]
        after = [score_held_out(one.judged, truth) for one, truth in zip(tries, labels, strict=True)]
        gain = compare(together(before), together(after))
        return _Best(candidate=candidate, tries=tuple(tries), held=torch.cat(rows), gain=gain)

    def _refusal(self, best: _Best) -> str:
        """Why the solved head is kept; empty: it is not."""
        gain, rate = best.gain, best.candidate.learning_rate
        counted = gain.text(HELD_BACK, ", with the head alone")
        if self.setup.budget.was_ended and not best.gaining:
            return f"{_ENDED}. No pass had been better than the head alone by then: {counted}."
        if best.broke:
            return (
                f"With a step size (learning rate) of {rate:g} the loss grew beyond all bounds. Choose 0.001 "
                "or less, or leave it to the search."
            )
        if not best.gaining:
            return f"No pass was better than the head alone: {counted}. More pictures would help more."
        if self.setup.config.depth == "auto" and not gain.is_clear(max(self.tried, best.chosen_from)):
            return f"No clear gain showed: {counted}."
        if gain.is_harm:
            return (
                f"Letting more move did harm: {counted}. Choose a smaller step size (learning rate), let "
                "less of the body move, or leave the choice to “auto”."
            )
        return ""

    @property
    def _no_time(self) -> str:
        is_ended = self.setup.budget.was_ended
        return f"{_ENDED}." if is_ended else "There was no time for more than that."

    def _stay(self, best: _Best | None, reason: str) -> FinetuneResult:
        self.runner.put_back()
        what = _TEXTS[self.setup.config.depth]
        tried = "Only the head learned" if best is None else f"Tried: {what.lower()}. Kept: only the head"
        sentence = f"{tried}. {reason}"
        self.listener(Note(sentence, code="further"))
        return FinetuneResult(
            summary=self._record(best, "head", sentence),
            moved=False,
            held=torch.empty(0, dtype=torch.long),
            logits=torch.empty(0, self.setup.site.num_classes),
        )

    def _moved(self, best: _Best) -> FinetuneResult:
        gain, depth = best.gain, best.candidate.depth
        counted = gain.text(HELD_BACK, ", with the head alone")
        sentence = f"{_TEXTS[depth]} learned together, and that is kept: {counted}."
        if self.setup.budget.was_ended:
            sentence += f" {_ENDED}: this is the best that was found by then."
        self.listener(Note(sentence, code="further"))
        return FinetuneResult(
            summary=self._record(best, depth, sentence),
            moved=True,
            held=best.held,
            logits=torch.cat([one.judged for one in best.tries]),
            processes=1 if self.runs is self.runner else self.setup.processes,
        )

    def _record(self, best: _Best | None, depth: str, sentence: str) -> FinetuneSummary:
        return FinetuneSummary(
            asked=self.setup.config.depth,
            depth=depth,
            learning_rate=None if best is None else best.candidate.learning_rate,
            epochs=0 if best is None or depth == "head" else best.stop_after,
            planned_epochs=0 if best is None else best.tries[0].run_config.epochs,
            parts=0 if best is None else len(best.tries),
            tried=self.tried,
            validation=0 if best is None else best.gain.images,
            right_before=0 if best is None else best.gain.right_before,
            right_after=0 if best is None else best.gain.right_after,
            sentence=sentence,
        )

    def _tick(self, images: int, share: float) -> None:
        """Count images that were trained on, each at a share of what going all the way costs."""
        self.done += images * share
        total, needless = round(self.total), 0.0
        if len(self.ahead) > 1:
            *tries, last = map(self._work, self.ahead)
            needless = (1 - self.kept) * last + (1 - self.early) * sum(tries)
        done, likely = min(round(self.done), total), round(self.total - needless)
        try:
            self.listener(Progress("finetune", done, total, likely=max(done, likely)))
        except FinishEarly:
            self.setup.budget.end()
