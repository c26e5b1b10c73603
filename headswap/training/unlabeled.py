"""Images without a label next to those that have one: their features, and whether the head's guesses help.

Flow:  TrainingTask with unlabeled + bank of the labelled --features_without_label--> (U, W)
       these + the head that was chosen --with_guesses--> ChosenHead, with or without guesses, and why

They are trained on as far as the head guesses them (`linear.self_training`), and nothing else: they are of no
part, no test and no count. Only a head that is solved uses them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from headswap.counted import counted
from headswap.errors import UnreadableImage
from headswap.events import Listener, Note
from headswap.features.bank import BankBuilder, fill_bank
from headswap.training.config import HeadKind
from headswap.training.head_choice import ChosenHead, choose_guesses
from headswap.training.linear.heads import LinearHeads
from headswap.training.task import TrainingTask, stored_from

Solve = Callable[[HeadKind, bool], LinearHeads]  # a head of one kind, with guesses or without


def why_not_used(task: TrainingTask, *, is_solved: bool = True) -> str:
    """Why images without a label are left out, for people; empty: they are not, or there are none."""
    if task.unlabeled is None:
        return ""
    others = counted(len(task.unlabeled.images), "picture")
    beginning = f"{others} without a label {'was' if len(task.unlabeled.images) == 1 else 'were'} not used: "
    if task.manifest.is_multi_label:
        return f"{beginning}where a picture may have several labels, guesses were never tried."
    if not is_solved:
        return f"{beginning}the head of this network is taught by gradient."
    if task.config.depth != "head":
        return f"{beginning}guesses are for the head alone, and here more than the head may learn."
    return ""


def features_without_label(
    task: TrainingTask, new_builder: Callable[[], BankBuilder], listener: Listener
) -> Tensor | None:
    """(U, W) float32 of the images that no one has labelled; None: there are none of use.

    Args:
        task: what is trained.
        new_builder: gives an empty bank, with the backbone in the engine that has seen the others.
        listener: hears how far it is.
    """
    others = task.unlabeled
    if others is None or task.takes_guesses is False or why_not_used(task):
        return None
    builder = new_builder()
    try:
        return fill_bank(
            builder,
            [image.sha256 for image in others.images],
            stored_from(others, builder.extractor.network),
            folder=task.features_folder,
            listener=listener,
        ).features
    except UnreadableImage:
        listener(Note("Pictures without a label were put away, or changed, during the run: none is used."))
        return None


def with_guesses(task: TrainingTask, chosen: ChosenHead, kind: HeadKind, solve: Solve) -> ChosenHead:
    """The same head, or one that was also solved with its guesses, as cross-validation finds better.

    Args:
        task: what is trained.
        chosen: without guesses; solved or not.
        kind: what a head with guesses reads.
        solve: solves on the training images, with guesses or without.
    """
    heads = solve(kind, True)
    if not heads.guesses:
        text = (
            "No picture without a label was used: too many have one, the head has no bias, or it is at odds "
        )
        return replace(chosen, guess_text=f"{text}with what those around them are.")
    plain = chosen if chosen.heads else replace(chosen, heads=solve(chosen.kind, False))
    text = chosen.text if kind == chosen.kind else ""
    guessed = ChosenHead(kind=kind, heads=heads, text=text, guesses=heads.guesses)
    found = choose_guesses(plain, guessed, task.labels(task.manifest.part("train")))
    if task.takes_guesses and not found.guesses:  # as in the run that is repeated
        return replace(guessed, guess_text=found.guess_text)
    return found
