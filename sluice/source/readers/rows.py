"""Rows between a file's reader and the casts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.values.casts import readable

KEPT_OF_LONG = 1000  # bytes kept of a cell or row that is too long


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows as the file has them.

    Attributes:
        columns: in the file's order; a row that could not be divided into cells is all null.
        rejected: by row, the raw text of such rows.
        cells: by (row, column), what is kept of cells that are not to be read (null in `columns`).
        canonical: by column, a mask of cells that the warehouse wrote, not the source: no format is theirs.
    """

    columns: list[pa.Array]
    length: int
    rejected: dict[int, str] = field(default_factory=dict)
    cells: dict[tuple[int, int], str] = field(default_factory=dict)
    canonical: dict[int, pa.Array] = field(default_factory=dict)


def with_gaps(columns: list[pa.Array], length: int, rejected: dict[int, str]) -> Rows:
    """Columns that lack the rejected rows, with a null in the place of each."""
    held = np.ones(length, dtype=bool)
    held[list(rejected)] = False
    indices = pa.array(np.cumsum(held) - 1, mask=~held)
    return Rows([column.take(indices) for column in columns], length, rejected)


def without_long_cells(rows: Rows, limit: int) -> Rows:
    """The rows, cells of more than `limit` bytes null and kept in short."""
    columns, cells = list(rows.columns), dict(rows.cells)
    for place, column in enumerate(columns):
        long = pc.greater(pc.binary_length(column), limit).fill_null(False)
        for row in np.flatnonzero(np.asarray(long)):
            raw = column[int(row)].as_py()
            cells[int(row), place] = f"{readable(raw[:KEPT_OF_LONG])}... ({len(raw):,} bytes)"
            columns[place] = pc.if_else(long, pa.scalar(None, pa.binary()), column)
    return Rows(columns, rows.length, rows.rejected, cells)
