"""The two drawings of the head view: wide for a desk, tall for a phone; the style sheet shows one.

What is drawn is what the network has: its own stages, grouped when there are many.

Elements only: no gradio, no service.
"""

from __future__ import annotations

from itertools import pairwise

import htpy as h

from headswap.app.ui.widgets.svg import Lettering, barcode, box, landscape, line_of_text, names_down
from headswap.app.ui.widgets.text import enumerate_names, number, short
from headswap.counted import counted
from headswap.pipeline.inspect import BackboneBlock, Inspection

MOST_STAGES = 8
SHORT = 11  # letters of an old name that has room next to "... 1,000 names"
TITLE_MIDDLE = Lettering(size=15, weight=600, anchor="middle")
NEW_TITLE = Lettering(size=15, weight=600, tone="acc")
OLD_TITLE = Lettering(size=15, weight=600, tone="mut")
ASIDE, ASIDE_MIDDLE = Lettering(tone="mut"), Lettering(tone="mut", anchor="middle")
LARGE, LARGE_ASIDE = Lettering(size=14), Lettering(size=14, tone="mut")  # where the drawing is shown small
SPREAD = (0.281, 0.011, 0.779)  # positions in the list of old names: of 1000, a cat, a bird and a bus


def numbers_to_learn(inspection: Inspection, num_classes: int) -> int:
    """Weights and biases of the new head: every head the network uses gets one."""
    return sum((width + 1) * num_classes for width in inspection.site.in_features)


def old_names(inspection: Inspection) -> tuple[str, ...]:
    """Three short names of the old head, far apart; none where the library does not state them."""
    names = [name.split(",")[0] for name in inspection.class_names]
    found: list[str] = []
    for position in (int(share * len(names)) for share in SPREAD):
        near = sorted(range(len(names)), key=lambda i: (len(names[i]) > SHORT, abs(i - position)))
        found += [names[i] for i in near if names[i] not in found][:1]
    return tuple(found)


def wide_drawing(inspection: Inspection, classes: tuple[str, ...], image: str) -> h.Renderable:
    """From left to right."""
    spec = inspection.card.input
    width = inspection.site.in_features[0]
    return h.svg(".wide", viewBox="0 0 728 372", role="img", aria_label=_alt(inspection, classes))[
        landscape(1, 147, 78, image),
        line_of_text(40, 246, f"{spec.width} × {spec.height}", ASIDE_MIDDLE),
        _arrow(84),
        _backbone_wide(inspection.stages),
        h.path(d="M114 290v8H332v-8", fill="none", stroke="var(--hs-ink-3)", stroke_width="1.2"),
        line_of_text(223, 324, "Body · kept and frozen", TITLE_MIDDLE),
        line_of_text(223, 345, f"{number(inspection.backbone_parameters)} numbers stay", ASIDE_MIDDLE),
        _arrow(338),
        barcode(366, 76, lines=46, pitch=4.9, upright=False),
        line_of_text(377, 324, str(width), TITLE_MIDDLE),
        line_of_text(377, 345, "features", ASIDE_MIDDLE),
        _old_head_wide(inspection),
        _new_head_wide(inspection, classes),
    ]


def _arrow(x: int) -> h.Renderable:
    return h.path(d=f"M{x} 186h20m-6-5 6 5-6 5", fill="none", stroke="var(--hs-ink-3)", stroke_width="1.6")


def _thread(path: str) -> h.Renderable:
    """One line from the features to the new head; it grows in."""
    return h.path(".grow-line", pathLength=1, d=path)


def _new_head_wide(inspection: Inspection, classes: tuple[str, ...]) -> h.Node:
    heights, names = names_down(classes, 530, 222, 312)
    threads = [
        _thread(f"M393 {y}C436 {y} 484 {to:.1f} 522 {to:.1f}") for y in range(172, 300, 15) for to in heights
    ]
    learned = f"{number(numbers_to_learn(inspection, len(classes)))} numbers"
    footer = f"{inspection.site.in_features[0]} → {len(classes)} · {learned}"
    return (
        box(506, 158, 220, 210, new=True),
        h.g(".threads")[threads],
        line_of_text(524, 186, "New head · growing in" if classes else "New head", NEW_TITLE),
        names,
        line_of_text(524, 350, footer if classes else "as many as your pictures have"),
    )


def tall_drawing(inspection: Inspection, classes: tuple[str, ...], image: str) -> h.Renderable:
    """From top to bottom."""
    spec = inspection.card.input
    title = Lettering(size=16, weight=600, anchor="middle")
    aside = Lettering(size=14, tone="mut", anchor="middle")
    return h.svg(".tall", viewBox="0 0 320 618", role="img", aria_label=_alt(inspection, classes))[
        landscape(122, 1, 76, image),
        line_of_text(210, 44, f"{spec.width} × {spec.height}", LARGE_ASIDE),
        _backbone_tall(inspection.stages),
        line_of_text(160, 256, "Body · kept and frozen", title),
        line_of_text(160, 276, f"{number(inspection.backbone_parameters)} numbers stay", aside),
        barcode(318, 30, lines=52, pitch=5.1, upright=True),
        line_of_text(76, 344, f"{inspection.site.in_features[0]} features", LARGE_ASIDE),
        _old_head_tall(inspection),
        _new_head_tall(inspection, classes),
    ]


def _new_head_tall(inspection: Inspection, classes: tuple[str, ...]) -> h.Node:
    _, names = names_down(classes, 173, 485, 565)
    threads = [
        _thread(f"M{x} 323C{x} 376 {to} 378 {to} 412") for x in range(192, 292, 13) for to in (212, 236, 260)
    ]
    return (
        box(153, 412, 166, 204, new=True),
        h.g(".threads")[threads],
        line_of_text(167, 438, "New head", NEW_TITLE),
        line_of_text(167, 457, "growing in" if classes else "waits for pictures", LARGE_ASIDE),
        names,
        line_of_text(167, 598, f"{inspection.site.in_features[0]} → {len(classes) or '…'}", LARGE),
    )


def _alt(inspection: Inspection, classes: tuple[str, ...]) -> str:
    new = f"a new head with {enumerate_names(classes)}" if classes else "a new head with your names"
    return (
        "A picture goes through the body, which is kept and frozen, and becomes "
        f"{inspection.site.in_features[0]} features. The old head with "
        f"{counted(inspection.site.num_classes, 'name')} is taken off; {new} takes its place."
    )


def _grouped(stages: tuple[BackboneBlock, ...]) -> list[list[BackboneBlock]]:
    """At most eight groups of neighbouring stages, in order."""
    shown = min(MOST_STAGES, len(stages))
    edges = [round(i * len(stages) / shown) for i in range(shown + 1)] if shown else []
    return [list(stages[a:b]) for a, b in pairwise(edges)]


def _stage(group: list[BackboneBlock], x: float, y: float, width: float, height: float) -> h.Renderable:
    names = group[0].path if len(group) == 1 else f"{group[0].path} to {group[-1].path}"
    frame = h.rect(".stage", x=f"{x:.1f}", y=f"{y:.1f}", width=f"{width:.1f}", height=f"{height:.1f}", rx=3)
    return frame[h.title[f"{names}: {number(sum(stage.parameters for stage in group))} numbers"]]


def _backbone_wide(stages: tuple[BackboneBlock, ...]) -> h.Node:
    groups = _grouped(stages)
    pitch = 218 / max(1, len(groups))
    drawn = []
    for i, group in enumerate(groups):
        part = i / max(1, len(groups) - 1)
        height, width = 188 - 118 * part**0.8, pitch - 5
        x = 114 + (pitch + 5 / len(groups)) * i
        drawn.append(_stage(group, x, 186 - height / 2, width, height))
    return drawn


def _backbone_tall(stages: tuple[BackboneBlock, ...]) -> h.Node:
    groups = _grouped(stages)
    pitch = 140 / max(1, len(groups))
    drawn = []
    for i, group in enumerate(groups):
        width = 270 - 164 * i / max(1, len(groups) - 1)
        drawn.append(_stage(group, 160 - width / 2, 92 + pitch * i, width, pitch - 4))
    return drawn


def _struck(inspection: Inspection, x: int, y: int, pitch: int, *, size: int, most: int) -> h.Node:
    """Three of the old names, struck out; strokes stand for them where the library does not state any."""
    names = old_names(inspection)
    if not names:
        lines = enumerate((62, 48, 70))
        return [h.path(".cut.word", d=f"M{x} {y + pitch * i - 4}h{width}") for i, width in lines]
    lettering = Lettering(size=size, tone="mut", struck=True)
    return [line_of_text(x, y + pitch * i, short(name, most), lettering) for i, name in enumerate(names)]


def _old_head_wide(inspection: Inspection) -> h.Node:
    site = inspection.site
    return (
        box(506, 4, 220, 132, new=False),
        line_of_text(524, 30, "Old head · taken off", OLD_TITLE),
        _struck(inspection, 524, 56, 20, size=13, most=24),
        line_of_text(708, 96, f"… {counted(site.num_classes, 'name')}", Lettering(tone="mut", anchor="end")),
        line_of_text(524, 122, f"{site.layers[0].kind} {site.in_features[0]} → {site.num_classes}", ASIDE),
        h.path(".cut", d="M394 150C424 140 462 82 504 72"),
        h.circle(cx=448, cy=112, r=13, fill="var(--hs-surface)", stroke="var(--hs-line-strong)"),
        h.path(d="m443 107 10 10m0-10-10 10", stroke="var(--hs-ink)", stroke_width=2, stroke_linecap="round"),
    )


def _old_head_tall(inspection: Inspection) -> h.Node:
    site = inspection.site
    return (
        h.path(".cut", d="M62 324V408"),
        h.circle(cx=62, cy=376, r=13, fill="var(--hs-surface)", stroke="var(--hs-line-strong)"),
        h.path(d="m57 371 10 10m0-10-10 10", stroke="var(--hs-ink)", stroke_width=2),
        box(1, 412, 138, 204, new=False),
        line_of_text(14, 438, "Old head", OLD_TITLE),
        line_of_text(14, 457, "taken off", LARGE_ASIDE),
        _struck(inspection, 14, 490, 24, size=14, most=15),
        line_of_text(14, 562, f"… {counted(site.num_classes, 'name')}", LARGE_ASIDE),
        line_of_text(14, 598, f"{site.in_features[0]} → {site.num_classes}", LARGE_ASIDE),
    )
