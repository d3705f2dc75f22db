"""Small plots as inline SVG, without text: what they show stands in their title and description. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sluice.contract.formatting import percent

NOTHING = Markup('<span class="quiet">\N{EN DASH}</span>')  # in place of an empty plot
LEAST_SHARE = 0.01  # at full height, so that a few bad rows do not look like a flood
SLOTS = 30  # a plot has room for as many batches, so that plots below each other have one time axis


@dataclass(frozen=True, slots=True)
class Point:
    """One batch in a plot.

    Attributes:
        part: of the value, drawn separately: the rejected rows.
        state: `published`, `held`, ...; what is not published is drawn hollow.
    """

    label: str
    value: float
    part: float = 0
    state: str = "published"


def rows(points: Sequence[Point], what: str, width: int = 150, height: int = 30, slots: int = SLOTS) -> Markup:
    """Bars of rows, oldest first, the rejected part on top."""
    if not points:
        return NOTHING
    points = points[-slots:]
    most = max(point.value for point in points) or 1
    step, bars = width / slots, []
    for slot, point in enumerate(points, slots - len(points)):
        tall = max(point.value / most * (height - 1), 1)
        part = min(max(point.part / most * (height - 1), 1.5), tall) if point.part else 0
        tip = f"{point.label}: {point.value:,.0f} rows, {point.part:,.0f} rejected, {point.state}"
        solid = "bar" if point.state == "published" else "bar hollow"
        bars.append(
            Markup("<g><title>{}</title>{}{}</g>").format(
                tip,
                _bar(slot, step, height - tall + part, tall - part, solid),
                _bar(slot, step, height - tall, part, "part"),
            )
        )
    return _svg(bars, _described(what, points, lambda p: f"{p.value:,.0f}"), width, height)


def shares(points: Sequence[Point], what: str, limit: float | None, width: int = 150, height: int = 30) -> Markup:
    """Bars of shares (0 to 1), oldest first, with a dashed line where the gate closes."""
    if not points:
        return NOTHING
    points = points[-SLOTS:]
    most = max([LEAST_SHARE, limit or 0, *(point.value for point in points)]) * 1.15
    step, drawn = width / SLOTS, []
    for slot, point in enumerate(points, SLOTS - len(points)):
        tall = max(point.value / most * (height - 1), 1.5) if point.value else 0
        over = limit is not None and point.value > limit
        drawn.append(
            Markup("<g><title>{}: {}</title>{}</g>").format(
                point.label, percent(point.value), _bar(slot, step, height - tall, tall, "over" if over else "part")
            )
        )
    drawn.append(Markup('<path class="base" d="M0 {y}H{w}"/>').format(y=height - 0.5, w=width))
    if limit is not None:
        y = round(height - limit / most * (height - 1), 1)
        drawn.append(Markup('<path class="limit" d="M0 {y}H{w}"/>').format(y=y, w=width))
    text = _described(what, points, lambda p: percent(p.value))
    return _svg(drawn, f"{text} Tolerance: {percent(limit)}." if limit is not None else text, width, height)


def _bar(slot: int, step: float, y: float, tall: float, kind: str) -> Markup:
    if tall <= 0:
        return Markup("")
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        kind, round(slot * step + step * 0.1, 1), round(y, 1), round(step * 0.8, 1), round(tall, 1)
    )


def _described(what: str, points: Sequence[Point], shown: Callable[[Point], str]) -> str:
    low, high = min(points, key=lambda p: p.value), max(points, key=lambda p: p.value)
    last = points[-1]
    text = f"{what}, {len(points)} from {points[0].label} to {last.label}. Last: {shown(last)}."
    return text if low.value == high.value else f"{text} Least: {shown(low)}. Most: {shown(high)}."


def _svg(parts: Sequence[Markup], text: str, width: int, height: int) -> Markup:
    drawn = Markup('<svg class="plot" role="img" aria-label="{}" viewBox="0 0 {} {}" {}>{}</svg>')
    stretched = Markup('preserveAspectRatio="none"')
    return drawn.format(text, width, height, stretched, Markup("").join(parts))
