"""Other classes for images that are no longer at hand: left out, put together, renamed, joined by new ones.

Flow:  class names + ClassChanges --new_names--> {old name: new name, or None}
       Manifest + those --with_classes--> Manifest;  Manifest + new images --with_images--> Manifest

Parts and groups stay as they were recorded: nothing is drawn again, and no image moves to the other side of
the split. `edit.py` changes images that are at hand, and draws all of them again.

Knows records only: opens no image, writes no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from headswap.data.decode import shown_name
from headswap.data.duplicates import near_any
from headswap.data.edit import free_name, valid_name
from headswap.data.layout import class_key
from headswap.data.manifest import ImageRecord, Manifest, Part, SkippedFile, joined
from headswap.data.split import split
from headswap.errors import BadSetting


@dataclass(frozen=True, kw_only=True)
class ClassChanges:
    """What will happen to classes; each is named once."""

    remove: tuple[str, ...] = ()
    merge: tuple[tuple[str, tuple[str, ...]], ...] = ()  # what they become, and two or more classes
    rename: tuple[tuple[str, str], ...] = ()  # the old name, the new one

    @property
    def only_names(self) -> bool:
        """Whether every class keeps its images."""
        return not self.remove and not self.merge


def new_names(classes: Sequence[str], changes: ClassChanges) -> dict[str, str | None]:
    """What each class is called afterwards; None: it is removed.

    Args:
        classes: as they are.
        changes: names are compared as an upload compares them, upper and lower case alike.

    Raises:
        BadSetting: there is no such class, it is named twice, or a new name cannot be one or is another's.
    """
    spelling = {class_key(name): name for name in classes}
    found: dict[str, str | None] = {}

    def set_name(old: str, new: str | None) -> None:
        name = spelling.get(class_key(old))
        if name is None:
            raise BadSetting(
                f"There is no class {shown_name(old)}.",
                remedy=f"The classes are {', '.join(map(shown_name, classes))}.",
            )
        if name in found:
            raise BadSetting(
                f"{shown_name(name)} is named twice.", remedy="Say once what becomes of a class."
            )
        found[name] = new

    for name in changes.remove:
        set_name(name, None)
    for into, sources in changes.merge:
        known = spelling.get(class_key(into))
        merged = dict.fromkeys((*sources, *([known] if known else ())))
        if len({class_key(one) for one in merged}) < 2:
            raise BadSetting(
                f"Only one class would become {shown_name(into)}.",
                remedy="Name two or more classes to put together; to call one something else, rename it.",
            )
        new = known or valid_name(into)
        for key in {class_key(one): one for one in merged}.values():
            set_name(key, new)
    for old, name in changes.rename:
        set_name(old, valid_name(name))
    _check_apart(classes, changes, found)
    return {name: found.get(name, name) for name in classes}


def _check_apart(classes: Sequence[str], changes: ClassChanges, found: Mapping[str, str | None]) -> None:
    """No two classes may end under one name, unless they are put together."""
    unchanged = [name for name in classes if name not in found]
    ends = [*unchanged, *(into for into, _ in changes.merge), *(new for _, new in changes.rename)]
    keys = [class_key(name) for name in ends]
    for name, key in zip(ends, keys, strict=True):
        if keys.count(key) > 1:
            raise BadSetting(
                f"Two classes would be called {shown_name(name)}.",
                remedy="Choose another name, or put the two together.",
            )


def with_classes(manifest: Manifest, names: Mapping[str, str | None]) -> tuple[Manifest, list[int]]:
    """The images under their new names, in their order, and which of those before they are.

    Where an image may have several labels, one that loses all of them stays: it is an example of none. Labels
    that are put together are there if one of them is. An image of which nothing would be known any more goes.
    """
    classes = tuple(sorted({new for new in names.values() if new is not None}))
    renamed = [_renamed(image, names) for image in manifest.images]
    rows = [
        row for row, image in enumerate(renamed) if image is not None and len(image.unknown) < len(classes)
    ]
    images = tuple(image for image in (renamed[row] for row in rows) if image is not None)
    return replace(manifest, classes=classes, images=images, findings=()), rows


def _renamed(image: ImageRecord, names: Mapping[str, str | None]) -> ImageRecord | None:
    """One image under its new names; None: its class is removed."""
    if image.labels is None:
        new = names[image.class_name]
        return None if new is None else replace(image, class_name=new)
    has = {new for name in image.labels if (new := names[name]) is not None}
    unknown = {new for name in image.unknown if (new := names[name]) is not None} - has
    labels = tuple(sorted(has))
    return replace(image, class_name=joined(labels), labels=labels, unknown=tuple(sorted(unknown)))


def with_labels(more: Manifest, classes: Sequence[str]) -> tuple[ImageRecord, ...]:
    """Images that join others which may have several labels: what is known of them, and what is not.

    A table that gives several labels answers, for each of its images, every label that it gives to any. A
    folder, or a table with one label for each image, says of an image that it has this one, and no more.

    Args:
        more: read just now.
        classes: the labels of the others, whose spelling is kept.
    """
    spelling = {class_key(name): name for name in classes}
    asked = {spelling.get(class_key(name), name) for name in more.classes}
    joining = []
    for image in more.images:
        labels = tuple(sorted({spelling.get(class_key(name), name) for name in image.names}))
        known = asked if more.is_multi_label else set(labels)
        unknown = tuple(sorted({*classes, *asked} - known))
        joining.append(replace(image, class_name=joined(labels), labels=labels, unknown=unknown))
    return tuple(joining)


def without(manifest: Manifest, absent: Sequence[str], recorded: int) -> Manifest:
    """Note that none of the first so many images has some labels that were not known of them.

    Raises:
        BadSetting: there is no such label, or it is known of all of these images.
    """
    spelling = {class_key(name): name for name in manifest.classes}
    named = set()
    for name in absent:
        label = spelling.get(class_key(name))
        if label is None or not any(label in image.unknown for image in manifest.images[:recorded]):
            raise BadSetting(
                f"{shown_name(name)} is not a new label: what the old pictures show is already known.",
                remedy="Name labels that are added now, or that the old pictures were not known to have.",
            )
        named.add(label)
    images = [
        replace(image, unknown=tuple(one for one in image.unknown if one not in named))
        for image in manifest.images[:recorded]
    ]
    return replace(manifest, images=(*images, *manifest.images[recorded:]))


def with_images(
    manifest: Manifest, more: Sequence[ImageRecord], *, test_share: float, seed: int
) -> tuple[Manifest, tuple[ImageRecord, ...], tuple[SkippedFile, ...]]:
    """Add images behind those that are recorded.

    Images of a new class, or of which a new label is known, are drawn for the test as in any run. Other
    images are trained on, so that the test of the old classes stays what it was. Whether the recorded images
    have a new label is not known. What is among the recorded ones, byte for byte, is left out, and
    so is a near duplicate of a test image.

    Args:
        manifest: recorded, with parts and groups.
        more: read just now, of any classes; `with_labels` of these, where images may have several labels.
        test_share: of a new class.
        seed: drives the draw.

    Returns:
        All of them; those of `more` that were added, as they were given, in the order in which they stand at
        the end; and those left out, with the reason.
    """
    spelling = {class_key(name): name for name in manifest.classes}
    known = {image.sha256: image.class_name for image in manifest.images}
    near = near_any(more, [image for image in manifest.images if image.part == "test"]) if more else ()
    given: list[ImageRecord] = []
    left_out: list[SkippedFile] = []
    for image, is_near in zip(more, near, strict=True):
        shown = shown_name(image.file.rsplit("/", 1)[-1])
        if image.sha256 in known:
            reason = f"{shown} is among the pictures that it was taught on, as {known[image.sha256]}."
        elif is_near:
            reason = f"{shown} is a near duplicate of a picture of the exam."
        else:
            name = spelling.get(class_key(image.class_name), image.class_name)
            given.append(replace(image, class_name=name) if image.labels is None else image)
            continue
        left_out.append(SkippedFile(file=image.file, reason=reason))
    added = _with_parts(manifest, given, test_share=test_share, seed=seed)
    classes = tuple(sorted({*manifest.classes, *(name for image in added for name in image.names)}))
    new = set(classes) - set(manifest.classes)
    recorded = [
        one if one.labels is None else replace(one, unknown=tuple(sorted({*one.unknown, *new})))
        for one in manifest.images
    ]
    joining = [
        replace(one, unknown=tuple(name for name in one.unknown if name in classes))
        for one in _with_free_names(manifest, added)
    ]
    whole = replace(manifest, classes=classes, images=(*recorded, *joining))
    return whole, tuple(given), tuple(left_out)


def _with_parts(
    manifest: Manifest, images: Sequence[ImageRecord], *, test_share: float, seed: int
) -> list[ImageRecord]:
    """New classes are drawn on their own, or as their folders say; groups get numbers that no one has."""
    named = {name for image in images for name in image.names} - set(manifest.classes)
    fresh = tuple(p for p in images if _says(p, named) and p.given_part is None)
    parts: dict[str, Part] = {image.file: "test" for image in images if image.given_part == "test"}
    if fresh:
        alone = replace(manifest, classes=(), images=fresh, left_out=(), findings=())
        drawn = split(alone, test_share=test_share, seed=seed).images
        parts |= {image.file: image.part for image in drawn}
    first = 1 + max((image.group for image in manifest.images), default=-1)
    return [
        replace(image, group=first + image.group, part=parts.get(image.file, "train"), given_part=None)
        for image in images
    ]


def _says(image: ImageRecord, named: set[str]) -> bool:
    """Whether an image is of a new class, or says yes or no to a new label."""
    return image.class_name in named if image.labels is None else not named <= set(image.unknown)


def _with_free_names(manifest: Manifest, images: Sequence[ImageRecord]) -> list[ImageRecord]:
    taken = {image.file for image in manifest.images}
    named = []
    for image in images:
        file = free_name(image.file, taken)
        taken.add(file)
        named.append(replace(image, file=file))
    return named
