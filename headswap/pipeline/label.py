"""Label with help outside of the page: a table of images that no one has sorted, with what to label next.

Flow:  folder or zip + answers so far --label--> LabelTable --csv--> a table that a person fills in, and so on

The column "label" is the person's; the others help. Next to its images the table is read by `train` as it is.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from csv import DictReader, Error, writer
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.data.manifest import Manifest, SkippedFile
from headswap.errors import BadSetting
from headswap.events import Listener, silent
from headswap.pipeline.many import plain_cell, table_cell
from headswap.storage.files import write_text
from headswap.storage.locations import folder_of_copies, writable
from headswap.zoos.catalogue import DEFAULT_MODEL

if TYPE_CHECKING:
    from torch import Tensor

    from headswap.training.config import HeadKind
    from headswap.training.label_advice import LabelAdvice

_COLUMNS = ("file", "label", "ask", "suggested", "sure", "group")


@dataclass(frozen=True, kw_only=True)
class LabelRow:
    """One image of the table."""

    file: str  # as it lies in the folder or zip
    label: str = ""  # what a person has said it is; empty: no one has said
    ask: int | None = None  # its number among those to label next, from 1; None: others help more
    suggested: str = ""  # what a head solved on the answers says; empty before two classes have names
    sure: float | None = None  # how sure that head is, in [0, 1]; not calibrated
    group: int | None = None  # images of one number look alike; None: it stands alone, or has a label


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """What has a label, and what should get one next."""

    rows: tuple[LabelRow, ...]  # those to label next, then by group, then those that have a label
    left_out: tuple[SkippedFile, ...]  # what could not be read

    @property
    def labelled(self) -> int:
        """How many images have a label."""
        return sum(bool(row.label) for row in self.rows)

    @property
    def csv(self) -> str:
        """The table as text, for any spreadsheet."""
        text = io.StringIO()
        table = writer(text, lineterminator="\n")
        table.writerow(_COLUMNS)
        for row in self.rows:
            sure = "" if row.sure is None else f"{row.sure:.2f}"
            table.writerow(
                [
                    table_cell(row.file), table_cell(row.label), row.ask or "", table_cell(row.suggested),
                    sure, row.group or "",
                ]
            )  # fmt: skip
        return text.getvalue()


def label(
    data: str | Path,
    *,
    csv: str | Path | None = None,
    labels: str | Path | Mapping[str, str] | None = None,
    model: str = DEFAULT_MODEL,
    workspace: str | Path | None = None,
    listener: Listener = silent,
) -> LabelTable:
    """Group unsorted images by similarity, and say which of them to label next.

    Call it again with the answers: what is known is not looked at again, the head is solved on all answers,
    and the next most telling images are chosen.

    Args:
        data: a folder or zip; folders inside mean nothing.
        csv: the table to write; fill in its column label and call again: what is in it is kept. None: none.
        labels: what is known already: file -> label, or a table with the columns "file" and "label". None:
            what `csv` says, if it is there.
        model: the network whose backbone sees them.
        workspace: where features are kept between calls; None: the system's cache folder.
        listener: hears how far it is; may raise `Cancelled`.

    Raises:
        BadSetting: the answers cannot be read, or name an image that is not there.
        BadUpload: there is no image.
    """
    from headswap.training.labelling import advise, cluster_tree

    folder, target = folder_of_copies(workspace), writable(csv, "table")
    answers = labels or (target if target and target.is_file() else None)
    known = dict(answers) if isinstance(answers, Mapping) else _read(Path(answers)) if answers else {}
    manifest, features, head = _features(Path(data), model, folder, listener)
    names, numbers = _numbered(manifest, known)
    advice = advise(features, cluster_tree(features), numbers, head=head)
    own = {Path(one).resolve() for one in (target, answers) if isinstance(one, str | Path)}
    table = LabelTable(
        rows=_rows(manifest, names, numbers, advice, _suggestions(features, names, numbers, head)),
        left_out=tuple(left for left in manifest.left_out if Path(data, left.file).resolve() not in own),
    )
    if target:
        write_text(target, table.csv)
    return table


def _read(path: Path) -> dict[str, str]:
    """What a table says: file -> label, without those that have none."""
    try:
        rows = list(DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, Error) as error:
        raise BadSetting(
            f"The answers {path} cannot be read.",
            remedy="Give the table that `headswap label` wrote, as CSV.",
        ) from error
    if rows and not {"file", "label"} <= set(rows[0]):
        raise BadSetting(
            f"{path.name} has no columns “file” and “label”.",
            remedy="Save the table of `headswap label` as CSV, with commas.",
        )
    return {plain_cell(row["file"] or ""): plain_cell(row["label"] or "").strip() for row in rows}


def _numbered(manifest: Manifest, known: Mapping[str, str]) -> tuple[tuple[str, ...], Tensor]:
    """The names in their order, and (N,) int64 which of them each image has; -1: none."""
    import torch

    from headswap.data.edit import valid_name
    from headswap.data.layout import class_key

    files = {image.file for image in manifest.images}
    skipped = {left.file for left in manifest.left_out}
    strange = [file for file, name in known.items() if name and file not in files | skipped]
    if strange:
        raise BadSetting(
            f"The answers name {strange[0]}, which is not among these images.",
            remedy="Give the folder that the table was made for, or take that row out.",
        )
    spelled: dict[str, str] = {}
    for name in known.values():
        if name:
            spelled.setdefault(class_key(name), valid_name(name))
    keys = list(spelled)
    said = [known.get(image.file, "") for image in manifest.images]
    return tuple(spelled.values()), torch.tensor([keys.index(class_key(one)) if one else -1 for one in said])


def _features(
    data: Path, model: str, workspace: Path, listener: Listener
) -> tuple[Manifest, Tensor, HeadKind]:
    from headswap.data.ingest import ingest
    from headswap.data.upload import store_for
    from headswap.features.autotune import extractor_for
    from headswap.features.bank import fill_bank
    from headswap.heads.detect import locate_head
    from headswap.pipeline.labelling import head_choice_for
    from headswap.training.head_choice import source_of
    from headswap.training.task import stored_from
    from headswap.zoos.catalogue import load_network

    manifest = ingest(data, store=store_for(data, workspace), min_classes=0, listener=listener).manifest
    network = load_network(model)
    images, folder = manifest.images, workspace / "features"
    source = source_of(network, locate_head(network), head_choice_for(len(images)), len(images))
    extractor = extractor_for(source.network, source.site, folder, None)
    bank = fill_bank(
        extractor,
        [image.sha256 for image in images],
        stored_from(manifest, network),
        folder=folder,
        listener=listener,
    )
    return manifest, bank.features, "wide" if source.is_wide else "last"


def _suggestions(
    features: Tensor, names: tuple[str, ...], numbers: Tensor, kind: HeadKind
) -> dict[int, tuple[str, float]]:
    """Row -> what a head solved on the answers says of it, and how sure it is."""
    from headswap.training.labelling import solved
    from headswap.training.linear.labeled_features import LabeledFeatures

    if len(names) < 2 or not bool((numbers < 0).any()):
        return {}
    known = numbers >= 0
    head = solved(LabeledFeatures(features[known], numbers[known], len(names)), kind)
    shares = (features @ head.weight.T + head.bias).softmax(dim=1)
    return {
        row: (names[int(shares[row].argmax())], float(shares[row].max()))
        for row in (~known).nonzero().flatten().tolist()
    }


def _rows(
    manifest: Manifest,
    names: tuple[str, ...],
    numbers: Tensor,
    advice: LabelAdvice,
    suggestions: Mapping[int, tuple[str, float]],
) -> tuple[LabelRow, ...]:
    asked = {row: number for number, row in enumerate(advice.questions, start=1)}
    groups = {row: number for number, one in enumerate(advice.groups, start=1) for row in one.rows}
    rows = []
    for number, image in enumerate(manifest.images):
        suggested, sure = suggestions.get(number, ("", None))
        chosen = int(numbers[number])
        rows.append(
            LabelRow(
                file=image.file, label=names[chosen] if chosen >= 0 else "", ask=asked.get(number),
                suggested=suggested, sure=sure, group=groups.get(number),
            )
        )  # fmt: skip
    last = len(rows) + 1
    return tuple(
        sorted(rows, key=lambda row: (bool(row.label), row.ask or last, row.group or last, row.file))
    )
