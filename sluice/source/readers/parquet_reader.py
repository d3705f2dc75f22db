"""Read Parquet rows as typed columns, a bounded number of bytes at a time.

What a batch takes is known before it is unpacked: text is read as dictionaries, whose values are counted before they
are repeated, and pages are measured by their headers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.source.files import SourceFile
from sluice.source.readers.parquet_pages import largest_page
from sluice.source.readers.rows import RawRows, without_long_cells

ROWS = 16_384  # rows per Arrow batch: about 4 MB of taxi trips, and speed gains nothing beyond
BUFFER_BYTES = 1 << 20  # per column; unbuffered, whole column chunks (often of a million rows) lie in memory
BATCH_BYTES = 16 << 20  # of a batch, unpacked; up to its COPY it is held several times
PAGE_BYTES = 128 << 20  # of the largest page; writers make pages of 1 MB
DELTA_ROWS = 256  # rows a batch of a column whose values are written as differences, so that few bytes make many


class ParquetReader:
    """The rows of a Parquet file."""

    blank_lines = 0

    def __init__(self, file: SourceFile, files: Files) -> None:
        self._file, self._files = file, files
        self._rows = 0
        try:
            metadata = pq.read_metadata(str(file.path))
            self._metadata = metadata
            self._parquet = pq.ParquetFile(
                str(file.path),
                metadata=metadata,
                read_dictionary=self._repeated(),
                buffer_size=BUFFER_BYTES,
                pre_buffer=False,
                coerce_int96_timestamp_unit="us",  # as nanoseconds, years after 2262 would wrap in silence
                page_checksum_verification=True,  # where the writer left checksums, flipped bits are found
            )
            schema = self._parquet.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from None
        fields = [field for field in schema if field.name not in files.ignore]
        self.names: list[str] = [field.name for field in fields]
        self.types: list[pa.DataType] = [_plain(field.type) for field in fields]
        self._refuse_large()

    @property
    def rows_counted(self) -> int:
        """Rows by the footer."""
        return int(self._metadata.num_rows)

    @property
    def bytes_read(self) -> int:
        """About: the share of the rows read, of the file's bytes."""
        return self._file.size * self._rows // max(self.rows_counted, 1)

    def close(self) -> None:
        self._parquet.close()

    def __iter__(self) -> Iterator[RawRows]:
        """Rows in order.

        Raises:
            DataError: damaged pages, a page that is too large, or more bytes than the contract allows.
        """
        total = 0
        for batch in self._batches():
            for piece in _pieces(batch):
                total += _size(piece)
                if total > self._files.max_bytes:
                    raise self._too_large(total)
                self._rows += len(piece)
                yield without_long_cells(RawRows(piece.columns, len(piece)), self._files.max_field_bytes)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for group in range(self._metadata.num_row_groups):
            try:
                largest = largest_page(self._file.path, self._metadata, group)
                if largest > PAGE_BYTES:
                    raise DataError(
                        f"{self._file.address}: has a page of {largest:,} bytes, unpacked, where {PAGE_BYTES:,} are "
                        "the most; ask the provider to write pages of 1 MB, the default of Parquet writers"
                    )
                rows = self._rows_at_once(group)
                batches = self._parquet.iter_batches(rows, [group], columns=self.names, use_threads=False)
                while (batch := next(batches, None)) is not None:
                    yield batch
            except (pa.ArrowException, OSError, ValueError) as error:
                raise self._damaged(error) from None

    def _repeated(self) -> list[str]:
        """The columns of text that are written as dictionaries, by their paths."""
        found = set()
        for group in range(self._metadata.num_row_groups):
            for place in range(self._metadata.num_columns):
                chunk = self._metadata.row_group(group).column(place)
                if chunk.physical_type == "BYTE_ARRAY" and any("DICTIONARY" in kind for kind in chunk.encodings):
                    found.add(chunk.path_in_schema)
        return sorted(found)

    def _rows_at_once(self, group: int) -> int:
        """Rows of which even four times the average fit into a batch."""
        facts = self._metadata.row_group(group)
        chunks = [facts.column(place) for place in range(facts.num_columns)]
        if any("DELTA_BYTE_ARRAY" in chunk.encodings for chunk in chunks):
            return DELTA_ROWS
        width = sum(chunk.total_uncompressed_size for chunk in chunks) / max(facts.num_rows, 1)
        width = max(width * 4, 16 * facts.num_columns)
        return max(1, min(ROWS, int(BATCH_BYTES / max(width, 1))))

    def _refuse_large(self) -> None:
        """Refuse by the footer what would end at the limit anyhow."""
        groups = [self._metadata.row_group(group) for group in range(self._metadata.num_row_groups)]
        size = sum(
            group.column(place).total_uncompressed_size for group in groups for place in range(group.num_columns)
        )
        if size > self._files.max_bytes:
            self.close()
            raise self._too_large(size)

    def _too_large(self, size: int) -> DataError:
        return DataError(
            f"{self._file.address}: holds more than the {self._files.max_bytes:,} bytes, unpacked, that its contract "
            f"allows; to allow more, set Files(max_bytes={2 * size})"
        )

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"{self._file.address}: the Parquet file is damaged or truncated ({error}); "
            "ask the provider to deliver it again"
        )


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type that the file gives: a dictionary is our way to read it."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch, in halves of halves until each fits into memory, unpacked."""
    if len(batch) < 2 or _size(batch) <= BATCH_BYTES:
        yield batch
        return
    half = len(batch) // 2
    yield from _pieces(batch.slice(0, half))
    yield from _pieces(batch.slice(half))


def _size(batch: pa.RecordBatch) -> int:
    """Bytes of a batch once its dictionaries are unpacked."""
    return sum(map(_bytes, batch.columns))


def _bytes(array: pa.Array) -> int:
    if isinstance(array, pa.ExtensionArray):
        return _bytes(array.storage)
    if pa.types.is_dictionary(array.type):
        lengths = np.asarray(pc.fill_null(pc.binary_length(array.dictionary), 0))
        used = array.indices.drop_null().to_numpy(zero_copy_only=False)
        return int(lengths[used].sum(dtype=np.int64)) + 4 * len(array)
    if pa.types.is_struct(array.type):
        return sum(_bytes(field) for field in array.flatten())
    if pa.types.is_map(array.type):
        first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()  # keys and items are of the whole batch
        return sum(_bytes(each.slice(first, last - first)) for each in (array.keys, array.items)) + 4 * len(array)
    if pa.types.is_nested(array.type):
        return _bytes(array.flatten()) + 4 * len(array)
    return int(array.nbytes)
