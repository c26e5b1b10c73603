"""What was checked, in words, each with the button that mends it; then the files left out, by name.

Flow:  Manifest with findings --checks--> a list; its buttons are deeds (`deeds.js` sends them)
"""

from __future__ import annotations

from headswap.app.ui.widgets.icons import icon, plate
from headswap.app.ui.widgets.text import count, safe
from headswap.data.manifest import Finding, ImageRecord, Manifest

MOST_LEFT_OUT = 12  # files named before the list folds
_NO_WARNING = ("given-parts", "wrapper", "merged-classes")
_SHOWN_TOGETHER = ("two-classes", "two-labels", "near-duplicates", "duplicates", "leak")

ADVICE = (
    '<div class="stack aside"><h2>How many are enough?</h2><p class="hs-soft reading">20 of each is '
    "plenty to start. "
    'Vary background and light, or it learns the table and not the mug.</p><p class="hs-soft">The exam '
    "pictures "
    "are picked before any network runs, the same share of each class. Every network you try sits the "
    "same exam.</p>"
)
TRAIN_AND_TEST = (
    '<p class="hs-soft">Folders called train, val and test are taken as they are: you practise on the first, '
    "and the exam is the last.</p>"
)
START_OVER = (
    '<div class="hs-row"><button class="btn" type="button" data-deed="ask-start-over">Start over</button>'
    "</div>"
)


def checks(manifest: Manifest, thumbnails: dict[str, str]) -> str:
    """Good news first, then each finding, then the files left out with their reasons."""
    codes = {finding.code for finding in manifest.findings}
    items = [_enough(manifest)] if not codes & {"few", "unbalanced"} else []
    items += [
        _finding(manifest, finding, thumbnails) for finding in manifest.findings if finding.code != "left-out"
    ]
    items += (
        [_left_out(manifest)]
        if manifest.left_out
        else [_good("Every file could be read.", "None was left out.")]
    )
    return f'<div class="hs-panel"><h2>What was checked</h2><ul class="checks">{"".join(items)}</ul></div>'


def worth_a_look(manifest: Manifest) -> int:
    """How many findings are more than a piece of news."""
    return sum(finding.code not in _NO_WARNING for finding in manifest.findings)


def enough(manifest: Manifest | None) -> str:
    """Advice beside the checks; once there are pictures, the way to begin again."""
    if manifest is None:
        return f"{ADVICE}</div>"
    given = TRAIN_AND_TEST if any(picture.given_part for picture in manifest.pictures) else ""
    return f"{ADVICE}{given}{START_OVER}</div>"


def pair_pictures(manifest: Manifest) -> tuple[ImageRecord, ...]:
    """The pictures shown beside the findings: two each."""
    by_file = {picture.file: picture for picture in manifest.pictures}
    return tuple(by_file[f] for finding in manifest.findings for f in finding.files[:2] if f in by_file)


def _enough(manifest: Manifest) -> str:
    fewest = min(manifest.counts.values())
    words = f"At least {fewest} in every class, none more than three times another."
    if len(manifest.classes) < 2:
        words = f"{fewest} in the first class. A second one makes it a choice."
    return _good("Enough of each.", words)


def _good(headline: str, words: str) -> str:
    return f'<li>{icon("good", "good")}<div><b>{headline}</b> <span class="hs-soft">{words}</span></div></li>'


def _finding(manifest: Manifest, finding: Finding, thumbnails: dict[str, str]) -> str:
    by_file = {picture.file: picture for picture in manifest.pictures}
    seen = [by_file[file] for file in finding.files[:2] if file in by_file]
    pair = "".join(plate(thumbnails[p.sha256], p.file) for p in seen if p.sha256 in thumbnails)
    first, rest = _two_parts(finding.sentence)
    tone, mark = ("", "info") if finding.code in _NO_WARNING else ("warn", "warn")
    return (
        f'<li>{icon(mark, tone)}<div><b>{safe(first)}</b> <span class="hs-soft">{safe(rest)}</span>'
        f"{_fixes(finding)}</div>{f'<span class=pair>{pair}</span>' if pair else ''}</li>"
    )


def _two_parts(sentence: str) -> tuple[str, str]:
    """The first sentence, or what stands before a colon or semicolon, is the headline."""
    at = min((at for mark in (". ", ": ", "; ") if (at := sentence.find(mark)) > 0), default=-1)
    if at < 0:
        return sentence, ""
    rest = sentence[at + 2 :]
    return f"{sentence[:at]}.", rest[:1].upper() + rest[1:]


def _fixes(finding: Finding) -> str:
    """The buttons that belong to a finding; some have none."""
    buttons = []
    if finding.spare:
        word = {"near-duplicates": "Keep one of each", "duplicates": "Leave the copies out"}.get(
            finding.code, f"Leave {'it' if len(finding.spare) == 1 else 'them'} out"
        )
        buttons.append(f'data-deed="mend" data-name="{safe(finding.code)}">{word}')
    if finding.files and finding.code in _SHOWN_TOGETHER:
        buttons.append(f'data-deed="show" data-name="{safe(finding.code)}">Show them')
    buttons += [
        f'data-add="{safe(name)}">{icon("plus")}<span>Add to {safe(name)}</span>'
        for name in finding.classes[:3]
    ]
    made = "".join(f'<button class="btn small" type="button" {button}</button>' for button in buttons)
    return f'<span class="hs-row fixes">{made}</span>' if made else ""


def _left_out(manifest: Manifest) -> str:
    lines = [f"<li><bdi>{safe(left.file)}</bdi>: {safe(left.reason)}</li>" for left in manifest.left_out]
    first, more = "".join(lines[:MOST_LEFT_OUT]), lines[MOST_LEFT_OUT:]
    folded = f"<details><summary>{len(more)} more</summary><ul>{''.join(more)}</ul></details>" if more else ""
    were = "was" if len(lines) == 1 else "were"
    return (
        f"<li>{icon('info')}<div><b>{count(len(lines), 'file')} {were} left out.</b> "
        f'<div class="left-out hs-soft"><ul>{first}</ul>{folded}</div></div></li>'
    )
