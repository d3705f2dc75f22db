"""Read CSV records as columns of bytes, every record once and in order. What they mean is casts.py's.

The parser gets one piece of whole records at a time, so that each piece's records can be held against its
lines: a stray quote that swallows a row is found in the piece where it stands.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.contract.values.casts import readable
from sluice.source.files import SourceFile
from sluice.source.readers.csv_records import KEPT_OF_LONG, Lines, Piece, records
from sluice.source.readers.rows import Rows, with_gaps
from sluice.source.sniff import EmptyFile


class CsvReader:
    """The rows of a CSV file."""

    types = None  # text has no types to drift

    def __init__(self, file: SourceFile, files: Files) -> None:
        self._address, self._files = file.address, files
        self._lines = Lines(file, files)
        self._pieces = iter(self._lines)
        self._line = 0  # filled lines given to the parser so far, the header's among them
        self._first = b""
        self.names = self._header()

    @property
    def rows_counted(self) -> int:
        """Filled lines so far, without the header's: counted by their line ends alone."""
        return self._lines.count.filled - 1

    @property
    def blank_lines(self) -> int:
        return self._lines.count.blank

    @property
    def bytes_read(self) -> int:
        return self._lines.bytes_read

    def close(self) -> None:
        self._lines.close()

    def __iter__(self) -> Iterator[Rows]:
        if self._first:
            yield self._rows(self._first)
        for piece in self._pieces:
            if piece.too_long:
                yield self._too_long(piece)
            elif piece.data.strip(b"\r\n"):
                yield self._rows(piece.data)

    def _header(self) -> list[str]:
        for piece in self._pieces:
            data = piece.data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
            if not data:
                continue
            if piece.too_long:
                raise DataError(f"{self._address}: its first line has {piece.too_long:,} bytes: no CSV file")
            line = data.splitlines()[0]
            self._first = data[len(line) :].lstrip(b"\r\n")
            self._line = 1
            try:
                return next(csv.reader([line.decode()], delimiter=self._files.delimiter, strict=True))
            except (UnicodeDecodeError, csv.Error, StopIteration) as error:
                raise DataError(f"{self._address}: the header is no CSV in UTF-8: {error}") from None
        raise EmptyFile(f"{self._address}: holds blank lines only; have it delivered again")

    @cached_property
    def _convert(self) -> arrow_csv.ConvertOptions:
        return arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(self.names, pa.binary()),  # a bad character must not stop it
            null_values=list(self._files.null_values),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            check_utf8=False,
        )

    @cached_property
    def _closed(self) -> bytes:
        """A pattern of one field without an open quote, and the delimiter after it."""
        comma = re.escape(self._files.delimiter.encode())
        return rb'(?:"(?:[^"]|"")*+"[^%b]*+|[^"%b][^%b]*+)?+%b' % ((comma,) * 4)

    @cached_property
    def _open_quote(self) -> re.Pattern[bytes]:
        """Matches a record whose last field begins with a quote that nothing closes; the group is what is before."""
        return re.compile(rb'((?:%b)*+)"(?:[^"]|"")*+\Z' % self._closed)

    def _parse(self, data: bytes) -> tuple[list[pa.Array], list[int]]:
        """The cells of the records that have all of them, and the numbers (from 0) of the other records."""
        ragged: list[int] = []

        def skip(row: arrow_csv.InvalidRow) -> str:
            ragged.append(row.number - 1)
            return "skip"

        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            arrow_csv.ReadOptions(use_threads=False, column_names=self.names, block_size=len(data) + 1),
            arrow_csv.ParseOptions(delimiter=self._files.delimiter, newlines_in_values=True, invalid_row_handler=skip),
            self._convert,
        )
        return [column.combine_chunks() for column in table.columns], ragged

    def _rows(self, data: bytes) -> Rows:
        try:
            if _is_text(data):
                columns, ragged = self._parse(data)
            else:
                # Arrow's callback takes no bytes that are not UTF-8, so the first pass, for ragged rows, sees
                # each byte as a character of its own; the second sees the file's bytes, without those rows.
                _, ragged = self._parse(data.decode("latin-1").encode())
                odd = set(ragged)
                kept = [r for n, r in enumerate(records(data, self._files.multiline)) if n not in odd]
                columns, more = self._parse(b"\n".join(kept)) if kept else (self._no_columns(), [])
                if more:
                    raise pa.ArrowInvalid("the number of fields depends on bytes that are no UTF-8")
        except pa.ArrowInvalid as error:
            raise DataError(f"{self._address}: after line {self._line:,}: {error}; have it mended") from None
        length = len(columns[0]) + len(ragged)
        raw = records(data, self._files.multiline) if ragged or b'"' in data else None
        if raw is not None:
            self._check_quotes(raw, length)
        rows = Rows(columns, length)
        if ragged and raw is not None:
            rows = with_gaps(columns, length, {row: readable(raw[row]) for row in ragged})
        self._line += length
        return self._without_long_cells(rows, len(data))

    def _no_columns(self) -> list[pa.Array]:
        return [pa.array([], pa.binary()) for _ in self.names]

    def _check_quotes(self, raw: list[bytes], length: int) -> None:
        """Find quotes that swallowed line ends, or that nothing closes."""
        if len(raw) == length and not self._open_quote.match(raw[-1]):
            return
        odd = next((n for n, record in enumerate(raw) if self._open_quote.match(record)), len(raw) - 1)
        hint = "" if self._files.multiline else "; if fields may hold line breaks, say Files(multiline=True)"
        raise DataError(  # without the line's text: it may be personal
            f"{self._address}: line {self._line + odd + 1:,} (blank lines not counted) has a quote{self._in(raw[odd])} "
            f"that nothing on it closes. Have it mended{hint}"
        )

    def _in(self, record: bytes) -> str:
        """The column in which a record's quote stays open, if there is such a quote and such a column."""
        found = self._open_quote.match(record)
        place = len(re.findall(self._closed, found[1])) if found else len(self.names)
        return f" in {self.names[place]!r}" if place < len(self.names) else ""

    def _too_long(self, piece: Piece) -> Rows:
        self._line += 1
        text = f"{readable(piece.data)}... ({piece.too_long:,} bytes)"
        return Rows([pa.nulls(1, pa.binary()) for _ in self.names], 1, {0: text})

    def _without_long_cells(self, rows: Rows, size: int) -> Rows:
        limit = self._files.max_field_bytes
        if size <= limit:
            return rows
        columns, cells = list(rows.columns), dict(rows.cells)
        for place, column in enumerate(columns):
            long = pc.greater(pc.binary_length(column), limit).fill_null(False)
            for row in np.flatnonzero(np.asarray(long)):
                raw = column[int(row)].as_py()
                cells[int(row), place] = f"{readable(raw[:KEPT_OF_LONG])}... ({len(raw):,} bytes)"
                columns[place] = pc.if_else(long, pa.scalar(None, pa.binary()), column)
        return Rows(columns, rows.length, rows.rejected, cells)


def _is_text(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
