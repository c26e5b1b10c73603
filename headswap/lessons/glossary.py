"""The one glossary: every plain word of the page, in a sentence, and what the field calls it.

Flow:  key --term_of--> Term;  several keys --terms--> what a lesson explains

The page uses the word, the code the field's term. Every `?` of the page is made from here
(`headswap.app.ui.widgets.term_drawings` has a small drawing for each). Text only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A word of the page."""

    word: str  # as the page says it
    sentence: str  # what it means, for someone of twelve
    field: str  # what the field calls it


_ALL = (
    # a network
    Term("body", "Everything before the head. It has learned to see, and stays as it is.", "backbone"),
    Term("head", "The last layer: it turns what was seen into one vote for each name.", "classifier head"),
    Term(
        "wide head",
        "A head that reads every layer, not the last alone: early layers see strokes and textures.",
        "linear probe on intermediate features; Head2Toe",
    ),
    Term(
        "helping head",
        "A second head in the middle of a network. It speaks only while the network is trained.",
        "auxiliary classifier",
    ),
    Term("features", "The list of numbers that the body makes from a picture.", "feature vector, embedding"),
    Term(
        "weights",
        "The numbers of a network. They hold all that it has learned.",
        "parameters, pretrained weights",
    ),
    Term("width", "How many numbers the body hands to the head.", "in_features"),
    Term("vote", "The number that the head gives to one name. The largest wins.", "logit"),
    Term(
        "norm layer",
        "A layer that brings numbers to a common size. It remembers their mean and spread.",
        "BatchNorm; its running_mean and running_var are buffers",
    ),
    Term("training mode", "A switch: norm layers count what they see, and answers waver.", "module.train()"),
    # pictures
    Term("practice", "The pictures that it learns from.", "training set"),
    Term(
        "exam",
        "Pictures that were locked away before anything was learned. Only they say how good it is.",
        "test set, hold-out",
    ),
    Term(
        "folds",
        "The practice pictures in five parts: each part once is the test of what the others taught.",
        "cross-validation",
    ),
    Term(
        "changed copy",
        "A practice picture flipped or cut in another way, so that it learns the thing, not one picture.",
        "data augmentation",
    ),
    Term(
        "glasses",
        "How a picture is prepared for the network: its size, its colours, its brightness.",
        "preprocessing, input normalisation",
    ),
    Term("swapped colours", "Red and blue have changed places.", "BGR instead of RGB"),
    Term(
        "new camera, new light",
        "Pictures made in another way than those it learned from.",
        "distribution shift",
    ),
    Term(
        "label with help",
        "You name a few pictures; then it asks about those whose name would help it most.",
        "active learning",
    ),
    Term("save", "Every number of the network, written into one file.", "state_dict, checkpoint"),
    Term(
        "record",
        "What was taught with which pictures and choices, so that it can be repeated.",
        "manifest, model registry",
    ),
    Term("fingerprint", "A short number made from a whole file: another file, another number.", "SHA-256"),
    # learning
    Term("pass", "One look at every practice picture.", "epoch"),
    Term("batch", "The pictures that are looked at together before a number moves.", "batch size"),
    Term("loss", "How wrong the guesses are. 0 is perfect.", "loss"),
    Term("slope", "In which direction each number has to move so that the loss falls.", "gradient"),
    Term("rate", "How far the numbers move at each step.", "learning rate"),
    Term(
        "rates that fall towards the picture",
        "The head moves most and the first layers least: they know what helps with any picture.",
        "discriminative learning rates",
    ),
    Term("settings", "What a person chooses before it learns, such as the rate.", "hyperparameters"),
    Term("seed", "The number that chance begins with. The same one gives the same result.", "random seed"),
    Term("cluster", "Several computers that share out the looking. The result is the same.", "cluster"),
    Term(
        "time budget",
        "When this time is over, it stops and keeps the best that it has found.",
        "early stopping by wall clock",
    ),
    Term(
        "from nothing",
        "A network whose numbers are still chance: it has not seen a picture yet.",
        "random initialisation, training from scratch",
    ),
    Term(
        "learn by heart",
        "To know the practice pictures and nothing else, as with shuffled names.",
        "memorise, overfit",
    ),
    # results
    Term(
        "gap",
        "How much better it is on practice than in the exam. A large gap: learned by heart.",
        "generalisation gap, overfitting",
    ),
    Term("whisker", "Where the mean of many draws probably lies.", "95 % confidence interval of the mean"),
    Term(
        "sure",
        "How much of its vote one name gets. Where it says 90 %, nine of ten should be right.",
        "confidence, calibration",
    ),
    Term(
        "range",
        "Where the true figure probably is: 19 times out of 20. More exam pictures make it narrower.",
        "95 % confidence interval (Wilson)",
    ),
    Term(
        "always the same",
        "What a head would get that gives every picture the same name. A good head is far above it.",
        "majority-class baseline",
    ),
    Term(
        "more than chance",
        "Both runs answered the same pictures. Only those whose answer changed tell the runs apart.",
        "paired comparison, McNemar's exact test",
    ),
    Term(
        "doubt",
        "Heads that never saw this picture give it another name than the one it has.",
        "label errors, confident learning",
    ),
    Term(
        "stranger",
        "A picture further from all practice pictures than nearly every exam picture was.",
        "out of distribution (OOD)",
    ),
    Term("found", "Of the pictures that have this label, how many it was said of.", "recall"),
    Term("right when said", "Of the pictures that it was said of, how many have the label.", "precision"),
    Term(
        "average precision",
        "1: it is surest of exactly those pictures that have the label, wherever the line is drawn.",
        "area under the precision-recall curve",
    ),
    Term("said from", "How sure it must be before it says the label.", "decision threshold"),
    Term(
        "grid",
        "A row is what a picture shows, a column what it was called. On the diagonal it was right.",
        "confusion matrix",
    ),
    Term("map", "Bright is what counted for the answer.", "class activation map"),
    Term(
        "fewer pictures",
        "How good it would be with fewer pictures. Where the line still climbs, more of them help.",
        "learning curve",
    ),
)
_BY_WORD = {one.word: one for one in _ALL}


def term_of(word: str) -> Term:
    """The entry of one word; a word that is not in the glossary is a bug."""
    return _BY_WORD[word]


def terms(*words: str) -> tuple[Term, ...]:
    """The entries of several words, in this order."""
    return tuple(map(term_of, words))
