"""Tables and JSON on the console. Values from files are shown as plain text: nothing in them is obeyed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sluice.contract.errors import ConfigError

LONGEST, ELLIPSIS = 60, "\N{HORIZONTAL ELLIPSIS}"  # of a query's value, in columns of the screen
PIPE_WIDTH = 140  # columns where there is no terminal to ask: names stay whole
out = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True)


def print_table(
    title: str,
    rows: Sequence[Mapping[str, str]],
    *,
    right: Iterable[str] = (),
    names: Sequence[str] | None = None,
    wrap: bool = True,
) -> None:
    """A table; its columns are `names`, or all that occur. Columns in `right` are set to the right."""
    columns = list(names or dict.fromkeys(key for row in rows for key in row))
    table = Table(title=title or None, title_justify="left")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold", no_wrap=not wrap)
    for row in rows:
        table.add_row(*(plain(str(row.get(name, ""))) for name in columns))
    out.print(table)


def print_rows(names: Sequence[str], rows: Sequence[Sequence[str]], full: bool = False) -> None:
    """A query's rows: a table, or one value a line where the table is wider than the screen. No value is broken.

    Args:
        full: print long values whole; else they end in an ellipsis.
    """
    lines = [[" \N{DOWNWARDS ARROW WITH CORNER LEFTWARDS} ".join(value.splitlines()) for value in row] for row in rows]
    cut = lines if full else [[_cut(value, LONGEST) for value in row] for row in lines]
    widths = [max(map(cell_len, column)) for column in zip(names, *cut, strict=True)]
    if sum(widths) + 3 * len(widths) + 1 <= out.width:
        print_table("", [dict(zip(names, row, strict=True)) for row in cut], names=names, wrap=False)
        return
    widest = max(map(cell_len, names))
    for number_of_row, row in enumerate(lines, start=1):
        out.print(f"row {number_of_row}", style="bold", highlight=False)
        for name, value in zip(names, row, strict=True):
            shown = value if full else _cut(value, max(out.width - widest - 4, LONGEST))
            name = f"{plain(name)}{' ' * (widest - cell_len(name))}"
            out.print(f"  {name}  {plain(shown)}", highlight=False, soft_wrap=True)


def _cut(value: str, width: int) -> str:
    return value if cell_len(value) <= width else set_cell_size(value, width - 1).rstrip() + ELLIPSIS


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
    """One JSON document on standard output; times in ISO 8601."""
    sys.stdout.write(json.dumps(document, indent=2, default=_as_json) + "\n")


def _as_json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def one_form(markdown: bool, as_json: bool) -> None:
    """Raise ConfigError where both forms are asked for: a program would read the one as the other."""
    if markdown and as_json:
        raise ConfigError("--markdown and --json are two forms of the same: choose one")
