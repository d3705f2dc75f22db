"""How much memory the pages of a Parquet file would take, from their headers alone: nothing is unpacked.

A header is a struct of Thrift's compact protocol (parquet.thrift, PageHeader): field 2 is the size unpacked, field 3
the size in the file. pyarrow does not show them.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

WHOLE = 64 << 20  # bytes; a column chunk of no more, unpacked, needs no look at its pages
HEADER = 1 << 16  # bytes read for one header; statistics in it may hold two values
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 12


def largest_page(path: Path, metadata: pq.FileMetaData, row_group: int) -> int:
    """Bytes of the largest page of a row group, unpacked; 0 where the column chunks are small.

    Raises:
        ValueError: a header that is not one.
    """
    found = 0
    group = metadata.row_group(row_group)
    with path.open("rb") as file:
        for place in range(group.num_columns):
            chunk = group.column(place)
            if chunk.total_uncompressed_size > WHOLE:
                found = max(found, _largest(file, chunk))
    return found


def _largest(file: BinaryIO, chunk: pq.ColumnChunkMetaData) -> int:
    start = chunk.data_page_offset
    if chunk.dictionary_page_offset is not None:
        start = min(start, chunk.dictionary_page_offset)
    end, largest = start + chunk.total_compressed_size, 0
    while start < end:
        file.seek(start)
        header = _Header(file.read(HEADER))
        largest = max(largest, header.unpacked)
        if header.packed < 0 or header.size == 0:
            raise ValueError("a page without a size")
        start += header.size + header.packed
    return largest


class _Header:
    """A page header: `unpacked` and `packed` bytes of its page, and its own `size`."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0
        self.unpacked = self.packed = -1
        try:
            self._struct(top=True)
        except IndexError:
            raise ValueError("a page header that is cut") from None
        self.size = self._place

    def _struct(self, top: bool = False) -> None:
        number = 0
        while (head := self._byte()) != _STOP:
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._signed()
            if top and number in (2, 3):
                value = self._signed()
                self.unpacked, self.packed = (value, self.packed) if number == 2 else (self.unpacked, value)
            else:
                self._skip(kind)

    def _skip(self, kind: int) -> None:
        if kind in (_TRUE, _FALSE):
            return
        if kind == _STRUCT:
            self._struct()
        elif kind == _BINARY:
            self._place += self._varint()
        elif kind in (_LIST, _SET):
            head = self._byte()
            size = head >> 4 if head >> 4 != 15 else self._varint()
            for _ in range(size):
                self._skip(head & 15)
        elif kind in (_BYTE, _DOUBLE):
            self._place += 1 if kind == _BYTE else 8
        else:
            self._varint()

    def _byte(self) -> int:
        self._place += 1
        return self._data[self._place - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def _signed(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
