"""Arrow batches into a table by binary COPY."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg2 import sql

from sluice.contract.errors import ToolError
from sluice.warehouse.engine import Progress, TypedRows
from sluice.warehouse.postgres.session import DATABASE_ERRORS

COPY_BYTES = 8 << 20  # handed to libpq at once: an encoded batch, since each call waits for the encoder's thread
AHEAD = 2  # encoded batches that wait for the server; about 3 MB each


def copy(connection: sa.Connection, table: sa.Table, stream: TypedRows, progress: Progress | None = None) -> None:
    """Add rows to a table that this transaction has made."""
    # FREEZE (allowed, since this transaction made the table) spares the audit's scan from writing hint bits.
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE)").format(
        sql.Identifier(str(connection.schema_for_object(table)), table.name),
        sql.SQL(", ").join(sql.Identifier(name) for name in stream.schema.names),
    )
    driver_connection = connection.connection.driver_connection
    if driver_connection is None:
        raise ToolError("the connection to the warehouse is gone")
    # The table's pages go to the disk while it is filled, not all of them in the commit.
    connection.execute(sa.text("SET LOCAL backend_flush_after = '1MB'"))
    source = _CopySource(_ahead(_encode(stream, progress)))
    try:
        with driver_connection.cursor() as cursor:
            cursor.copy_expert(statement, source, size=COPY_BYTES)
    except DATABASE_ERRORS:
        if source.error is not None:  # what stopped the COPY; the driver says only that reading failed
            raise source.error from None
        raise


def _encode(stream: TypedRows, progress: Progress | None) -> Iterator[bytes]:
    encoder = ArrowToPostgresBinaryEncoder(pa.schema([_wire(field) for field in stream.schema]))
    special = [place for place, field in enumerate(stream.schema) if field != _wire(field)]
    yield encoder.write_header()
    for rows in stream:
        yield encoder.write_batch(_on_wire(rows, special) if special else rows)
        if progress:
            progress(stream.rows_read, stream.bytes_read)
    yield encoder.finish()


def _wire(field: pa.Field) -> pa.Field:
    """The field as its bytes are sent: JSON and UUIDs have no separate encoder."""
    special = pa.types.is_large_string(field.type) or pa.types.is_fixed_size_binary(field.type)
    return pa.field(field.name, pa.binary()) if special else field


def _on_wire(rows: pa.RecordBatch, places: list[int]) -> pa.RecordBatch:
    """The rows, UUIDs as their bytes, and JSON as PostgreSQL's jsonb receives it: behind a byte with its version."""
    for place in places:
        values = rows.column(place)
        made = values.cast(pa.binary())
        if pa.types.is_large_string(values.type):
            made = pc.binary_join_element_wise(pa.scalar(b"\x01"), made, pa.scalar(b""))
        rows = rows.set_column(place, rows.schema.names[place], made)
    return rows


def _ahead(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same parts, the next ones made in a thread while the last is sent: the server need not wait for them."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sluice-encode") as thread:
        following = deque(thread.submit(next, parts, None) for _ in range(AHEAD))
        while (part := following.popleft().result()) is not None:
            following.append(thread.submit(next, parts, None))
            yield part


class _CopySource:
    """The file that psycopg2 reads a COPY from: hands on encoded batches in pieces, keeps what stopped it."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._part = memoryview(b"")
        self.error: BaseException | None = None

    def read(self, size: int) -> bytes:
        try:
            while not self._part:
                part = next(self._parts, None)
                if part is None:
                    return b""
                self._part = memoryview(part)
        except BaseException as error:
            self.error = error
            raise
        piece, self._part = self._part[:size], self._part[size:]
        return bytes(piece)
