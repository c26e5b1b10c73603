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
    Term("head", "The last layer: it turns what was seen into one score for each name.", "classifier head"),
    Term(
        "wide head",
        "A head that reads every layer, not the last alone: early layers see strokes and textures.",
        "linear probe on intermediate features; Head2Toe",
    ),
    Term(
        "helping head",
        "A second head in the middle of a network. It speaks only while the network is taught.",
        "auxiliary classifier",
    ),
    Term("features", "The list of numbers that the body makes from a picture.", "feature vector, embedding"),
    Term(
        "weights",
        "The numbers of a network. They hold all that it has learned.",
        "parameters, pretrained weights",
    ),
    Term("width", "How many numbers the body gives to the head.", "in_features"),
    Term("score", "The number that the head gives to one name. The largest wins.", "logit"),
    Term(
        "norm layer",
        "A layer that makes all numbers about equally large. It remembers how large they usually are.",
        "BatchNorm; its running_mean and running_var are buffers",
    ),
    Term(
        "training mode",
        "A switch. While it is on, norm layers change with each batch, so the same picture may "
        "get other answers.",
        "module.train()",
    ),
    # pictures
    Term("practice", "The pictures that it learns from.", "training set"),
    Term(
        "exam",
        "Pictures that were locked away before anything was learned. Only they say how good it is.",
        "test set, hold-out",
    ),
    Term(
        "folds",
        "The practice pictures in five parts. Each is once the exam for a head that learned from the "
        "other four.",
        "cross-validation",
    ),
    Term(
        "changed copy",
        "A practice picture flipped or cut in another way, so that it learns the object and not one "
        "picture of it.",
        "data augmentation",
    ),
    Term(
        "glasses",
        "How a picture is prepared for the network: its size, its colours, its brightness.",
        "preprocessing, input normalisation",
    ),
    Term(
        "picture size",
        "How many dots wide and high a picture is when the network sees it.",
        "input resolution",
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
    Term("saved weights", "Every number of the network, written into one file.", "state_dict, checkpoint"),
    Term(
        "record",
        "A note of what was taught, with which pictures and which choices, so that it can be repeated.",
        "manifest, model registry",
    ),
    Term("fingerprint", "A short number made from a whole file: another file, another number.", "SHA-256"),
    # learning
    Term("pass", "One look at every practice picture.", "epoch"),
    Term("batch", "The pictures that are looked at together before a number moves.", "batch size"),
    Term("loss", "How wrong the guesses are. 0 is perfect.", "loss"),
    Term("slope", "In which direction each number has to move so that the loss falls.", "gradient"),
    Term("step size", "How far the numbers move at each step.", "learning rate"),
    Term(
        "steps that get smaller towards the picture",
        "The head moves most and the first layers least: they know what helps with any picture.",
        "discriminative learning rates",
    ),
    Term("settings", "What a person chooses before it learns, such as the step size.", "hyperparameters"),
    Term(
        "number for chance",
        "All random choices start from this number. The same number gives the same result.",
        "random seed",
    ),
    Term("cluster", "Several computers that share the work. The result is the same.", "cluster"),
    Term(
        "what may move",
        "Only numbers that may move can learn. All others stay as they are.",
        "trainable parameters, depth of fine-tuning",
    ),
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
    Term(
        "whisker",
        "The thin line shows where the true mean probably is.",
        "95 % confidence interval of the mean",
    ),
    Term(
        "sure",
        "How certain the network is of a name, from 0 to 100 %. Where it says 90 %, nine of "
        "ten should be right.",
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
        "Both runs answered the same pictures. Only pictures whose answer changed can show which run is "
        "better.",
        "paired comparison, McNemar's exact test",
    ),
    Term(
        "doubt",
        "A head that did not learn from this picture gives it a different name from yours.",
        "label errors, confident learning",
    ),
    Term(
        "unlike",
        "It differs from all practice pictures more than nearly every exam picture does.",
        "out of distribution (OOD)",
    ),
    Term("found", "Of all pictures with this label: how many it found.", "recall"),
    Term("right when said", "When it said this label: how often that was right.", "precision"),
    Term(
        "average precision",
        "Sort the pictures by how sure it is. 1 means: all pictures with the label come before all others.",
        "area under the precision-recall curve",
    ),
    Term("said from", "How sure it must be before it says the label.", "decision threshold"),
    Term(
        "grid",
        "A row is what a picture shows, a column what it was called. On the diagonal it was right.",
        "confusion matrix",
    ),
    Term("where it looked", "Bright is what counted for the answer.", "class activation map"),
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
