"""Read a sheet of an Excel workbook as columns of text, which casts.py reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any

import pyarrow as pa

from sluice.contract.contract import Files
from sluice.source.files import SourceFile
from sluice.source.readers.csv_header import named
from sluice.source.readers.excel.cells import Spelling, is_filled
from sluice.source.readers.excel.sheet import Sheet
from sluice.source.readers.rows import RawRows, without_long_cells
from sluice.source.sniff import EmptyFile

CELLS = 100_000  # of the rows that are made into columns at once
HEAD = 1000  # rows that show where a table begins
MOST_SKIPPED = 50

_Numbered = tuple[int, list[Any]]  # a row and its place in the sheet, from 0


class ExcelReader:
    """The rows of one sheet, under a header or names."""

    types = None  # a column's cells may each be of another type

    def __init__(self, file: SourceFile, files: Files, spelling: Spelling) -> None:
        self._file, self._files, self._spelling = file, files, spelling
        self._sheet = Sheet(file, files.sheet)
        self._given = 0  # rows that were handed on
        self.blank_lines = 0
        self._filled = self._filled_rows()
        self._first: list[_Numbered] = []
        self._repeated: list[Any] = []  # the header as the sheet has it, which sheets put together repeat
        try:
            self.names = self._header()
        except BaseException:
            self.close()
            raise

    @property
    def rows_counted(self) -> int:
        """The rows handed on, and those that the sheet's XML still has after the last one that was read."""
        return self._given + max(0, self._sheet.last - self._sheet.read)

    @property
    def bytes_read(self) -> int:
        """About: the share of the rows read, of the file's bytes."""
        last = max(self._sheet.last, 1)
        return self._file.size * min(self._sheet.read, last) // last

    def close(self) -> None:
        self._sheet.close()

    def __iter__(self) -> Iterator[RawRows]:
        at_once = max(1, CELLS // max(len(self.names), 1))
        piece, self._first = self._first, []
        for numbered in self._filled:
            piece.append(numbered)
            if len(piece) >= at_once:
                yield self._rows(piece)
                piece = []
        if piece:
            yield self._rows(piece)

    def _filled_rows(self) -> Iterator[_Numbered]:
        for place, row in enumerate(self._sheet):
            if place < self._files.skip:
                continue
            if is_filled(row) or any((place, column) in self._sheet.odd for column in range(len(row))):
                yield place, row
            else:
                self.blank_lines += 1

    def _header(self) -> list[str]:
        found = next(self._filled, None)
        if found is None:
            raise EmptyFile(
                f"{self._file.address}: its sheet {self._sheet.name!r} is empty; ask the provider to deliver it again"
            )
        given: Sequence[str] = self._files.names
        if not self._files.header:
            self._first = [found]
        elif sum(cell != "" for cell in found[1]) > 1:
            self._repeated = found[1]
        if self._files.header and not given:
            given = [self._spelling.name(cell) for cell in found[1]]
        return named([*given, *[""] * (len(found[1]) - len(given))])

    def _rows(self, numbered: list[_Numbered]) -> RawRows:
        cells: dict[tuple[int, int], str] = {}
        columns = []
        again = {n for n, (_, row) in enumerate(numbered) if row == self._repeated}
        if again:
            numbered = [(place, [] if n in again else row) for n, (place, row) in enumerate(numbered)]
        for place, name in enumerate(self.names):
            given = [row[place] if place < len(row) else "" for _, row in numbered]
            columns.append(pa.array(self._spelling.column(name, given), pa.binary()))
            if self._sheet.odd:
                odd = ((n, self._sheet.odd.get((number, place))) for n, (number, _) in enumerate(numbered))
                cells |= {(n, place): text for n, text in odd if text is not None}
        self._given += len(numbered)
        rejected = {n: ", ".join(map(self._spelling.name, self._repeated)) for n in again}
        return without_long_cells(RawRows(columns, len(numbered), rejected, cells), self._files.max_field_bytes)


def proposed(file: SourceFile, files: Files, given: frozenset[str]) -> Files:
    """`files` with the sheet and the rows before the header, as the workbook shows them.

    Args:
        given: the options that the user set, which stay.
    """
    with closing(Sheet(file, files.sheet, draft=True)) as sheet:
        if len(sheet.names) > 1:
            files = replace(files, sheet=sheet.name)
        if {"skip", "names"} & given or not files.header:
            return files
        rows = list(islice(sheet, HEAD))
    widths = [sum(cell != "" for cell in row) for row in rows]
    common = Counter(width for width in widths if width).most_common(1)
    if not common:
        return files
    first = next(place for place, width in enumerate(widths) if width >= 0.8 * common[0][0])
    one_less = first and 1 < widths[first - 1] == common[0][0] - 1
    if one_less and (not rows[first - 1][0] or (first == 1 and common[0][0] > 3)):
        first -= 1  # a header with a column that has no name, as an index; a title is shorter, and begins in the first
    return replace(files, skip=first) if any(widths[:first]) and first <= MOST_SKIPPED else files
