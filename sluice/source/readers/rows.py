"""Rows between a file's reader and the casts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.columns import Column
from sluice.contract.values.written import readable

_LENGTHS = (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)
KEPT_OF_LONG = 1000  # bytes kept of a cell or row that is too long


@dataclass(frozen=True, slots=True)
class RawRows:
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


def named_of_type(columns: Iterable[Column], kind: str) -> set[str]:
    """The names that files have for a contract's columns of one type."""
    return {source for column in columns if column.type.name == kind for source in column.sources}


def with_gaps(columns: list[pa.Array], length: int, rejected: dict[int, str]) -> RawRows:
    """Columns that lack the rejected rows, with a null in the place of each."""
    held = np.ones(length, dtype=bool)
    held[list(rejected)] = False
    indices = pa.array(np.cumsum(held) - 1, mask=~held)
    return RawRows([column.take(indices) for column in columns], length, rejected)


def without_long_cells(rows: RawRows, limit: int) -> RawRows:
    """The rows, cells of more than `limit` bytes null and kept in short."""
    columns, cells = list(rows.columns), dict(rows.cells)
    for place, column in enumerate(columns):
        long = _long(column, limit)
        if long is None:
            continue
        for row in np.flatnonzero(long).tolist():
            raw = _raw(column[row])
            cells[row, place] = f"{readable(raw[:KEPT_OF_LONG])}... ({len(raw):,} bytes)"
        columns[place] = pc.if_else(pa.array(long), pa.scalar(None, column.type), column)
    return RawRows(columns, rows.length, rows.rejected, cells)


def _long(column: pa.Array, limit: int) -> np.ndarray | None:
    """Which cells of a column of text or bytes are too long; None if none is, or it holds neither."""
    if pa.types.is_dictionary(column.type):
        long = _long(column.dictionary, limit)
        if long is None:
            return None
        places = np.asarray(pc.fill_null(column.indices.cast(pa.int64()), -1))
        found = long[places] & (places >= 0)
    elif any(test(column.type) for test in _LENGTHS):
        if column.nbytes <= limit:
            return None
        found = np.asarray(pc.fill_null(pc.greater(pc.binary_length(column), limit), False))
    elif pa.types.is_nested(column.type) and column.nbytes > limit:
        found = np.array([column.slice(row, 1).nbytes > limit for row in range(len(column))])
    else:
        return None
    return found if found.any() else None


def _raw(cell: pa.Scalar) -> bytes:
    value = cell.as_py() if not pa.types.is_nested(cell.type) else str(cell)[: 2 * KEPT_OF_LONG]
    return value if isinstance(value, bytes) else str(value).encode()
