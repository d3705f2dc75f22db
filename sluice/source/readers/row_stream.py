"""Source file in, typed Arrow batches out: every row once and in order, for any content.

Cells that spell no value of their column's type come out null, with their text in `_unparsed`; what to do
with such rows is the audit's. Writes nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.columns import WHOLE_ROW, Column
from sluice.contract.contract import Contract, Files
from sluice.contract.drift import SchemaDrift, locate
from sluice.contract.errors import DataError
from sluice.contract.values.casts import Cast, cast, delivered, read
from sluice.source.files import SourceFile, SourceUnreadable
from sluice.source.parts.parts import SEEKING, parts_of
from sluice.source.readers.csv_reader import CsvReader
from sluice.source.readers.excel.cells import Spelling
from sluice.source.readers.excel.excel_reader import ExcelReader
from sluice.source.readers.joined import Counted, Joined, Part, Reader
from sluice.source.readers.json.json_reader import JsonReader
from sluice.source.readers.parquet_reader import ROWS, ParquetReader
from sluice.source.readers.rows import RawRows, named_of_type
from sluice.source.sniff import EmptyFile

ROW_NUMBER, UNPARSED = "_row_number", "_unparsed"
DRAFT_PARTS = 20  # files of one delivery that a draft is made from


_JSON = json.JSONEncoder(ensure_ascii=False)


def open_reader(file: SourceFile, files: Files, columns: Sequence[Column] | None = None) -> Reader:
    """The reader of a file's format.

    Args:
        columns: the contract's, as JSON and Excel files spell a value for a column; None for a draft.

    Raises:
        DataError: the file is damaged.
        SourceUnreadable: its rights, or its disk.
    """

    def reader_of(part: SourceFile, files: Files) -> Reader:
        if part.format == "json":
            kept = None if columns is None else frozenset(named_of_type(columns, "json"))
            return JsonReader(part, files, kept)
        if part.format == "excel":
            return ExcelReader(part, files, Spelling(columns or (), files))
        return (ParquetReader if part.format == "parquet" else CsvReader)(part, files)

    try:
        parts = parts_of(file, files)
        parts = parts if columns is not None else parts[:DRAFT_PARTS]
        if len(parts) > 1 or file.parts or parts[0].values or (parts[0].compression and parts[0].format in SEEKING):
            return Joined(parts, files, reader_of)
        return reader_of(parts[0], files)
    except OSError as error:
        raise SourceUnreadable(f"{file.address}: cannot be read: {error.strerror or error}") from None


def open_rows(file: SourceFile, contract: Contract, batch: str) -> RowStream:
    """Open the rows of a batch's file. Use as a context manager.

    Raises:
        SchemaDrift: the file's columns are not the contract's.
        EmptyFile: there is not even a header.
        DataError: the file is damaged, or not the one whose fingerprint was taken.
        SourceUnreadable: its rights, or its disk.
    """
    _refuse_changed(file)
    reader = open_reader(file, contract.files, contract.columns)
    try:
        if isinstance(reader, Joined):
            reader.rename([_first_names(contract, batch, part) for part in reader.parts])
        if isinstance(reader, CsvReader) and reader.misfit:
            raise SchemaDrift(f"{contract} {batch}: {file.address}: {reader.misfit}; nothing was loaded")
        places = locate(contract, batch, reader.names, reader.types, file.address)
    except BaseException:
        reader.close()
        raise
    return RowStream(file, contract, reader, places)


def _first_names(contract: Contract, batch: str, part: Part) -> dict[str, str]:
    """The contract's first name for each column that a part has under another; raises SchemaDrift.

    One that two columns of the contract are read from keeps its name.
    """
    places = locate(contract, batch, part.names, part.types, part.address)
    alone = {place: column for column, place in zip(contract.columns, places, strict=True) if places.count(place) == 1}
    return {part.names[place]: column.sources[0] for place, column in alone.items() if place is not None}


class RowStream:
    """The typed rows of a file, to be iterated once.

    Attributes:
        schema: the contract's columns, then `_row_number` (1 = the file's first data row) and `_unparsed`
            (null, or a JSON object of the cells that did not parse: column to text as delivered).
        rows_read: rows that came out so far.
    """

    def __init__(self, file: SourceFile, contract: Contract, reader: Reader, places: tuple[int | None, ...]) -> None:
        self._file, self._reader = file, reader
        self._columns = tuple(zip(contract.columns, places, strict=True))
        self.schema = schema_of(contract)
        self.rows_read = 0

    @property
    def rows_counted(self) -> int:
        """The rows counted a second way, which does not parse: filled lines so far, or the Parquet footer."""
        return self._reader.rows_counted

    @property
    def blank_lines(self) -> int:
        return self._reader.blank_lines

    @property
    def files(self) -> tuple[Counted, ...]:
        """Of a delivery of several files, those that were read, and which rows are theirs; else none."""
        return tuple(self._reader.counted) if isinstance(self._reader, Joined) else ()

    @property
    def bytes_read(self) -> int:
        """Of the file's `size`, to show how far it is."""
        return self._reader.bytes_read

    def __enter__(self) -> RowStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches of at most 16,384 rows.

        Raises:
            EmptyFile: at the end, if there was no row.
            DataError: damage; or, at the end, the two counts of rows differ, or the file has changed.
        """
        for rows in self._reader:
            numbers = pa.array(np.arange(self.rows_read + 1, self.rows_read + 1 + rows.length))
            batch = typed(rows, self._columns, numbers, self.schema)
            for start in range(0, len(batch), ROWS):
                piece = batch.slice(start, ROWS)
                self.rows_read += len(piece)
                yield piece
        self._check()

    def _check(self) -> None:
        address = self._file.address
        _refuse_changed(self._file)
        if self.rows_read != self.rows_counted:
            raise DataError(
                f"{address}: {self.rows_read:,} rows were read, but {self.rows_counted:,} were counted "
                "in its lines (stray quotes?) or footer; ask the provider for a corrected file"
            )
        if self.rows_read == 0:
            raise EmptyFile(f"{address}: has column names but no row; ask the provider to deliver it again")


def schema_of(contract: Contract) -> pa.Schema:
    """The contract's columns, then `_row_number` and `_unparsed`."""
    fields = [pa.field(column.name, column.type.arrow) for column in contract.columns]
    return pa.schema([*fields, pa.field(ROW_NUMBER, pa.int64()), pa.field(UNPARSED, pa.string())])


def typed(
    rows: RawRows, columns: Sequence[tuple[Column, int | None]], numbers: pa.Array, schema: pa.Schema
) -> pa.RecordBatch:
    """Rows with each cell as its column's type, those that spell no such value null with their text in `_unparsed`.

    Args:
        columns: each column of the contract, and its place in the rows if it has one.
        numbers: the rows' numbers in the source.
    """
    notes: dict[int, dict[str, str]] = defaultdict(dict)
    arrays = [_column(rows, column, place, notes) for column, place in columns]
    for row, text in rows.rejected.items():
        notes[row][WHOLE_ROW] = text
    unparsed = pa.nulls(rows.length, pa.string())
    if notes:
        texts: list[str | None] = [None] * rows.length
        for row, cells in notes.items():
            texts[row] = _JSON.encode(cells)
        unparsed = pa.array(texts, pa.string())
    return pa.RecordBatch.from_arrays([*arrays, numbers, unparsed], schema=schema)


def _column(rows: RawRows, column: Column, place: int | None, notes: dict[int, dict[str, str]]) -> pa.Array:
    if place is None:
        return pa.nulls(rows.length, column.type.arrow)
    given = rows.columns[place]
    values, bad = read(given, column)
    if (again := rows.canonical.get(place)) is not None:
        values, bad = _either(cast(given, column.type), (values, bad), again)
    if bad is not None:
        for row in np.flatnonzero(np.asarray(bad)).tolist():
            notes[row][column.name] = delivered(given, row)
    for (row, cell_place), text in rows.cells.items():
        if cell_place == place:
            notes[row][column.name] = text
    return values


def _either(canonical: Cast, spelt: Cast, again: pa.Array) -> Cast:
    """The first where `again` is true, else the second."""
    none = pa.array(np.zeros(len(again), dtype=bool))
    bad = pc.if_else(again, canonical[1] or none, spelt[1] or none)
    return pc.if_else(again, canonical[0], spelt[0]), bad


def _refuse_changed(file: SourceFile) -> None:
    """Refuse bytes other than those that the ledger has the fingerprint of."""
    if not file.is_same():
        raise DataError(f"{file.address}: changed while it was read, or disappeared; run again when it is complete")
