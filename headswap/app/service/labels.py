"""What a person has said of pictures without labels, answer by answer, and what is asked next.

Flow:  LabelState + LabelStep --> LabelState; LabelAdvice (rows) --next_of--> the same with sha256s

Data only: who asks and where it is kept is `headswap.app.service.labelling`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from headswap.data.edit import valid_name
from headswap.data.layout import class_key
from headswap.data.manifest import ImageRecord, Manifest
from headswap.errors import BadSetting
from headswap.training.label_advice import LabelAdvice

ANSWERS = 10  # after which the head is solved again


@dataclass(frozen=True, kw_only=True)
class LabelStep:
    """One answer."""

    sha256s: tuple[str, ...]
    name: str | None  # None: no one can tell


@dataclass(frozen=True, kw_only=True)
class LabelGroup:
    """Pictures that look alike."""

    sha256s: tuple[str, ...]  # the most typical or surest first
    name: str = ""  # what the head says they are; empty: nothing is known of them


@dataclass(frozen=True, kw_only=True)
class LabelState:
    """All answers, and what to ask."""

    steps: tuple[LabelStep, ...] = ()
    questions: tuple[str, ...] = ()  # sha256s, the most telling first
    groups: tuple[LabelGroup, ...] = ()
    advised_at: int = -1  # number of steps that questions and groups come from; -1: not grouped here yet
    taken: int = 0  # number of steps that were taken over into the project
    uses_rest: bool = True  # whether runs also learn from guesses for what has no name

    @property
    def labels(self) -> dict[str, str]:
        """sha256 -> the last name that it got."""
        return {one: step.name for step in self.steps if step.name is not None for one in step.sha256s}

    @property
    def skipped(self) -> frozenset[str]:
        """What no one could tell, and what was not named afterwards."""
        return frozenset(one for step in self.steps if step.name is None for one in step.sha256s) - set(
            self.labels
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order in which they were first given: a digit stays the same class."""
        return tuple(dict.fromkeys(step.name for step in self.steps if step.name is not None))

    @property
    def needs_advice(self) -> bool:
        """Whether to choose again what to ask: ten answers, a second class, nothing left to ask."""
        since = self.steps[self.advised_at :]
        before = {step.name for step in self.steps[: self.advised_at]} - {None}
        is_second = len(before) < 2 <= len(self.classes)
        return len(since) >= ANSWERS or is_second or not self.open_questions

    @property
    def open_questions(self) -> tuple[str, ...]:
        """Questions without an answer."""
        answered = {one for step in self.steps[self.advised_at :] for one in step.sha256s}
        return tuple(one for one in self.questions if one not in answered)

    @property
    def open_groups(self) -> tuple[LabelGroup, ...]:
        """Groups of which nothing was answered since they were offered."""
        answered = {one for step in self.steps[self.advised_at :] for one in step.sha256s}
        return tuple(one for one in self.groups if not answered.intersection(one.sha256s))


@dataclass(frozen=True, kw_only=True)
class LabelProgress:
    """Pictures that wait for names, and what was said of them."""

    manifest: Manifest  # of no class, and what was left out
    state: LabelState

    @cached_property
    def images(self) -> dict[str, ImageRecord]:
        """By sha256."""
        return {one.sha256: one for one in self.manifest.images}

    @property
    def named(self) -> int:
        """Pictures that have a name."""
        labels = self.state.labels
        return sum(one.sha256 in labels for one in self.manifest.images)

    @property
    def total(self) -> int:
        return len(self.manifest.images)

    def is_replaced(self, there: Manifest | None) -> bool:
        """Whether names were taken over into a project that has none of those pictures any more."""
        steps = self.state.steps[: self.state.taken]
        taken = {one for step in steps if step.name is not None for one in step.sha256s}
        return bool(taken) and taken.isdisjoint(one.sha256 for one in (there.images if there else ()))


def spelled(classes: tuple[str, ...], name: str) -> str:
    """The name of a class as it is spelled already, or a new one that may be one."""
    key = class_key(name)
    return next((known for known in classes if class_key(known) == key), "") or valid_name(name)


def rest_of(found: LabelProgress) -> Manifest | None:
    """What a run may learn from without a name; None: nothing, or not before names were taken over."""
    state = found.state
    left = state.skipped | set(state.labels)
    images = tuple(one for one in found.manifest.images if one.sha256 not in left)
    return replace(found.manifest, images=images) if images and state.taken and state.uses_rest else None


def opened_elsewhere(state: LabelState, manifest: Manifest) -> LabelState:
    """The answers alone: what to ask is chosen where the project is opened.

    Raises:
        BadSetting: they do not belong to these pictures, or a name cannot be a class.
    """
    given = {one for step in state.steps for one in step.sha256s}
    names = {step.name: valid_name(step.name) for step in state.steps if step.name is not None}
    is_whole = given <= {one.sha256 for one in manifest.images} and 0 <= state.taken <= len(state.steps)
    if not is_whole or any(name != valid for name, valid in names.items()):
        raise BadSetting("The names are not of these pictures.", remedy="Save the project again.")
    return replace(state, questions=(), groups=(), advised_at=-1)


def next_of(state: LabelState, advice: LabelAdvice, sha256s: tuple[str, ...]) -> LabelState:
    """A state with what to ask next.

    Args:
        state: all answers.
        advice: rows of the data set.
        sha256s: of each row.
    """
    classes = state.classes
    groups = tuple(
        LabelGroup(
            sha256s=tuple(dict.fromkeys(sha256s[row] for row in one.rows)),
            name="" if one.label is None else classes[one.label],
        )
        for one in advice.groups
    )
    questions = tuple(dict.fromkeys(sha256s[row] for row in advice.questions))
    return replace(state, questions=questions, groups=groups, advised_at=len(state.steps))
