"""Draw a horizontal bar chart as SVG text. Pure: takes labels and numbers, returns the picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, BAR, GAP, LABELS, MARGIN = 760, 26, 12, 250, 14  # px
FONT = "font-family='system-ui, sans-serif' font-size='13'"


def bars(title: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """The chart of (label, value, what stands beside the bar). The first row, our own, is drawn in colour."""
    top = 44
    height = top + len(rows) * (BAR + GAP) + MARGIN
    room = WIDTH - LABELS - 200  # the text beside the longest bar needs the rest
    longest = max(value for _, value, _ in rows)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' "
        f"viewBox='0 0 {WIDTH} {height}' role='img'>",
        f"<title>{escape(title)}</title>",
        f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>",
        f"<text x='{MARGIN}' y='26' {FONT} font-weight='600' fill='#1f2933'>{escape(title)}</text>",
    ]
    for index, (label, value, note) in enumerate(rows):
        y = top + index * (BAR + GAP)
        length = max(2.0, value / longest * room)
        colour = "#0f766e" if index == 0 else "#9aa5b1"
        text = f"y='{y + BAR * 0.68:.0f}' {FONT} fill='#1f2933'"
        parts += [
            f"<text x='{LABELS - 10}' text-anchor='end' {text}>{escape(label)}</text>",
            f"<rect x='{LABELS}' y='{y}' width='{length:.1f}' height='{BAR}' rx='3' fill='{colour}'/>",
            f"<text x='{LABELS + length + 8:.0f}' {text}>{escape(note)}</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])
