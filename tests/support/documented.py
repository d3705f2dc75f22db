"""Tables of the guides, whose examples tests run."""

from __future__ import annotations

from tests.support.repository import ROOT


def table(guide: str, first: str) -> list[list[str]]:
    """The rows of the table in docs/ whose first column has this title, without the marks of code."""
    text = (ROOT / "docs" / guide).read_text(encoding="utf-8")
    lines = text[text.index(f"\n| {first} |") + 1 :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line[1:-1].split("|")] for line in lines]
