"""Read Parquet rows as typed columns, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.source.files import SourceFile
from sluice.source.readers.rows import Rows

ROWS = 16_384  # rows per Arrow batch: about 4 MB of taxi trips, and speed gains nothing beyond
BUFFER_BYTES = 1 << 20  # per column; unbuffered, whole column chunks (often of a million rows) lie in memory


class ParquetReader:
    """The rows of a Parquet file."""

    blank_lines = 0

    def __init__(self, file: SourceFile, files: Files) -> None:
        self._file, self._max_bytes = file, files.max_bytes
        try:
            self._parquet = pq.ParquetFile(
                str(file.path),
                buffer_size=BUFFER_BYTES,
                pre_buffer=False,
                coerce_int96_timestamp_unit="us",  # as nanoseconds, years after 2262 would wrap in silence
                page_checksum_verification=True,  # where the writer left checksums, flipped bits are found
            )
            schema = self._parquet.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from None
        self.names: list[str] = schema.names
        self.types: list[pa.DataType] = schema.types
        self._rows = 0

    @property
    def rows_counted(self) -> int:
        """Rows by the footer."""
        return int(self._parquet.metadata.num_rows)

    @property
    def bytes_read(self) -> int:
        """About: the share of the rows read, of the file's bytes."""
        return self._file.size * self._rows // max(self.rows_counted, 1)

    def close(self) -> None:
        self._parquet.close()

    def __iter__(self) -> Iterator[Rows]:
        """Rows in order.

        Raises:
            DataError: damaged pages, or more bytes than the contract allows.
        """
        total = 0
        batches = self._parquet.iter_batches(batch_size=ROWS, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise self._damaged(error) from None
            if batch is None:
                return
            total += batch.nbytes
            if total > self._max_bytes:
                raise DataError(
                    f"{self._file.address}: holds more than the {self._max_bytes:,} bytes, unpacked, that "
                    "its contract allows; to allow more, raise Files.max_bytes"
                )
            self._rows += len(batch)
            yield Rows(batch.columns, len(batch))

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"{self._file.address}: the Parquet file is damaged or truncated ({error}); "
            "ask the provider to deliver it again"
        )
