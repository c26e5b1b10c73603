"""Decide which images are trained on and which are the test.

Flow:  Manifest --split--> Manifest with a part for every image

Fixed before any network runs, by class and fingerprint alone, so that every network is compared on
the same test. Near duplicates that are found stay on one side, even across classes; the order of files on
the disk plays no role. Parts that were given as folders are respected; what crosses them is told. Without
such folders, an image that a person added to be learned from is never drawn: the test stays what it was.
A run that is repeated takes the parts and groups that its bundle recorded.

Knows records only: opens no image.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from headswap.data.decode import shown_name
from headswap.data.duplicates import group_alike
from headswap.data.manifest import NO_LABEL, ImageRecord, Manifest, Part, SkippedFile
from headswap.errors import BadSetting

Groups = dict[int, list[ImageRecord]]
_MOST_TESTED = 0.9  # of each class


def split(manifest: Manifest, *, test_share: float = 0.2, seed: int = 0) -> Manifest:
    """Give every image its part.

    Args:
        manifest: from `take_in`.
        test_share: of each class, for the test; ignored when a test folder was given.
        seed: another seed, another draw.

    Raises:
        BadSetting: the share leaves nothing to train on.
    """
    if not 0 <= test_share <= _MOST_TESTED:
        raise BadSetting(
            f"The test share is {test_share:g}.", remedy=f"Choose 0 to {_MOST_TESTED}, such as 0.2."
        )
    manifest = with_groups(manifest)
    given = _given(manifest)
    if given is not None:
        return given
    test = _Lots(_drawn_from(manifest), seed).draw(test_share) if test_share > 0 else set()
    return replace(
        manifest,
        images=tuple(
            replace(image, part="test" if image.group in test else "train") for image in manifest.images
        ),
    )


def with_groups(manifest: Manifest) -> Manifest:
    """Number the groups of near duplicates and of frames of one film, once."""
    if all(image.group >= 0 for image in manifest.images):
        return manifest
    numbers = _films_whole(manifest.images, group_alike(manifest.images))
    pairs = zip(manifest.images, numbers, strict=True)
    return replace(manifest, images=tuple(replace(image, group=number) for image, number in pairs))


def _films_whole(images: Sequence[ImageRecord], numbers: Sequence[int]) -> tuple[int, ...]:
    """Put all groups that hold frames of the same film together, so that no split cuts a film."""
    leader = {number: number for number in numbers}

    def first(number: int) -> int:
        while leader[number] != number:
            number = leader[number]
        return number

    seen: dict[str, int] = {}  # film -> a group with a frame of it
    for image, number in zip(images, numbers, strict=True):
        if image.film:
            low, high = sorted((first(number), first(seen.setdefault(image.film, number))))
            leader[high] = low
    return tuple(first(number) for number in numbers)


def crossing(manifest: Manifest) -> tuple[ImageRecord, ...]:
    """Test images of the person's own folders that are near duplicates of their training images."""
    test = _given_test(manifest)
    trained = {image.group for image in manifest.images if image.given_part == "train"}
    return tuple(p for p in manifest.images if p.given_part == test and p.group in trained)


def split_as(manifest: Manifest, recorded: Manifest) -> Manifest | None:
    """The same groups and parts as a bundle recorded; None: these are other images.

    Other versions find other near duplicates; a run is repeated with those that it had.
    """
    before = {(image.sha256, image.class_name): image for image in recorded.images}
    dropped = {left.file for left in recorded.left_out}
    kept = [image for image in manifest.images if image.file not in dropped]
    if len(kept) != len(recorded.images) or {(p.sha256, p.class_name) for p in kept} != set(before):
        return None
    images = tuple(
        replace(image, group=same.group, part=same.part)
        for image in kept
        for same in (before[image.sha256, image.class_name],)
    )
    return replace(
        manifest,
        classes=recorded.classes,
        images=images,
        left_out=recorded.left_out,
        findings=recorded.findings,
    )


def _drawn_from(manifest: Manifest) -> tuple[ImageRecord, ...]:
    """The images to draw from, without those given for training if their class has others.

    So images that are added for training change nothing else.
    """
    free = {name for image in manifest.images if image.given_part != "train" for name in _names(image)}
    return tuple(p for p in manifest.images if p.given_part != "train" or free.isdisjoint(_names(p)))


def _names(image: ImageRecord) -> tuple[str, ...]:
    """What an image counts for: its class, each of its labels, or that it has none."""
    return image.names or (NO_LABEL,)


class _Lots:
    """Groups of images while those of the test are drawn; what is not drawn is trained on."""

    def __init__(self, images: Sequence[ImageRecord], seed: int) -> None:
        groups: Groups = defaultdict(list)
        for image in images:
            groups[image.group].append(image)
        self._sizes = {number: len(members) for number, members in groups.items()}
        self._classes = {
            number: Counter(name for image in members for name in _names(image))
            for number, members in groups.items()
        }
        self._order = sorted(groups, key=lambda number: _lot(groups[number], seed))
        self._of_class = Counter(name for image in images for name in _names(image))
        self._left = Counter(self._of_class)  # still to train on
        self._drawn: set[int] = set()

    def draw(self, share: float) -> set[int]:
        """Take groups in their order as long as they fit; then one for each class that got none."""
        need = {name: max(1, round(share * size)) for name, size in self._of_class.items()}
        for number in self._order:
            if self._can_go(number) and all(
                count <= need[name] for name, count in self._classes[number].items()
            ):
                self._take(number)
                for name, count in self._classes[number].items():
                    need[name] -= count
        seen = {name for number in self._drawn for name in self._classes[number]}
        for name in sorted(set(self._of_class) - seen):  # its groups are larger than its share
            able = [n for n in self._order if name in self._classes[n] and self._can_go(n)]
            if able:
                self._take(min(able, key=lambda n: (len(self._classes[n]), self._sizes[n])))
        return self._drawn

    def _can_go(self, number: int) -> bool:
        """Whether a group is not taken yet, and every class keeps something to train on without it."""
        if number in self._drawn:
            return False
        return all(self._left[name] > count for name, count in self._classes[number].items())

    def _take(self, number: int) -> None:
        self._drawn.add(number)
        self._left -= self._classes[number]


def _lot(members: Iterable[ImageRecord], seed: int) -> str:
    """A group's place in the draw: depends on its images' bytes and the seed, on nothing else."""
    first = min(image.sha256 for image in members)
    return hashlib.sha256(f"{seed} {first}".encode()).hexdigest()


def _given(manifest: Manifest) -> Manifest | None:
    """The parts that the person gave as folders, when they hold both training and test images."""
    present = {image.given_part for image in manifest.images}
    if "train" not in present or not present & {"test", "validation"}:
        return None
    test = _given_test(manifest)
    train_classes = {
        name for image in manifest.images if image.given_part in (None, "train") for name in image.names
    }
    examined = {
        p.sha256 for p in manifest.images if p.given_part == test and train_classes.issuperset(p.names)
    }
    trained = Counter(
        p.class_name for p in manifest.images if p.given_part in (None, "train") and p.sha256 not in examined
    )
    kept: list[ImageRecord] = []
    left_out = list(manifest.left_out)
    for image in manifest.images:
        name, part = shown_name(image.file.rsplit("/", 1)[-1]), image.given_part or "train"
        if not train_classes.issuperset(image.names):
            reason = f"{name} is of a class that has no practice pictures."
            left_out.append(SkippedFile(file=image.file, reason=reason))
        elif part != test and image.sha256 in examined and trained[image.class_name]:
            left_out.append(SkippedFile(file=image.file, reason=f"{name} is also in the {test} folder."))
        else:
            kept.append(replace(image, part="test" if part == test else part))
    classes = tuple(name for name in manifest.classes if name in train_classes)
    return replace(manifest, classes=classes, images=tuple(kept), left_out=tuple(left_out))


def _given_test(manifest: Manifest) -> Part:
    """Which of the person's own folders is the test."""
    return "test" if any(image.given_part == "test" for image in manifest.images) else "validation"
