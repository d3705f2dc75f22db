"""How the cells of a sheet are spelt, so that casts.py reads them as it reads text. Pure.

A sheet stores numbers as doubles and dates as numbers, so what a cell is depends on the column it is for: a date
is the day's midnight in a column of timestamps, and 0.30000000000000004 is 0.3 in a column of decimals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sluice.contract.columns import Column
from sluice.contract.contract import Files
from sluice.source.readers.rows import named_of_type

EXACT = 2**53  # whole numbers that a double holds, up to here


class Spelling:
    """How cells are spelt for the columns of a contract, or for a draft."""

    def __init__(self, columns: Iterable[Column], files: Files) -> None:
        columns = list(columns)
        self._floats = named_of_type(columns, "float")
        self._moments = named_of_type(columns, "timestamp") | named_of_type(columns, "timestamp with time zone")
        self._nulls = {"", *files.null_values}

    def column(self, name: str, cells: Sequence[Any]) -> list[bytes | None]:
        """The cells of one column as text; None for null."""
        exact, midnight = name in self._floats, " 00:00:00" if name in self._moments else ""
        return [self._cell(cell, exact, midnight) for cell in cells]

    def name(self, cell: Any) -> str:
        """A cell of the header."""
        return (self._cell(cell, False, "") or b"").decode("utf-8", "replace")

    def _cell(self, cell: Any, exact: bool, midnight: str) -> bytes | None:
        if isinstance(cell, str):
            return None if cell in self._nulls else cell.encode("utf-8", "surrogatepass")
        if isinstance(cell, bool):
            return b"true" if cell else b"false"
        if isinstance(cell, list):
            kind, text = cell
            return (text + midnight if kind == "date" else text).encode()
        return _number(cell, exact).encode()


def is_filled(row: Sequence[Any]) -> bool:
    """Whether a row of a sheet has a cell that holds something."""
    return any(cell != "" for cell in row)


def _number(value: float, exact: bool) -> str:
    if abs(value) <= EXACT and value == int(value):  # not of NaN or infinity, which no sheet should hold
        return str(int(value))
    return repr(value) if exact else f"{value:.15g}"  # the digits that a spreadsheet shows
