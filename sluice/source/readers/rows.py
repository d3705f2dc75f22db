"""Rows between a file's reader and the casts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows as the file has them.

    Attributes:
        columns: in the file's order; a row that could not be divided into cells is all null.
        rejected: by row, the raw text of such rows.
        cells: by (row, column), what is kept of cells that are not to be read (null in `columns`).
    """

    columns: list[pa.Array]
    length: int
    rejected: dict[int, str] = field(default_factory=dict)
    cells: dict[tuple[int, int], str] = field(default_factory=dict)


def with_gaps(columns: list[pa.Array], length: int, rejected: dict[int, str]) -> Rows:
    """Columns that lack the rejected rows, with a null in the place of each."""
    held = np.ones(length, dtype=bool)
    held[list(rejected)] = False
    indices = pa.array(np.cumsum(held) - 1, mask=~held)
    return Rows([column.take(indices) for column in columns], length, rejected)
