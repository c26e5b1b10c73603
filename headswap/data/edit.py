"""Change a set of images without opening one: rename, merge, drop, relabel, put together.

Flow:  Manifest --rename_class, merge_classes, drop_class, relabel, label_images,
       take_labelled, drop_images, join-->
       Manifest

Every change gives a new manifest, grouped, checked and drawn again; the old one stays as it
was, which is what makes each of them undoable. Names are compared as an upload compares
them: composed letters, upper and lower case alike.

Knows records only: opens no image, writes no file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from headswap.counted import counted
from headswap.data.checks import check
from headswap.data.decode import shown_name
from headswap.data.layout import class_key, class_name, is_litter
from headswap.data.manifest import Finding, ImageRecord, Manifest, Part, check_one_class, joined
from headswap.data.split import split, with_groups
from headswap.errors import BadSetting, NotFound, TooFewImages

LONGEST_NAME = 80  # letters of a class name


def rename_class(manifest: Manifest, name: str, new: str) -> Manifest:
    """Call a class something else.

    Raises:
        NotFound: there is no such class.
        BadSetting: the new name cannot be one, or another class has it.
    """
    check_one_class("Renaming a class", is_multi_label=manifest.is_multi_label)
    _require(manifest, name)
    new = valid_name(new)
    if class_key(new) != class_key(name) and _known(manifest, new):
        raise BadSetting(
            f"There is a class called {shown_name(_known(manifest, new))} already.",
            remedy="Choose another name, or put the two together.",
        )
    return _with_class(manifest, {name}, new)


def merge_classes(manifest: Manifest, name: str, into: str) -> Manifest:
    """Put the images of one class into another; the first name goes.

    Raises:
        NotFound: one of them does not exist.
        BadSetting: they are the same class.
    """
    check_one_class("Putting classes together", is_multi_label=manifest.is_multi_label)
    _require(manifest, name)
    _require(manifest, into)
    if name == into:
        raise BadSetting(f"{shown_name(name)} is one class already.", remedy="Choose two different ones.")
    return _with_class(manifest, {name}, into)


def drop_class(manifest: Manifest, name: str) -> Manifest:
    """Leave a class out, with its images.

    Raises:
        NotFound: there is no such class.
        TooFewImages: nothing would be left.
    """
    check_one_class("Leaving a class out", is_multi_label=manifest.is_multi_label)
    _require(manifest, name)
    return _keeping(manifest, [image for image in manifest.images if image.class_name != name])


def relabel(manifest: Manifest, files: Collection[str], name: str) -> Manifest:
    """Give images another class, a known one or a new one.

    Args:
        manifest: any.
        files: `ImageRecord.file` of each.
        name: of the class.

    Raises:
        NotFound: there is no such image.
        BadSetting: the name cannot be one.
    """
    check_one_class("Giving a picture another class", is_multi_label=manifest.is_multi_label)
    _require_files(manifest, files)
    name = _known(manifest, name) or valid_name(name)
    images = (replace(image, class_name=name) if image.file in files else image for image in manifest.images)
    return finished(replace(manifest, images=tuple(images)))


def label_images(manifest: Manifest, images: Iterable[ImageRecord], name: str) -> Manifest:
    """Add images that a person has labelled, to be trained on; one that is there already gets the new label.

    What is added is never drawn for the test, unless its class has nothing else: the test stays what it
    was, and two runs can be compared on it.

    Args:
        manifest: what is there.
        images: kept in the same store (the same `root`).
        name: of the class, a known one or a new one.

    Raises:
        BadSetting: the name cannot be one.
    """
    check_one_class("Naming pictures that were tried", is_multi_label=manifest.is_multi_label)
    name = _known(manifest, name) or valid_name(name)
    named = {image.sha256: image for image in images}
    there = {image.sha256 for image in manifest.images}
    renamed = [replace(one, class_name=name) if one.sha256 in named else one for one in manifest.images]
    has_parts = any(image.given_part not in (None, "train") for image in manifest.images)
    taken = {image.file for image in manifest.images}
    for image in named.values():
        if image.sha256 not in there:
            file = free_name(f"{name}/{image.file.rpartition('/')[2]}", taken)
            taken.add(file)
            part: Part | None = None if has_parts else "train"
            renamed.append(replace(image, file=file, class_name=name, given_part=part))
    return finished(replace(manifest, images=tuple(renamed)))


def take_labelled(manifest: Manifest, images: Iterable[ImageRecord]) -> Manifest:
    """Add images with the classes that a person gave them, drawn for train and test like all others.

    One that is there, byte for byte, gets its new class; a class that is known keeps its spelling.

    Args:
        manifest: what is there; may be empty.
        images: kept in the same store (the same `root`), each with its class.
    """
    check_one_class("Adding pictures that were labelled with help", is_multi_label=manifest.is_multi_label)
    spelling = {class_key(name): name for name in manifest.classes}
    named = [
        replace(image, class_name=spelling.get(class_key(image.class_name), image.class_name))
        for image in images
    ]
    names = {image.sha256: image.class_name for image in named}
    there = {image.sha256 for image in manifest.images}
    taken = {image.file for image in manifest.images}
    all_images = [replace(one, class_name=names.get(one.sha256, one.class_name)) for one in manifest.images]
    for image in named:
        if image.sha256 not in there:
            file = free_name(f"{image.class_name}/{image.file.rpartition('/')[2]}", taken)
            taken.add(file)
            there.add(image.sha256)
            all_images.append(replace(image, file=file))
    return finished(replace(manifest, images=tuple(all_images)))


def drop_images(manifest: Manifest, files: Collection[str]) -> Manifest:
    """Leave images out; a class whose last image goes, goes too.

    Raises:
        NotFound: there is no such image.
        TooFewImages: nothing would be left.
    """
    _require_files(manifest, files)
    return _keeping(manifest, [image for image in manifest.images if image.file not in files])


def join(manifest: Manifest, more: Manifest) -> Manifest:
    """Add images to those that are there.

    A class that both know keeps the spelling of `manifest`. What its class has already, byte
    for byte, is not added again; a file whose name is taken gets a number.

    Args:
        manifest: what is there.
        more: what came, kept in the same store (the same `root`).
    """
    if manifest.images and manifest.is_multi_label != more.is_multi_label:
        check_one_class("Adding these pictures to the others", is_multi_label=True)
    spelling = {class_key(name): name for name in manifest.classes}
    there = {(image.sha256, image.class_name) for image in manifest.images}
    taken = {image.file for image in manifest.images}
    added: list[ImageRecord] = []
    for image in more.images:
        name = spelling.get(class_key(image.class_name), image.class_name)
        if (image.sha256, name) not in there:
            file = free_name(image.file, taken)
            taken.add(file)
            added.append(_spelled(replace(image, file=file, class_name=name), spelling))
    return finished(
        replace(
            manifest,
            images=(*manifest.images, *added),
            left_out=tuple(dict.fromkeys((*manifest.left_out, *more.left_out))),
            findings=(*manifest.findings, *more.findings, *_new_labels(manifest, added)),
        )
    )


def _new_labels(manifest: Manifest, added: Sequence[ImageRecord]) -> Iterator[Finding]:
    """Say that what was there counts as no for a label that comes with a second table."""
    new = sorted({name for one in added for name in one.labels or ()} - {*manifest.classes})
    if new and manifest.images:
        before = f"the {counted(len(manifest.images), 'picture')} that came before"
        yield Finding(
            code="table", sentence=f"A label came later: {before} count as not showing {' or '.join(new)}."
        )


def _spelled(image: ImageRecord, spelling: Mapping[str, str]) -> ImageRecord:
    """Several labels as the set spells them."""
    if image.labels is None:
        return image
    labels = tuple(sorted(spelling.get(class_key(name), name) for name in image.labels))
    return replace(image, labels=labels, class_name=joined(labels))


def finished(manifest: Manifest) -> Manifest:
    """Name the classes, group near duplicates, check and draw the test part: all of it again."""
    classes = tuple(sorted({name for image in manifest.images for name in image.names}))
    loose = tuple(replace(image, group=-1, part="train") for image in manifest.images)
    read = tuple(
        dict.fromkeys(one for one in manifest.findings if one.code == "table")
    )  # how, once and for all
    return split(check(with_groups(replace(manifest, classes=classes, images=loose, findings=read))))


def valid_name(text: str) -> str:
    """A class name as a person typed it, cleaned.

    Raises:
        BadSetting: nothing is left of it, or a folder could not be called so.
    """
    name = class_name(text)
    if not text.strip() or name == "(no name)":
        raise BadSetting("The class has no name.", remedy="Type the word that the network should say.")
    if len(name) > LONGEST_NAME:
        raise BadSetting(f"The name has {len(name)} letters.", remedy=f"Use at most {LONGEST_NAME}.")
    if re.search(r"[/\\]", name) or is_litter(name):
        raise BadSetting(
            f"A class cannot be called {shown_name(name)}.",
            remedy="Choose a name without / or \\ that does not begin with a dot.",
        )
    return name


def _known(manifest: Manifest, name: str) -> str:
    """How the set spells a class, or nothing."""
    key = class_key(name)
    return next((known for known in manifest.classes if class_key(known) == key), "")


def _require(manifest: Manifest, name: str) -> None:
    if name not in manifest.classes:
        raise NotFound(f"There is no class called {shown_name(name)}.", remedy="Load the page again.")


def _require_files(manifest: Manifest, files: Collection[str]) -> None:
    if not files or not set(files) <= {image.file for image in manifest.images}:
        raise NotFound("There is no such picture in this set.", remedy="Load the page again.")


def _with_class(manifest: Manifest, old: Collection[str], new: str) -> Manifest:
    images = (
        replace(image, class_name=new) if image.class_name in old else image for image in manifest.images
    )
    return finished(replace(manifest, images=tuple(images)))


def _keeping(manifest: Manifest, kept: list[ImageRecord]) -> Manifest:
    if not kept:
        raise TooFewImages(
            "These are the last pictures.", remedy="Add others first, or start over with an empty set."
        )
    return finished(replace(manifest, images=tuple(kept)))


def free_name(file: str, taken: Collection[str]) -> str:
    """a/b.jpg, or a/b (2).jpg when that is taken."""
    if file not in taken:
        return file
    folder, slash, name = file.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    stem, dot, ending = (stem, dot, ending) if stem else (name, "", "")
    number = 2
    while (numbered := f"{folder}{slash}{stem} ({number}){dot}{ending}") in taken:
        number += 1
    return numbered
