"""The pictures of a project: a bar and thumbnails per class, and what was checked, in words."""

from __future__ import annotations

from headswap.data.manifest import Finding, Manifest, Picture
from headswap.ui.icons import icon, plate, term
from headswap.ui.words import count, in_words, safe

SHOWN = 9  # thumbnails of a class; the tenth place says how many more
MOST_LEFT_OUT = 12  # files named before the list folds


def shown_pictures(manifest: Manifest) -> tuple[Picture, ...]:
    """The pictures whose thumbnails `class_rows` needs."""
    return tuple(picture for name in manifest.classes for picture in _of(manifest, name)[:SHOWN])


def class_rows(manifest: Manifest, thumbnails: dict[str, str]) -> str:
    """Draw every class; `thumbnails` maps sha256 to a data: URI."""
    exam = len(manifest.part("test"))
    rows = "".join(_row(manifest, name, thumbnails) for name in manifest.classes)
    title = f"{count(len(manifest.pictures), 'picture')} in {in_words(len(manifest.classes))} classes"
    return (
        f'<div class="hs-row between hs-head"><h2>{title}</h2><span class="hs-row keys">'
        f'<span class="key"><i class="kp"></i>{len(manifest.pictures) - exam} practice '
        f"{term('practice', 'training set')}</span>"
        f'<span class="key"><i class="ke"></i>{exam} locked away for the exam '
        f"{term('exam', 'test set')}</span>"
        f'</span></div><div class="hs-panel klasses">{rows}</div>'
    )


def _of(manifest: Manifest, name: str) -> tuple[Picture, ...]:
    return tuple(picture for picture in manifest.pictures if picture.class_name == name)


def _row(manifest: Manifest, name: str, thumbnails: dict[str, str]) -> str:
    pictures = _of(manifest, name)
    exam = sum(picture.part == "test" for picture in pictures)
    most = max(manifest.counts.values())
    label = (
        f"{safe(name)}: {count(len(pictures), 'picture')}, {len(pictures) - exam} for practice, {exam} "
        "for the exam"
    )
    small = [plate(thumbnails[p.sha256], p.file) for p in pictures[:SHOWN] if p.sha256 in thumbnails]
    if len(pictures) > SHOWN:
        small.append(f'<span class="plate more">+ {len(pictures) - SHOWN}</span>')
    practice = (len(pictures) - exam) / max(1, len(pictures))
    parts = f'<i class="p" style="flex:{practice:.3f}"></i>'
    parts += f'<i class="e" style="flex:{1 - practice:.3f}"></i>' if exam else ""
    return (
        f'<div class="klass"><h3 title="{safe(name)}">{safe(name)}</h3><div class="mid">'
        f'<div class="split" role="img" aria-label="{label}" '
        f'style="width:{100 * len(pictures) / most:.1f}%">{parts}</div>'
        f'<div class="thumbs">{"".join(small)}</div></div><span class="tally hs-num">'
        f"{len(pictures)}</span></div>"
    )


def checks(manifest: Manifest, thumbnails: dict[str, str]) -> str:
    """What was checked: good news first, then each finding, then the files left out with their reasons."""
    items = [_good_news(manifest)] if not manifest.findings else []
    items += [_finding(manifest, finding, thumbnails) for finding in manifest.findings]
    items += [_left_out(manifest)] if manifest.left_out else []
    return f'<div class="hs-panel"><h2>What was checked</h2><ul class="checks">{"".join(items)}</ul></div>'


def pair_pictures(manifest: Manifest) -> tuple[Picture, ...]:
    """The pictures shown beside the findings: two each."""
    by_file = {picture.file: picture for picture in manifest.pictures}
    return tuple(by_file[f] for finding in manifest.findings for f in finding.files[:2] if f in by_file)


def _good_news(manifest: Manifest) -> str:
    fewest = min(manifest.counts.values())
    return (
        f'<li>{icon("good", "good")}<div><b>Nothing to mend.</b> <span class="hs-soft">At least '
        f"{count(fewest, 'picture')} in every class, and every file could be read.</span></div></li>"
    )


def _finding(manifest: Manifest, finding: Finding, thumbnails: dict[str, str]) -> str:
    by_file = {picture.file: picture for picture in manifest.pictures}
    seen = [by_file[file] for file in finding.files[:2] if file in by_file]
    pair = "".join(plate(thumbnails[p.sha256], p.file) for p in seen if p.sha256 in thumbnails)
    first, _, rest = finding.sentence.partition(". ")
    first += "." if rest else ""
    tone, mark = ("", "info") if finding.code in ("given-parts", "wrapper") else ("warn", "warn")
    return (
        f'<li>{icon(mark, tone)}<div><b>{safe(first)}</b> <span class="hs-soft">{safe(rest)}</span></div>'
        f"{f'<span class=pair>{pair}</span>' if pair else ''}</li>"
    )


def _left_out(manifest: Manifest) -> str:
    lines = [f"<li><bdi>{safe(left.file)}</bdi>: {safe(left.reason)}</li>" for left in manifest.left_out]
    first, more = "".join(lines[:MOST_LEFT_OUT]), lines[MOST_LEFT_OUT:]
    folded = f"<details><summary>{len(more)} more</summary><ul>{''.join(more)}</ul></details>" if more else ""
    were = "was" if len(lines) == 1 else "were"
    return (
        f"<li>{icon('info')}<div><b>{count(len(lines), 'file')} {were} left out.</b> "
        f'<div class="left-out hs-soft"><ul>{first}</ul>{folded}</div></div></li>'
    )
