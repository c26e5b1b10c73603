"""What was checked, in words, each with the button that corrects it; then the files left out, by name.

Flow:  Manifest with findings --checks--> a list; its buttons are edits (`edits.js` sends them)
"""

from __future__ import annotations

from functools import partial

import htpy as h

from headswap.app.ui.widgets.icons import icon, plate
from headswap.counted import counted
from headswap.data.manifest import Finding, ImageRecord, Manifest

MOST_LEFT_OUT = 12  # files named before the list folds
_NO_WARNING = ("given-parts", "wrapper", "merged-classes", "table", "multi-label")
_SHOWN_TOGETHER = ("two-classes", "two-labels", "near-duplicates", "duplicates", "leak")

ADVICE = h.fragment[
    h.h2["How many are enough?"],
    h.p(".hs-soft.reading")[
        "20 of each is plenty to start. Vary background and light, or it learns the table and not the mug."
    ],
    h.p(".hs-soft")[
        "The exam pictures are picked before any network runs, the same share of each class. Every network "
        "you try takes the same exam."
    ],
]
TRAIN_AND_TEST = h.p(".hs-soft")[
    "Folders called train, val and test are taken as they are: you practise on the first, and the exam is "
    "the last."
]
START_OVER = h.div(".hs-row")[h.button(".btn", type="button", data_edit="ask-start-over")["Start over"]]


def checks(manifest: Manifest, thumbnails: dict[str, str]) -> h.Renderable:
    """Good news first, then each finding, then the files left out with their reasons."""
    codes = {finding.code for finding in manifest.findings}
    found = [
        _finding(manifest, finding, thumbnails) for finding in manifest.findings if finding.code != "left-out"
    ]
    return h.div(".hs-panel")[
        h.h2["What was checked"],
        h.ul(".checks")[
            None if codes & {"few", "unbalanced"} else _enough(manifest),
            found,
            _left_out(manifest)
            if manifest.left_out
            else _good("Every file could be read.", "None was left out."),
        ],
    ]


def count_warnings(manifest: Manifest) -> int:
    """How many findings are more than a piece of news."""
    return sum(finding.code not in _NO_WARNING for finding in manifest.findings)


def enough(manifest: Manifest | None) -> h.Renderable:
    """Advice next to the checks; once there are pictures, the way to begin again."""
    aside = h.div(".stack.aside")
    if manifest is None:
        return aside[ADVICE]
    given = any(image.given_part for image in manifest.images)
    return aside[ADVICE, TRAIN_AND_TEST if given else None, START_OVER]


def pair_images(manifest: Manifest) -> tuple[ImageRecord, ...]:
    """The pictures shown next to the findings: two each."""
    by_file = {image.file: image for image in manifest.images}
    return tuple(by_file[f] for finding in manifest.findings for f in finding.files[:2] if f in by_file)


def _enough(manifest: Manifest) -> h.Renderable:
    fewest = min(manifest.counts.values())
    sentence = f"At least {fewest} in every class, none more than three times another."
    if len(manifest.classes) < 2:
        sentence = f"{fewest} in the first class. A second one makes it a choice."
    return _good("Enough of each.", sentence)


def _good(headline: str, sentence: str) -> h.Renderable:
    return h.li[icon("good", "good"), h.div[h.b[headline], " ", h.span(".hs-soft")[sentence]]]


def _finding(manifest: Manifest, finding: Finding, thumbnails: dict[str, str]) -> h.Renderable:
    by_file = {image.file: image for image in manifest.images}
    seen = [by_file[file] for file in finding.files[:2] if file in by_file]
    pair = [plate(thumbnails[p.sha256], p.file) for p in seen if p.sha256 in thumbnails]
    first, rest = _two_parts(finding.sentence)
    tone, mark = ("", "info") if finding.code in _NO_WARNING else ("warn", "warn")
    return h.li[
        icon(mark, tone),
        h.div[h.b[first], " ", h.span(".hs-soft")[rest], _fixes(manifest, finding)],
        h.span(".pair")[pair] if pair else None,
    ]


def _two_parts(sentence: str) -> tuple[str, str]:
    """The first sentence, or what stands before a colon or semicolon, is the headline."""
    at = min((at for mark in (". ", ": ", "; ") if (at := sentence.find(mark)) > 0), default=-1)
    if at < 0:
        return sentence, ""
    rest = sentence[at + 2 :]
    return f"{sentence[:at]}.", rest[:1].upper() + rest[1:]


def _fixes(manifest: Manifest, finding: Finding) -> h.Renderable | None:
    """The buttons that belong to a finding; some have none."""
    small = partial(h.button, ".btn.small", type="button")
    buttons = []
    if finding.spare:
        word = {"near-duplicates": "Keep one of each", "duplicates": "Leave the copies out"}.get(
            finding.code, f"Leave {'it' if len(finding.spare) == 1 else 'them'} out"
        )
        buttons.append(small(data_edit="mend", data_name=finding.code)[word])
    if finding.files and finding.code in _SHOWN_TOGETHER:
        buttons.append(small(data_edit="show", data_name=finding.code)["Show them"])
    short = () if manifest.is_multi_label else finding.classes[:3]  # labels come with a table
    buttons += [small(data_add=name)[icon("plus"), h.span[f"Add to {name}"]] for name in short]
    return h.span(".hs-row.fixes")[buttons] if buttons else None


def _left_out(manifest: Manifest) -> h.Renderable:
    lines = [h.li[h.bdi[left.file], ": ", left.reason] for left in manifest.left_out]
    first, more = lines[:MOST_LEFT_OUT], lines[MOST_LEFT_OUT:]
    were = "was" if len(lines) == 1 else "were"
    return h.li[
        icon("info"),
        h.div[
            h.b[f"{counted(len(lines), 'file')} {were} left out."],
            " ",
            h.div(".left-out.hs-soft")[
                h.ul[first], h.details[h.summary[f"{len(more)} more"], h.ul[more]] if more else None
            ],
        ],
    ]
