"""File names -> classes and parts, by the folders they lie in.

Flow:  relative names --arrange--> FolderLayout (placed files, left-out files, findings)
       names of files that no one has sorted --unsorted--> the same, of no class

Knows wrapper folders, train / validation / test folders, the litter of operating systems,
and that "Cats" and "cats" are one class. Looks at names only: opens nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headswap.data.decode import ENDINGS, shown_name
from headswap.data.film import FILM_ENDINGS, is_film
from headswap.data.manifest import Finding, Part, SkippedFile

PART_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
# Silently ignored, with everything whose name begins with a dot.
_LITTER = {"__macosx", "thumbs.db", "desktop.ini", "icon\r", "@eadir", "$recycle.bin", "ehthumbs.db"}
# Images, but of formats that are not read: they are missed by name, not passed over as notes.
_OTHER_IMAGES = (".jp2", ".j2k", ".jpf", ".ico", ".dds", ".qoi", ".psd", ".svg", ".pfm", ".pam")
# They change how the text around them is read, and have no place in a class name.
_DIRECTION_MARKS = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")

Steps = tuple[str, ...]  # one path, split at its slashes


@dataclass(frozen=True, kw_only=True)
class PlacedFile:
    """One file in a class folder; not yet known to be an image."""

    file: str  # relative to the source, with forward slashes, as its owner wrote it
    class_name: str
    given_part: Part | None = None
    labels: tuple[str, ...] | None = None  # where an image may have several, or none; None: it has one class
    copy: str = ""  # of a file that lies elsewhere: where below the store its bytes are, or will be


@dataclass(frozen=True, kw_only=True)
class FolderLayout:
    """What the names alone say."""

    placed: tuple[PlacedFile, ...]  # sorted by file
    left_out: tuple[SkippedFile, ...]
    findings: tuple[Finding, ...]


def arrange(names: Iterable[str]) -> FolderLayout:
    """Give every file its class and its part.

    Folders that only wrap others are passed over. Then one of three rules holds for the whole source:

    | what it looks like                    | class                         | part                         |
    |---------------------------------------|-------------------------------|------------------------------|
    | train/cats/1.jpg: parts hold classes  | the folder below the part     | of the first folder          |
    | cats/train/1.jpg: classes hold parts  | the first folder              | of the second folder         |
    | cats/.../1.jpg: no parts              | the first folder, at any depth below it | none: it is drawn  |

    Args:
        names: paths relative to the source, with forward slashes, in any order.
    """
    paths, left_out = _without_moving_halves(sorted(tuple(n.split("/")) for n in names if not is_litter(n)))
    rule = _rule_for(paths)
    homes: list[tuple[Steps, str, Part | None]] = []  # path, class folder, part
    for path in paths:
        home = rule.home(path)
        if home is None:
            reason = _why_outside(path, rule.parts, rule.top(path))
            left_out.append(SkippedFile(file="/".join(path), reason=reason))
        else:
            homes.append((path, *home))
    spelling, findings = _spellings([folder for _, folder, _ in homes])
    placed = tuple(
        PlacedFile(file="/".join(path), class_name=spelling[class_key(folder)], given_part=part)
        for path, folder, part in homes
    )
    return FolderLayout(placed=placed, left_out=tuple(left_out), findings=findings)


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """Where in a path its class and its part are; see the table of `arrange`."""

    wrapping: Steps  # folders around everything
    parts: dict[str, Part]  # first folders that are parts; empty: there are none
    class_depths: dict[str, int]  # where the classes of each part are
    classes_hold_parts: bool

    def top(self, path: Steps) -> str | None:
        """The first folder of a file inside the wrapping ones; None: it is in none."""
        depth = len(self.wrapping)
        return path[depth] if len(path) > depth + 1 and path[:depth] == self.wrapping else None

    def home(self, path: Steps) -> tuple[str, Part | None] | None:
        """The class folder of a file and the part that it states; None: it is in no class folder."""
        top, depth = self.top(path), len(self.wrapping)
        if top is None or (self.parts and top not in self.parts):
            return None
        level = self.class_depths.get(top, depth)
        if len(path) <= level + 1:
            return None
        if self.parts:
            return path[level], self.parts[top]
        if self.classes_hold_parts:
            return top, PART_NAMES.get(path[depth + 1].casefold())
        return top, None


def _rule_for(paths: Sequence[Steps]) -> _Rule:
    images = [path for path in paths if is_image_name(path[-1])] or paths
    depth = _unwrap(images, 0)
    wrapping = images[0][:depth] if images else ()
    images = [path for path in images if len(path) > depth + 1 and path[:depth] == wrapping]
    parts = _part_folders(images, depth)
    return _Rule(
        wrapping=wrapping,
        parts=parts,
        class_depths={
            top: _unwrap([path for path in images if path[depth] == top], depth + 1) for top in parts
        },
        classes_hold_parts=not parts and _classes_hold_parts(images, depth),
    )


def unsorted(names: Iterable[str]) -> FolderLayout:
    """Every file at any depth, of no class: what their folders are called means nothing."""
    paths, left_out = _without_moving_halves(sorted(tuple(n.split("/")) for n in names if not is_litter(n)))
    placed = tuple(PlacedFile(file="/".join(path), class_name="") for path in paths)
    return FolderLayout(placed=placed, left_out=tuple(left_out), findings=())


def class_name(folder: str) -> str:
    """A folder's name as a class name: composed letters, no control or direction marks, no halves."""
    plain = _DIRECTION_MARKS.sub("", unicodedata.normalize("NFC", folder))
    plain = "".join(" " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in plain)
    plain = " ".join(plain.split())
    return plain if any(unicodedata.category(letter) != "Cf" for letter in plain) else "(no name)"


def class_key(folder: str) -> str:
    """Two folders with the same key are the same class."""
    return unicodedata.normalize("NFC", class_name(folder).casefold())


def is_litter(name: str) -> bool:
    """Files that systems leave behind: hidden ones, Thumbs.db, __MACOSX."""
    return any(step.startswith(".") or step.casefold() in _LITTER for step in name.split("/"))


def is_image_name(name: str) -> bool:
    """By its ending only: enough to tell an image or film that was lost from a note next to the images."""
    return name.lower().endswith((*ENDINGS, *_OTHER_IMAGES, *FILM_ENDINGS))


def _without_moving_halves(paths: list[Steps]) -> tuple[list[Steps], list[SkippedFile]]:
    """Leave out the short film that a phone keeps next to a live photo: it shows the same once more."""
    photos = {_stem(path): path[-1] for path in paths if path[-1].lower().endswith(ENDINGS)}
    halves = [path for path in paths if is_film(path[-1]) and _stem(path) in photos]
    left_out = [
        SkippedFile(
            file="/".join(path),
            reason=f"{shown_name(path[-1])} is the moving part of {shown_name(photos[_stem(path)])}.",
        )
        for path in halves
    ]
    gone = set(halves)
    return [path for path in paths if path not in gone], left_out


def _stem(path: Steps) -> Steps:
    """A path without its ending, in one case."""
    return (*path[:-1], path[-1].rpartition(".")[0].casefold())


def _unwrap(images: Sequence[Steps], depth: int) -> int:
    """Go down while a single folder merely wraps the rest; returns the depth of what it wraps."""
    while True:
        folders = {path[depth] for path in images if len(path) > depth + 1}
        inner = {path[depth + 1] for path in images if len(path) > depth + 2}
        loose = any(len(path) <= depth + 2 for path in images)
        if len(folders) != 1 or not inner or (loose and len(inner) == 1):
            return depth
        depth += 1


def _part_folders(images: Sequence[Steps], depth: int) -> dict[str, Part]:
    """The folders at this depth that are parts (train, test, ...) and not classes."""
    subfolders: dict[str, set[str]] = defaultdict(set)
    for path in images:
        subfolders[path[depth]] |= set(path[depth + 1 : -1][:1])
    parts = {top: PART_NAMES[top.casefold()] for top in subfolders if top.casefold() in PART_NAMES}
    holding = {top: part for top, part in parts.items() if subfolders[top]}
    others = len(subfolders) - len(parts)
    trains = [top for top, part in holding.items() if part == "train"]
    if len(holding) >= 2 or (holding and others == 0):
        return parts
    if others <= 1 and any(len(subfolders[top]) >= 2 for top in trains):
        return parts  # train/ next to one folder of loose images
    return {}


def _classes_hold_parts(images: Sequence[Steps], depth: int) -> bool:
    return bool(images) and all(
        len(path) > depth + 2 and path[depth + 1].casefold() in PART_NAMES for path in images
    )


def _why_outside(path: Steps, parts: dict[str, Part], top: str | None) -> str:
    name = shown_name(path[-1])
    if not is_image_name(path[-1]):
        return f"{name} is not a picture."
    if parts and top is not None and top not in parts:
        return f"{name} is in {shown_name(top)}, next to the {' and '.join(sorted(parts))} folders."
    return f"{name} is not in a class folder."


def _spellings(folders: Sequence[str]) -> tuple[dict[str, str], tuple[Finding, ...]]:
    """One spelling for each class: the one with most files; and a word about merged ones."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for folder in folders:
        counted[class_key(folder)][class_name(folder)] += 1
    chosen: dict[str, str] = {}
    findings: list[Finding] = []
    for key, names in sorted(counted.items()):
        chosen[key] = min(names, key=lambda name: (-names[name], name))
        if len(names) > 1:
            listed = " and ".join(f'"{name}"' for name in sorted(names))
            findings.append(
                Finding(
                    code="merged-classes",
                    sentence=f'{listed} are the same class; they were put together as "{chosen[key]}".',
                )
            )
    return chosen, tuple(findings)
