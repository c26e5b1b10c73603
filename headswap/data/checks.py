"""What a person should know about their images before training, in words.

Flow:  Manifest (grouped) --check--> the same Manifest with findings

Nothing here stops anyone: what cannot work is an error elsewhere. A finding carries what
would correct it, where that is known: images that could go (`spare`), classes that need more.

Knows records only: opens no image.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from headswap.data.decode import shown_name
from headswap.data.layout import is_image_name
from headswap.data.manifest import Finding, ImageRecord, Manifest, Part
from headswap.data.split import crossing

FEW = 10  # images of a class
UNBALANCED = 3.0  # largest class to smallest
_TELLS = 0.95  # share of pairs (one of the class, one of the rest) that a single number orders right
_SHIFT = 0.12  # of brightness: less is not worth a word
_TIMES = 1.5  # of size or shape
_FEW_TO_TELL = 8  # images on each side, below which nothing is said of brightness or size


def check(manifest: Manifest) -> Manifest:
    """Look at all images together and add what was found.

    Args:
        manifest: with groups (`split.with_groups`).
    """
    rules: tuple[Callable[[Manifest], Iterator[Finding]], ...] = (
        _left_out,
        _several_labels,
        _few,
        _unbalanced,
        _same_bytes,
        _alike,
        _films,
        _given_parts,
        _giveaways,
    )
    found = tuple(finding for rule in rules for finding in rule(manifest))
    return replace(manifest, findings=(*manifest.findings, *found))


def _left_out(manifest: Manifest) -> Iterator[Finding]:
    left = [line for line in manifest.left_out if is_image_name(line.file)]  # notes are no loss
    if left:
        first = f"{_files(len(left))} left out: " + " ".join(line.reason for line in left[:3])
        more = f" And {len(left) - 3} more." if len(left) > 3 else ""
        yield Finding(code="left-out", sentence=first + more, files=tuple(line.file for line in left))


def _several_labels(manifest: Manifest) -> Iterator[Finding]:
    if manifest.is_multi_label:
        none = sum(not image.names for image in manifest.images)
        more = sum(len(image.names) > 1 for image in manifest.images)
        also = f" {none} {'has' if none == 1 else 'have'} none." if none else ""
        yield Finding(
            code="multi-label",
            sentence=f"A picture may have several labels: {more} of {len(manifest.images)} have more than "
            f"one.{also} Each label is a question of its own, answered with yes or no.",
        )


def _few(manifest: Manifest) -> Iterator[Finding]:
    few = {name: count for name, count in manifest.counts.items() if count < FEW}
    if few:
        listed = _listed([f"{shown_name(name)} ({count})" for name, count in few.items()])
        yield Finding(
            code="few",
            sentence=f"Few pictures of {listed}: with {FEW} or more of each, the result can be trusted.",
            classes=tuple(few),
        )


def _unbalanced(manifest: Manifest) -> Iterator[Finding]:
    counts = manifest.counts
    if len(counts) < 2:
        return
    most, least = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
    if counts[most] > UNBALANCED * counts[least]:
        yield Finding(
            code="unbalanced",
            sentence=f"{shown_name(most)} has {counts[most]} pictures, {shown_name(least)} only "
            f"{counts[least]}: more of {shown_name(least)} would help most.",
            classes=(least,),
        )


def _same_bytes(manifest: Manifest) -> Iterator[Finding]:
    by_bytes: dict[str, list[ImageRecord]] = defaultdict(list)
    for image in manifest.images:
        by_bytes[image.sha256].append(image)
    several = [group for group in by_bytes.values() if len(group) > 1]
    within = [group for group in several if len({image.class_name for image in group}) == 1]
    across = [group for group in several if len({image.class_name for image in group}) > 1]
    if within:
        spare = sum(len(group) - 1 for group in within)
        copies = "1 file is an exact copy" if spare == 1 else f"{spare} files are exact copies"
        yield Finding(
            code="duplicates",
            sentence=f"{copies} of another picture of the same class; "
            "copies stay together, for practice or in the exam.",
            files=tuple(image.file for group in within for image in group),
            spare=tuple(image.file for group in within for image in group[1:]),
        )
    if across:
        first = _listed([shown_name(image.file) for image in across[0]])
        yield Finding(
            code="two-classes",
            sentence=f"{_images(len(across))} in two classes at once, such as {first}: "
            "keep the right one of each.",
            files=tuple(image.file for group in across for image in group),
        )


def _alike(manifest: Manifest) -> Iterator[Finding]:
    members: dict[int, dict[str, ImageRecord]] = defaultdict(dict)  # group -> one of each sha256 or film
    for image in manifest.images:
        members[image.group].setdefault(image.film or image.sha256, image)
    alike = [tuple(group.values()) for number, group in members.items() if number >= 0 and len(group) > 1]
    if not alike:
        return
    groups = "1 group" if len(alike) == 1 else f"{len(alike)} groups"
    yield Finding(
        code="near-duplicates",
        sentence=f"{sum(map(len, alike))} pictures look almost like another ({groups}); "
        "each group stays together, for practice or in the exam.",
        files=tuple(image.file for group in alike for image in group),
        spare=_spare(alike, Counter(image.class_name for image in manifest.images)),
    )
    mixed = [group for group in alike if len({image.class_name for image in group}) > 1]
    if mixed:
        such_as = _listed([shown_name(image.file) for image in _one_of_each_class(mixed[0])])
        hold = "1 group" if len(mixed) == 1 else f"{len(mixed)} groups"
        yield Finding(
            code="two-labels",
            sentence=f"{hold} of near duplicates with more than one class, such as {such_as}: "
            "check which class is right.",
            files=tuple(image.file for group in mixed for image in group),
        )


def _films(manifest: Manifest) -> Iterator[Finding]:
    frames = [image for image in manifest.images if image.film]
    if not frames:
        return
    films = len({image.film for image in frames})
    yield Finding(
        code="films",
        sentence=f"{len(frames)} of the pictures are frames of {films} {'film' if films == 1 else 'films'}. "
        "Each film stays together, for practice or in the exam. Frames of one film are alike: more films "
        "tell more than longer ones, and the report's range, which counts every frame, is too narrow.",
        files=tuple(image.file for image in frames),
    )
    groups: dict[str, set[int]] = defaultdict(set)
    for image in manifest.images:
        for name in image.names:
            groups[name].add(image.group)
    filmed = {name for image in frames for name in image.names}
    lone = tuple(name for name in manifest.classes if name in filmed and len(groups[name]) == 1)
    if lone:
        yield Finding(
            code="one-film",
            sentence=f"All pictures of {_listed([shown_name(name) for name in lone])} come from one film. "
            "What is practised on is never in the exam, and a film counts as one: film once more, elsewhere, "
            "or add pictures.",
            classes=lone,
        )


def _one_of_each_class(group: Sequence[ImageRecord]) -> tuple[ImageRecord, ...]:
    return tuple({image.class_name: image for image in reversed(group)}.values())[::-1]


def _spare(alike: Sequence[Sequence[ImageRecord]], counts: dict[str, int]) -> tuple[str, ...]:
    """All but one of each group and class, unless a class would have too few left (a burst of a camera)."""
    spare: list[ImageRecord] = []
    for group in alike:
        seen: set[str] = set()
        for image in group:
            if image.class_name in seen:
                spare.append(image)
            seen.add(image.class_name)
    going = Counter(image.class_name for image in spare)
    return tuple(p.file for p in spare if counts[p.class_name] - going[p.class_name] >= FEW)


def _given_parts(manifest: Manifest) -> Iterator[Finding]:
    parts = Counter(image.given_part for image in manifest.images)
    test: Part = "test" if parts["test"] else "validation"
    if not parts["train"] or not parts[test]:
        return
    yield Finding(
        code="given-parts",
        sentence=f"Your own folders decide: {parts['train']} pictures to practise on, "
        f"{parts[test]} ({test}) for the exam.",
    )
    leaks = crossing(manifest)
    if leaks:
        named = _listed([shown_name(image.file) for image in leaks])
        images = "1 picture of the exam is" if len(leaks) == 1 else f"{len(leaks)} pictures of the exam are"
        them = "it" if len(leaks) == 1 else "them"
        yield Finding(
            code="leak",
            sentence=f"{images} almost the same as one in the practice folder: the result "
            "will look better than it is. "
            f"Leave {them} out, or move {them} to the practice folder: {named}.",
            files=tuple(image.file for image in leaks),
            spare=tuple(image.file for image in leaks),
        )


def _giveaways(manifest: Manifest) -> Iterator[Finding]:
    """Classes that a single number tells from the rest: what the network may learn instead."""
    if len(manifest.classes) < 2:
        return
    light = np.array([image.brightness for image in manifest.images])
    area = np.log([image.width * image.height for image in manifest.images])
    shape = np.log([image.width / image.height for image in manifest.images])
    kinds = (
        ("brightness", light, _SHIFT, "darker", "brighter", "darkness", "brightness"),
        ("size", area, 2 * np.log(_TIMES), "smaller", "larger", "sharpness", "sharpness"),
        (
            "shape",
            shape,
            np.log(_TIMES),
            "narrower",
            "wider",
            "the shape of the picture",
            "the shape of the picture",
        ),
    )
    for code, values, shift, less, more, low_lesson, high_lesson in kinds:
        for name in manifest.classes:
            has = np.array([name in image.names for image in manifest.images])
            inside, outside = values[has], values[~has]
            if min(len(inside), len(outside)) < _FEW_TO_TELL:
                continue
            order = _ordered(inside, outside)
            gap = float(np.median(inside) - np.median(outside))
            if abs(gap) < shift or max(order, 1 - order) < _TELLS:
                continue
            word, lesson = (more, high_lesson) if gap > 0 else (less, low_lesson)
            yield Finding(
                code=code,
                sentence=f"Almost all pictures of {shown_name(name)} are {word} than the others: "
                f"the network may learn {lesson} instead.",
                classes=(name,),
            )
            if len(manifest.classes) == 2:
                break  # the other class says the same the other way round


def _ordered(inside: Sequence[float], outside: Sequence[float]) -> float:
    """Share of pairs in which the inside value is larger; ties count half (area under the ROC curve)."""
    low = np.sort(np.asarray(outside))
    below = np.searchsorted(low, inside, side="left") + np.searchsorted(low, inside, side="right")
    return float(below.sum()) / (2 * len(inside) * len(low))


def _listed(items: Sequence[str], most: int = 5) -> str:
    """a, b and c; or a, b and 7 more."""
    if len(items) > most:
        return f"{', '.join(items[: most - 1])} and {len(items) - most + 1} more"
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count} files are"


def _images(count: int) -> str:
    return "1 picture is" if count == 1 else f"{count} pictures are"
