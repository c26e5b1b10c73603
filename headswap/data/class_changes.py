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
from headswap.data.manifest import ImageRecord, Manifest, Part, SkippedFile
from headswap.data.split import split
from headswap.errors import BadSetting


@dataclass(frozen=True, kw_only=True)
class ClassChanges:
    """What shall become of classes; each is named once."""

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
    """The images under their new names, in their order, and which of those before they are."""
    rows = [row for row, image in enumerate(manifest.images) if names[image.class_name] is not None]
    images = tuple(
        replace(manifest.images[row], class_name=str(names[manifest.images[row].class_name])) for row in rows
    )
    classes = tuple(sorted({new for new in names.values() if new is not None}))
    return replace(manifest, classes=classes, images=images, findings=()), rows


def with_images(
    manifest: Manifest, more: Sequence[ImageRecord], *, test_share: float, seed: int
) -> tuple[Manifest, tuple[ImageRecord, ...], tuple[SkippedFile, ...]]:
    """Add images behind those that are recorded.

    Images of a new class are drawn for the test as in any run. Images of a class that is there are trained
    on, so that its test stays what it was. What is among the recorded ones, byte for byte, is left out, and
    so is a near duplicate of a test image.

    Args:
        manifest: recorded, with parts and groups.
        more: read just now, of any classes.
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
            given.append(
                replace(image, class_name=spelling.get(class_key(image.class_name), image.class_name))
            )
            continue
        left_out.append(SkippedFile(file=image.file, reason=reason))
    added = _with_parts(manifest, given, test_share=test_share, seed=seed)
    classes = tuple(sorted({*manifest.classes, *(image.class_name for image in added)}))
    images = (*manifest.images, *_with_free_names(manifest, added))
    return replace(manifest, classes=classes, images=images), tuple(given), tuple(left_out)


def _with_parts(
    manifest: Manifest, images: Sequence[ImageRecord], *, test_share: float, seed: int
) -> list[ImageRecord]:
    """New classes are drawn on their own, or as their folders say; groups get numbers that no one has."""
    fresh = tuple(p for p in images if p.class_name not in manifest.classes and p.given_part is None)
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


def _with_free_names(manifest: Manifest, images: Sequence[ImageRecord]) -> list[ImageRecord]:
    taken = {image.file for image in manifest.images}
    named = []
    for image in images:
        file = free_name(image.file, taken)
        taken.add(file)
        named.append(replace(image, file=file))
    return named
