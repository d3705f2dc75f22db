"""The rows of a load in the lake: typed, numbered, as Parquet, in place of COPY."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
from pyarrow import dataset, parquet

from sluice.contract.contract import Contract
from sluice.warehouse.engine import Progress, TypedRows

GROUP_ROWS = 131_072  # in a row group: what one task of Spark reads at least


def land(rows: TypedRows, file: str, progress: Progress | None = None) -> int:
    """Write the rows of a stream into one file, which is complete or is not read.

    Args:
        file: path or URI of what pyarrow can write.

    Returns:
        How many there were.
    """
    system, place = pa.fs.FileSystem.from_uri(file)
    system.create_dir(place.rpartition("/")[0], recursive=True)
    schema = pa.schema([_stored(field) for field in rows.schema])
    written = 0
    with parquet.ParquetWriter(place, schema, filesystem=system) as writer:
        for group in _groups(rows, progress):
            writer.write_table(_as_stored(group, schema), row_group_size=GROUP_ROWS)
            written += group.num_rows
    return written


def read(place: str, contract: Contract, rows: int) -> Iterator[pa.Table]:
    """The rows of a file or a folder of files, each file's in order, with the contract's types: some at a time."""
    system, path = pa.fs.FileSystem.from_uri(place)
    for batch in dataset.dataset(path, filesystem=system, format="parquet").to_batches(batch_size=rows):
        if batch.num_rows:
            yield typed(pa.Table.from_batches([batch]), contract)


def typed(table: pa.Table, contract: Contract) -> pa.Table:
    """Rows as they were before they were written."""
    for column in contract.columns:
        place = table.schema.get_field_index(column.name)
        if place >= 0 and table.schema.field(place).type != column.type.arrow:
            table = table.set_column(place, column.name, table.column(place).cast(column.type.arrow))
    return table


def drop_decided(folder: str, kept: Mapping[int, str]) -> None:
    """Remove what is landed of loads that are not in progress, and what an audit found in it.

    Args:
        folder: URI of a dataset's landed loads; each name begins with the load's number.
        kept: status of each load by its number.
    """
    system, place = pa.fs.FileSystem.from_uri(folder)
    for entry in system.get_file_info(pa.fs.FileSelector(place, allow_not_found=True)):
        number = entry.base_name.partition("_")[0]
        if number.isdigit() and kept.get(int(number)) != "started":
            system.delete_dir(entry.path)


def _groups(rows: TypedRows, progress: Progress | None) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in rows:
        waiting.append(batch)
        if sum(map(len, waiting)) >= GROUP_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting = []
        if progress:
            progress(rows.rows_read, rows.bytes_read)
    if waiting:
        yield pa.Table.from_batches(waiting)


def _stored(field: pa.Field) -> pa.Field:
    """A time of day as microseconds since midnight, which Spark 3.5 has no type for; texts and bytes as Spark's own."""
    kind = field.type
    if pa.types.is_time64(kind):
        kind = pa.int64()
    elif pa.types.is_fixed_size_binary(kind):
        kind = pa.binary()
    elif pa.types.is_large_string(kind):
        kind = pa.string()
    return pa.field(field.name, kind)


def _as_stored(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table if table.schema == schema else table.cast(schema)
