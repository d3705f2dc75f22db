"""Read JSON records as columns: scalars as their text, which casts.py reads, and nested values as JSON.

The columns are the keys of all records, so the keys are looked at first, in a quick pass over the whole file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import orjson
import pyarrow as pa

from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.contract.values.written import readable
from sluice.source.files import SourceFile
from sluice.source.readers.csv_records import Piece
from sluice.source.readers.json.records import JsonLines, arrays_of, one_object, refuse_one_object
from sluice.source.readers.json.values import as_cell, record, written
from sluice.source.readers.rows import RawRows, without_long_cells
from sluice.source.sniff import EmptyFile

DRAFT_RECORDS = 100_000  # whose keys are looked at for a draft
DRAFT_BYTES = 64 << 20
MOST_KEYS = 5000


class JsonReader:
    """The rows of a JSON file.

    Attributes:
        types: null for each column, as any value may stand in it: every cell is parsed.
    """

    def __init__(self, file: SourceFile, files: Files, documents: frozenset[str] | None = None) -> None:
        """Look at the keys.

        Args:
            documents: columns whose cells are JSON. None for a draft: those in which a nested value comes up.
        """
        self._address = file.address
        self._files = replace(files, multiline=False)
        self._documents, self._draft = set(documents or ()), documents is None
        if not files.records:
            refuse_one_object(file, self._files, draft=False)
        self.names = self._keys(file)
        self.types = [pa.null()] * len(self.names)
        self._places = {name: place for place, name in enumerate(self.names)}
        self._nulls = set(files.null_values) if files.quoted_null else set()
        self._lines = JsonLines(file, self._files)

    @property
    def rows_counted(self) -> int:
        """Filled lines so far; of an array, the commas between its records and one: no value is read."""
        return self._lines.count.filled

    @property
    def blank_lines(self) -> int:
        return self._lines.count.blank

    @property
    def bytes_read(self) -> int:
        return self._lines.bytes_read

    def close(self) -> None:
        self._lines.close()

    def __iter__(self) -> Iterator[RawRows]:
        for piece in self._lines:
            if piece.too_long:
                text = f"{readable(piece.data)}... ({piece.too_long:,} bytes)"
                yield RawRows([pa.nulls(1, pa.binary()) for _ in self.names], 1, {0: text})
            elif lines := _lines_of(piece):
                rows = self._rows(lines)
                limit = self._files.max_field_bytes
                yield rows if len(piece.data) <= limit else without_long_cells(rows, limit)

    def _keys(self, file: SourceFile) -> list[str]:
        found: dict[str, None] = {}
        count = size = 0
        with closing(JsonLines(file, self._files)) as pieces:
            for piece in pieces:
                lines = _lines_of(piece)
                for line in lines:
                    found.update(dict.fromkeys(_keys_of(line)))
                count += len(lines)
                size += len(piece.data)
                if len(found) > MOST_KEYS:
                    raise DataError(
                        f"{self._address}: its records have more than {MOST_KEYS:,} different keys; ask the provider "
                        "for records with fixed keys and the rest in one nested value"
                    )
                if self._draft and (count >= DRAFT_RECORDS or size >= DRAFT_BYTES):
                    break
        if not count:
            raise EmptyFile(f"{self._address}: holds no record; ask the provider to deliver it again")
        if not found and not self._files.records and (inside := arrays_of(file, self._files).found):
            raise DataError(f"{self._address}: {one_object(inside)}")
        if not found:
            raise DataError(
                f"{self._address}: no line is a JSON object; expected one object in each line, or an array of them. "
                'If lines of comment stand among them, set Files(comment="#"), or for sluice new: --comment "#". If '
                "objects follow one another in a line: jq -c . FILE > ROWS.jsonl; if each ends with a comma: "
                "sed 's/,[[:space:]]*$//' FILE > ROWS.jsonl"
            )
        return [name for name in found if name not in self._files.ignore]

    def _rows(self, lines: list[bytes]) -> RawRows:
        rejected: dict[int, str] = {}
        records: list[dict[str, Any]] = []
        for row, line in enumerate(lines):
            try:
                records.append(record(line))
            except (ValueError, RecursionError):
                rejected[row] = readable(line)
                records.append({})
        if self._draft:
            self._documents |= {key for each in records for key, value in each.items() if _nested(value)}
        cells: dict[tuple[int, int], str] = {}
        columns = [self._column(name, place, records, cells) for name, place in self._places.items()]
        return RawRows(columns, len(lines), rejected, cells)

    def _column(
        self, name: str, place: int, records: list[dict[str, Any]], cells: dict[tuple[int, int], str]
    ) -> pa.Array:
        given = [each.get(name) for each in records]
        if name in self._documents:
            texts = [None if value is None else written(value).encode("utf-8", "surrogatepass") for value in given]
            column = pa.array(texts, pa.binary())
            return column.cast(pa.large_binary()) if self._draft else column
        for row, value in enumerate(given):
            if _nested(value):
                cells[row, place], given[row] = written(value), None
        if self._nulls:
            given = [None if isinstance(value, str) and value in self._nulls else value for value in given]
        return pa.array(map(as_cell, given), pa.binary())


def _lines_of(piece: Piece) -> list[bytes]:
    return [line for line in piece.data.splitlines() if line]


def _keys_of(line: bytes) -> Any:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:  # or a NaN, which json takes
        try:
            found = record(line)
        except (ValueError, RecursionError):
            return ()  # such a line is rejected when it is read
    return found if isinstance(found, dict) else ()


def _nested(value: Any) -> bool:
    return isinstance(value, dict | list)
