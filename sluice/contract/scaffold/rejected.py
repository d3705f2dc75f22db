"""Which rows of a sample its draft rejects, and the gate that lets the sample pass all the same. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.authoring.names import column_names
from sluice.contract.formatting import percent
from sluice.contract.scaffold.guess import Guess
from sluice.contract.scaffold.new_dataset import MAX_REJECTED, Sample
from sluice.contract.scaffold.readings import LEAST_ROWS

MOST = 0.5  # of a sample that is worse, another sample is needed, and not another gate
STEP = 0.05
FEW = 3  # columns of which a record fills one
_WORD = re.compile(r"[^\W\d_]{3}")


@dataclass(frozen=True)
class Hollow:
    """Rows without a cell, and last rows with a note in few cells: not records.

    Attributes:
        filled: columns of which every other row fills one.
        note: what the last row holds.
        start: the row where the notes begin.
    """

    count: int
    filled: tuple[str, ...]
    note: str = ""
    start: int = 0


def hollow_of(sample: Sample) -> Hollow | None:
    """The rows of a file of text that hold nothing, and notes below the rows; None if there are none."""
    if sample.typed or len(sample.columns) < 2 or not sample.rows:
        return None
    cells = [
        np.asarray(pc.match_substring_regex(column, r"\S").fill_null(False))
        if pa.types.is_binary(column.type)
        else np.asarray(column.is_valid())
        for column in sample.columns
    ]
    counts = np.sum(cells, axis=0)
    places, start, note = _notes(sample, cells, counts) if sample.whole else ((), sample.rows, "")
    left = counts > 0
    left[start:] = False
    count = sample.rows - int(left.sum())
    if not count:
        return None
    named = [one for n, one in enumerate(zip(column_names(sample.names), cells, strict=True)) if n not in places]
    found: list[str] = []
    for name, filled in sorted(named, key=lambda column: -int(column[1].sum())):
        if len(found) < FEW or (filled & left).any():  # not fewer, as the next file may have a record without the first
            found.append(name)
            left &= ~filled
    return None if left.any() else Hollow(count, tuple(found), note, start)


def _notes(sample: Sample, cells: Sequence[np.ndarray], counts: np.ndarray) -> tuple[Collection[int], int, str]:
    """The columns that notes below the rows fill, the row where these begin, and what the last of them says."""
    none: tuple[Collection[int], int, str] = ((), sample.rows, "")
    filled = np.flatnonzero(counts)
    if sample.rows < LEAST_ROWS or len(cells) < 3 or not len(filled):
        return none
    place = next(place for place, one in enumerate(cells) if one[filled[-1]])
    start = _start(counts, lambda row: counts[row] <= 1 and counts[row] == cells[place][row])
    if start < sample.rows and not (counts[:start] == 1).any():
        notes = [row for row in range(start, sample.rows) if counts[row]]
        words = [_WORD.search(_text(sample, place, row)) for row in notes]
        if notes and all(words) and not _is_sorted(sample, place):
            return (place,), start, _text(sample, place, notes[-1])
    # Notes of several cells, such as a word and a link: each far shorter than any record
    few = len(cells) // 5
    start = _start(counts, lambda row: counts[row] <= few)
    records, notes = counts[:start], [row for row in range(start, sample.rows) if counts[row]]
    places = {place for place, one in enumerate(cells) for row in notes if one[row]}
    firsts = [next(place for place in sorted(places) if cells[place][row]) for row in notes]
    texts = [_text(sample, place, row) for place, row in zip(firsts, notes, strict=True)]
    enough = len(records) >= LEAST_ROWS and (records[records > 0] > len(cells) / 2).all() and len(places) <= few
    return (places, start, texts[-1]) if notes and enough and all(map(_WORD.search, texts)) else none


def _start(counts: np.ndarray, is_note: Callable[[int], bool]) -> int:
    """The row from which on all are notes, blank ones among them."""
    start = len(counts)
    while start and is_note(start - 1):
        start -= 1
    return start


def _is_sorted(sample: Sample, place: int) -> bool:
    """Whether the last cells of a column are words in order: then the last one is a record's, too."""
    last = [_shown(cell) for cell in sample.columns[place].drop_null()[-2 * LEAST_ROWS :].to_pylist()]
    rising = [before < after and bool(_WORD.search(before)) for before, after in pairwise(last)]
    return bool(rising) and rising[-1] and sum(rising) > 0.8 * len(rising)


def _text(sample: Sample, place: int, row: int) -> str:
    return _shown(sample.columns[place][row].as_py())


def _shown(cell: object) -> str:
    return cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)


def share_rejected(sample: Sample, guesses: Sequence[Guess]) -> float:
    """The share of the sample's rows that are rejected, at most: a row may be counted for two columns."""
    hollow = hollow_of(sample)
    cells = sum(one.odd[0] + one.damaged + _totals(one) for one in guesses)
    rejected = len(sample.malformed) + (hollow.count if hollow else 0) + cells
    return rejected / max(sample.rows + len(sample.malformed), 1)


def _totals(one: Guess) -> int:
    if not one.totals:
        return 0
    return int(pc.sum(pc.is_in(one.values, pa.array(one.totals, one.values.type))).as_py() or 0)


def max_rejected(share: float) -> float:
    """The limit of the draft's gate."""
    return round(math.ceil(share / STEP - 1e-9) * STEP, 2) if MAX_REJECTED < share <= MOST else MAX_REJECTED


def of_gate(share: float) -> list[str]:
    """What is said of a sample that the usual gate would not let pass."""
    if share <= MAX_REJECTED:
        return []
    said = f"max_rejected: {percent(share)} of the sample's rows are rejected"
    if share > MOST:
        return [f"{said}; more than {percent(MAX_REJECTED)} close the gate"]
    return [f"{said}; the gate stays open up to {percent(max_rejected(share))}"]
