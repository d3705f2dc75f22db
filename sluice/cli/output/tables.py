"""Tables and JSON on the console. Values from files are shown as plain text: nothing in them is obeyed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

PIPE_WIDTH = 140  # columns where there is no terminal to ask: names stay whole
out = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True)


def print_table(
    title: str, rows: Sequence[Mapping[str, str]], *, right: Iterable[str] = (), names: Sequence[str] | None = None
) -> None:
    """A table; its columns are `names`, or all that occur. Columns in `right` are set to the right."""
    columns = list(names or dict.fromkeys(key for row in rows for key in row))
    table = Table(title=title or None, title_justify="left")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(plain(str(row.get(name, ""))) for name in columns))
    out.print(table)


def print_rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A query's rows: a table, or one line a value where the names alone are wider than the screen."""
    if sum(len(name) + 3 for name in names) < out.width:
        print_table("", [dict(zip(names, row, strict=True)) for row in rows], names=names)
        return
    widest = max(map(len, names))
    for number_of_row, row in enumerate(rows, start=1):
        out.print(f"row {number_of_row}", style="bold", highlight=False)
        for name, value in zip(names, row, strict=True):
            out.print(f"  {plain(name):{widest}}  {plain(value)}", highlight=False, soft_wrap=True)


def plain(text: str) -> str:
    """A value from a file, with nothing in it that a terminal or rich would obey."""
    return escape("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text))


def text(value: object) -> str:
    """A value of a cell; null is empty."""
    return "" if value is None else str(value)


def number(value: int | None) -> str:
    """A count with thousands parted."""
    return "" if value is None else f"{value:,}"


def print_json(document: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
