"""Practice against exam, pass by pass, as an inline SVG that survives dark mode and a screen reader.

Lines differ by more than colour: practice is dashed and ends in a ring, exam is solid
and ends in a square; both are named where they end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import htpy as h

from headswap.events import EpochEnd


@dataclass(frozen=True)
class ChartFrame:
    """Where the axes lie, in the units of one drawing."""

    width: int
    height: int
    left: int
    right: int
    bottom: int
    name: str

    def x(self, number: float, of: int) -> float:
        return self.left + (self.right - self.left) * number / max(1, of)

    def y(self, share: float) -> float:
        return self.bottom - (self.bottom - 12) * share


LINE = 17.0  # between two names, so that neither covers the other
FRAMES = (ChartFrame(728, 318, 52, 720, 284, "wide"), ChartFrame(320, 250, 50, 314, 216, "narrow"))


def chart(
    epochs: tuple[EpochEnd, ...],
    baseline: float | None = None,
    baseline_text: str = "",
    *,
    is_over: bool = False,
) -> h.Renderable:
    """Draw both lines; `baseline` is what always saying one class would get, a share.

    A solver that is there early takes no more passes: what is over fills the drawing.
    """
    if is_over and epochs:
        epochs = tuple(replace(one, of=epochs[-1].number) for one in epochs)
    return h.fragment[[_drawing(frame, epochs, baseline, baseline_text) for frame in FRAMES]]


def _epochs_text(epochs: tuple[EpochEnd, ...]) -> str:
    if not epochs:
        return "No pass is over yet."
    last = epochs[-1]
    return (
        f"After {last.number} of {last.of} passes {last.train_right} of {last.train_total} "
        "practice pictures "
        f"and {last.test_right} of {last.test_total} exam pictures are right."
    )


def _drawing(
    frame: ChartFrame, epochs: tuple[EpochEnd, ...], baseline: float | None, baseline_text: str
) -> h.Renderable:
    return h.svg(
        class_=["chart", frame.name],
        viewBox=f"0 0 {frame.width} {frame.height}",
        role="img",
        aria_label=_epochs_text(epochs),
    )[
        _grid(frame),
        _baseline(frame, epochs, baseline, baseline_text) if baseline is not None else None,
        _ticks(frame, epochs[-1].of if epochs else 30),
        _lines(frame, epochs) if epochs else None,
    ]


def _grid(frame: ChartFrame) -> h.Node:
    return [
        (
            h.path(".grid", d=f"M{frame.left} {frame.y(share):.1f}H{frame.right}"),
            h.text(x=frame.left - 10, y=f"{frame.y(share) + 4.5:.1f}", text_anchor="end")[label],
        )
        for share, label in ((0, "0"), (0.5, "50"), (1, "100 %"))
    ]


def _ticks(frame: ChartFrame, of: int) -> h.Node:
    epochs = (0, *sorted({round(of / 3), round(2 * of / 3), of} - {0}))  # few passes have few names
    return [
        h.text(
            x=f"{frame.x(epoch, of):.1f}",
            y=frame.bottom + 26,
            text_anchor="end" if epoch == of else "middle",
        )[f"pass {epoch}" if epoch == 0 else f"{epoch}"]
        for epoch in epochs
    ]


def _baseline(frame: ChartFrame, epochs: tuple[EpochEnd, ...], baseline: float, label: str) -> h.Node:
    at = frame.y(baseline)
    height = _free(frame, at - 8, _heights(frame, epochs) if epochs else ())
    return (
        h.path(".base", d=f"M{frame.left} {at:.1f}H{frame.right}"),
        h.text(x=frame.right, y=f"{height:.1f}", text_anchor="end")[label],
    )


def _free(frame: ChartFrame, wanted: float, taken: tuple[float, ...]) -> float:
    """The height nearest to the wanted one at which a name covers no other."""
    steps = sorted(range(-12, 13), key=lambda step: (abs(step), -step))
    heights = [wanted + LINE / 2 * step for step in steps]
    inside = [height for height in heights if LINE <= height <= frame.bottom - 4]
    free = (height for height in inside if all(abs(height - other) >= LINE for other in taken))
    return next(free, wanted)


def _heights(frame: ChartFrame, epochs: tuple[EpochEnd, ...]) -> tuple[float, float]:
    """Where the names of the practice and the exam line stand."""
    last = epochs[-1]
    py = frame.y(last.train_right / max(1, last.train_total))
    ey = frame.y(last.test_right / max(1, last.test_total))
    above, below = sorted((py, ey))
    if _is_late(frame, last):
        above, below = max(26.0, above + 26), max(above + 46, below + 24)
    elif below - above < 20:
        above, below = above - 2, above + 18
    first, second = (above, below) if py <= ey else (below, above)
    return first + 4, second + 4


def _is_late(frame: ChartFrame, last: EpochEnd) -> bool:
    """Whether there is no room to the right: the lines are named to the left."""
    return frame.x(last.number, last.of) > frame.left + 0.62 * (frame.right - frame.left)


def _lines(frame: ChartFrame, epochs: tuple[EpochEnd, ...]) -> h.Node:
    last = epochs[-1]
    train = [(frame.x(p.number, p.of), frame.y(p.train_right / max(1, p.train_total))) for p in epochs]
    test = [(frame.x(p.number, p.of), frame.y(p.test_right / max(1, p.test_total))) for p in epochs]
    (px, py), (ex, ey) = train[-1], test[-1]
    anchor, away = ("end", -12) if _is_late(frame, last) else ("start", 14)
    first, second = _heights(frame, epochs)
    return (
        h.polyline(".practice", points=_points(train)),
        h.polyline(".exam", points=_points(test)),
        h.circle(
            cx=f"{px:.1f}", cy=f"{py:.1f}", r=5, fill="var(--hs-surface)", stroke="var(--hs-ink-2)",
            stroke_width=2,
        ),
        h.rect(x=f"{ex - 5:.1f}", y=f"{ey - 5:.1f}", width=10, height=10, fill="var(--hs-accent)"),
        h.text(".lp", x=f"{px + away:.1f}", y=f"{first:.1f}", text_anchor=anchor)[
            f"practice {last.train_right} of {last.train_total}"
        ],
        h.text(".le", x=f"{ex + away:.1f}", y=f"{second:.1f}", text_anchor=anchor)[
            f"exam {last.test_right} of {last.test_total}"
        ],
    )  # fmt: skip


def _points(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
