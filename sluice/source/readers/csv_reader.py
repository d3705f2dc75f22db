"""Read CSV records as columns of bytes, every record once and in order. What they mean is casts.py's.

The parser gets one piece of whole records at a time, so that each piece's records can be held against its
lines: a stray quote that swallows a row is found in the piece where it stands.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.contract.values.written import readable
from sluice.source.files import SourceFile
from sluice.source.readers.csv_header import cells, ended, head_of, misfit, with_trailing
from sluice.source.readers.csv_quotes import Quotes
from sluice.source.readers.csv_records import UNIT, Lines, Piece, WideLines, after_line_end, is_text, joined
from sluice.source.readers.rows import RawRows, with_gaps, without_long_cells
from sluice.source.sniff import EmptyFile

HEAD_BYTES = 1 << 16  # looked at for the number of fields of the first rows


class CsvReader:
    """The rows of a CSV file."""

    types = None  # text has no types to drift
    misfit = ""  # what is said of a header whose number of names is not that of the fields

    def __init__(self, file: SourceFile, files: Files) -> None:
        self._address, self._files = file.address, files
        self._wide = files.delimiter if len(files.delimiter.encode()) > 1 else ""
        self._lines = (WideLines if self._wide else Lines)(file, files)
        if self._wide:
            self._files = replace(files, delimiter=UNIT)
        self._pieces = iter(self._lines)
        self._line = 0  # filled lines given to the parser so far, those before the rows among them
        self._comments = self._trailing = 0
        self._blank_before = 0
        self._first = self._repeated = b""
        self.names = self._header()
        self._single = len(self.names) == 1  # a blank line is a row then, and the header's name may be a value

    @property
    def rows_counted(self) -> int:
        """Filled lines so far, without those before the rows and comments: counted by their line ends alone."""
        count = self._lines.count
        blank = count.blank - self._blank_before - self._trailing if self._single else 0
        return count.filled - self._before - self._comments + blank

    @property
    def blank_lines(self) -> int:
        """Blank lines that are not rows."""
        return self._blank_before + self._trailing if self._single else self._lines.count.blank

    @property
    def bytes_read(self) -> int:
        return self._lines.bytes_read

    def close(self) -> None:
        self._lines.close()

    def __iter__(self) -> Iterator[RawRows]:
        first = [Piece(self._first)] if self._first else []
        ends = b""  # blank lines that may be the file's last, which are not rows
        for piece in chain(first, self._pieces):
            if piece.too_long:
                yield self._too_long(piece)
                continue
            data = self._quotes.trimmed(self._without_comments(piece.data))
            if self._single:
                data = ends + data
                whole = data.rstrip(b"\r\n")
                after = after_line_end(data, len(whole)) if whole else 0
                data, ends = data[:after], data[after:]
            if self._ends_open:
                data = joined(ended(self._records(data), len(self.names), self._files.delimiter, self._files), ())
            if data.strip(b"\r\n"):
                yield self._rows(data)
        self._trailing = len(ends.splitlines())

    def _header(self) -> list[str]:
        held = b""
        for piece in self._pieces:
            if piece.too_long:
                raise DataError(f"{self._address}: its first line has {piece.too_long:,} bytes: this is not a CSV file")
            held += self._without_comments(piece.data)
            head = head_of(held, self._files, self._address)
            if head is None:
                continue
            self._first, self._before, self._blank_before = held[head.size :], head.lines, head.blank
            self._line = head.lines
            self._repeated = head.record if len(head.names or ()) > 1 else b""
            self._ends_open = head.record.endswith(head.delimiter.encode()) and not self._files.names
            self._files = replace(self._files, delimiter=head.delimiter)
            self._quotes = Quotes(self._files)
            records = self._quotes.records(self._quotes.trimmed(self._first[:HEAD_BYTES]))
            records = records if len(self._first) <= HEAD_BYTES else records[:-1]
            if head.names is None:
                width = len(cells(records[0].decode("latin-1"), self._files.delimiter, self._files)) if records else 0
                return [f"column_{place}" for place in range(1, width + 1)]
            names = with_trailing(head.names, records, self._files.delimiter, self._files)
            self.misfit = misfit(names, records, self._files)
            return names
        raise EmptyFile(f"{self._address}: holds blank lines only; ask the provider to deliver it again")

    def _without_comments(self, data: bytes) -> bytes:
        """The piece without its comment lines."""
        mark = self._files.comment.encode()
        if not mark or mark not in data:
            return data
        kept = []
        for record in Quotes(self._files).records(data, blank=not self._files.multiline):
            if record.startswith(mark):
                self._comments += 1
            else:
                kept.append(record)
        return b"\n".join(kept) + b"\n" if kept else b""

    @cached_property
    def _convert(self) -> arrow_csv.ConvertOptions:
        return arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(self.names, pa.binary()),  # a bad character must not stop it
            null_values=list(self._files.null_values),
            strings_can_be_null=True,
            quoted_strings_can_be_null=self._files.quoted_null,
            check_utf8=False,
        )

    def _parse(self, data: bytes) -> tuple[list[pa.Array], list[int]]:
        """The cells of the records that have all of them, and the numbers (from 0) of the other records."""
        ragged: list[int] = []

        def skip(row: arrow_csv.InvalidRow) -> str:
            ragged.append(row.number - 1)
            return "skip"

        options = arrow_csv.ParseOptions(
            delimiter=self._files.delimiter,
            quote_char=self._files.quote or False,
            escape_char=self._files.escape or False,
            newlines_in_values=bool(self._files.quote),
            ignore_empty_lines=not self._single,
            invalid_row_handler=skip,
        )
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            arrow_csv.ReadOptions(use_threads=False, column_names=self.names, block_size=len(data) + 1),
            options,
            self._convert,
        )
        columns = [column.combine_chunks() for column in table.columns]
        if self._wide:  # within quotes it is a value's
            columns = [pc.replace_substring(column, UNIT, self._wide) for column in columns]
        return columns, ragged

    def _records(self, data: bytes) -> list[bytes]:
        return self._quotes.records(data, blank=self._single)

    def _rows(self, data: bytes) -> RawRows:
        quoted, text = self._quotes.used(data), is_text(data)
        again = bool(self._repeated) and self._repeated in data  # perhaps: the header of a file that was appended
        raw = None if text and not quoted and not again else self._records(data)
        odd: set[int] = set()  # records that the parser is not given
        if quoted and raw is not None and not self._quotes.strict(data):
            self._refuse_open(raw)
            odd = {n for n, record in enumerate(raw) if self._quotes.used(record) and self._quotes.malformed(record)}
        if again and raw is not None:
            odd |= {n for n, record in enumerate(raw) if record.removeprefix(BOM_UTF8) == self._repeated}
        try:
            if not text and raw is not None:
                # Arrow's callback takes no bytes that are not UTF-8, so the first pass, for ragged rows, sees
                # each byte as a separate character; the second sees the file's bytes, without those rows.
                odd |= set(self._ragged_of(raw, odd))
            kept = data if not odd or raw is None else joined(raw, odd)
            columns, ragged = self._parse(kept) if kept else (self._no_columns(), [])
            if ragged and not text:
                raise pa.ArrowInvalid("the number of fields depends on bytes that are not valid UTF-8")
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{self._address}: after line {self._line:,}: {error}; ask the provider for a corrected file"
            ) from None
        length = len(columns[0]) + len(ragged) + len(odd)
        if ragged and raw is None:
            raw = self._records(data)
        if raw is not None and len(raw) != length:
            self._refuse_swallowed(raw)
        if ragged and odd:
            given = [n for n in range(length) if n not in odd]
            ragged = [given[n] for n in ragged]
        rows = RawRows(columns, length)
        if raw is not None and (ragged or odd):
            rows = with_gaps(columns, length, {row: self._delivered(raw[row]) for row in sorted({*ragged, *odd})})
        self._line += length
        return self._without_long_cells(rows, len(data))

    def _ragged_of(self, raw: list[bytes], odd: set[int]) -> list[int]:
        given = [n for n in range(len(raw)) if n not in odd]
        if not given:
            return []
        columns, ragged = self._parse(joined(raw, odd).decode("latin-1").encode())
        if len(columns[0]) + len(ragged) != len(given):
            self._refuse_swallowed(raw)
        return [given[n] for n in ragged]

    def _no_columns(self) -> list[pa.Array]:
        return [pa.array([], pa.binary()) for _ in self.names]

    def _refuse_open(self, raw: list[bytes]) -> None:
        odd = next((n for n, record in enumerate(raw) if self._quotes.opened(record)), None)
        if odd is not None:
            raise self._open_quote(raw, odd)

    def _refuse_swallowed(self, raw: list[bytes]) -> None:
        self._refuse_open(raw)
        odd = next((n for n, record in enumerate(raw) if self._quotes.swallows(record)), len(raw) - 1)
        raise self._open_quote(raw, odd)

    def _open_quote(self, raw: list[bytes], odd: int) -> DataError:
        """A quote that swallowed line ends, or that nothing closes."""
        ways = [] if self._files.multiline else ["if fields may contain line breaks, set Files(multiline=True)"]
        if not self._files.escape and b"\\" + self._quotes.quote in raw[odd]:
            ways.append('if quotes are escaped, set Files(escape="\\\\")')
        ways.append('if quotes are ordinary characters, set Files(quote="")')
        place = self._quotes.place_of_open(raw[odd])
        column = f" in {self.names[place]!r}" if place is not None and place < len(self.names) else ""
        return DataError(  # without the line's text: it may be personal
            f"{self._address}: line {self._line + odd + 1:,} (blank lines not counted) has a quote{column} "
            f"that is not closed. Ask the provider for a corrected file; {'; '.join(ways)}"
        )

    def _too_long(self, piece: Piece) -> RawRows:
        self._line += 1
        text = f"{self._delivered(piece.data)}... ({piece.too_long:,} bytes)"
        return RawRows([pa.nulls(1, pa.binary()) for _ in self.names], 1, {0: text})

    def _delivered(self, record: bytes) -> str:
        return readable(record.replace(UNIT.encode(), self._wide.encode()) if self._wide else record)

    def _without_long_cells(self, rows: RawRows, size: int) -> RawRows:
        limit = self._files.max_field_bytes
        return rows if size <= limit else without_long_cells(rows, limit)
