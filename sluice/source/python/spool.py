"""Rows of a function or a caller into one file: Parquet for tables and frames, JSON Lines for dicts.

So rows of any origin are read by the readers of files: columns compared with the contract, rows counted twice, cells
that do not parse kept. Memory: one chunk.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sluice.contract.checks.in_pandas import reason_of
from sluice.contract.contract import Contract
from sluice.contract.errors import DataError, SluiceError, ToolError
from sluice.contract.sources import MOST_ROWS, ROWS, Rows
from sluice.source.files import BLOCK_BYTES, Format, Listing, SourceFile, SourceMissing, stamp_of
from sluice.source.python.plain_values import line_of
from sluice.source.sniff import EmptyFile

MIDWAY = "the function failed midway"
ANY_TEXT = ("text", "bytes", "json")  # types of columns that would take the word inf
GIVES = "pyarrow tables or record batches, pandas frames, or dicts"


def address_of(contract: Contract, batch: str) -> str:
    """What a delivery of a function is called in the ledger and in messages."""
    return f"{ROWS}://{contract}/{batch}"


def look(contract: Contract, batch: str) -> Listing:
    """What is known of a function's rows without calling it: their version, if it names one.

    Raises:
        ToolError: the function that names it failed.
    """
    assert isinstance(contract.files, Rows)
    address, version = address_of(contract, batch), contract.files.version
    if version is None:
        return Listing(address, None, None, None)
    try:
        named = version(batch)
        return Listing(address, None, None if named is None else str(named), None)
    except Exception as error:
        raise _failed(contract, f"{address}: its version could not be asked for", error) from error


def call(contract: Contract, listing: Listing, batch: str, folder: Path) -> SourceFile:
    """The rows that the contract's function gives for a batch, in a file under `folder`.

    Raises:
        SourceMissing: it returned None: the batch is not there yet.
        DataError, ToolError: as `keep`; or the function itself failed.
    """
    assert isinstance(contract.files, Rows)
    try:
        data = contract.files.read(batch)
    except Exception as error:
        raise _failed(contract, f"{listing.address}: the function failed", error) from error
    if data is None:
        raise SourceMissing(f"{listing.address}: the function returned None: the batch is not there yet")
    return keep(contract, listing, data, folder, contract.files.max_rows)


def keep(contract: Contract, listing: Listing, data: Any, folder: Path, most: int = MOST_ROWS) -> SourceFile:
    """Rows in a file under `folder`, with the fingerprint of the file.

    Args:
        data: a table or a frame, or an iterable of them or of dicts.
        most: rows that it may give.

    Raises:
        DataError: it gives something else, another kind or other columns midway, or more rows than it may.
        EmptyFile: it gives no row.
        ToolError: it failed midway, or the disk did.
    """
    place = folder / hashlib.sha256(f"{listing.address}".encode()).hexdigest()[:16]
    shutil.rmtree(place, ignore_errors=True)  # what a former run kept
    place.mkdir(parents=True)
    path = place / "rows"
    try:
        kind = _write(contract, listing.address, _chunks(contract, listing.address, data), path, most)
        return _file(listing, path, kind)
    except SluiceError:
        shutil.rmtree(place, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(place, ignore_errors=True)
        raise ToolError(f"{listing.address}: its rows could not be kept: {error.strerror or error}") from None
    except Exception as error:
        shutil.rmtree(place, ignore_errors=True)
        raise _failed(contract, f"{listing.address}: {MIDWAY}", error) from error


def _file(listing: Listing, path: Path, kind: Format) -> SourceFile:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    size, sha256 = path.stat().st_size, digest.hexdigest()
    return SourceFile(listing.address, path, size, listing.etag, None, sha256, kind, None, stamp_of(path))


def _failed(contract: Contract, what: str, error: Exception) -> SluiceError:
    """An error of the project's code. It may quote values, so it is kept short where some are personal."""
    return error if isinstance(error, SluiceError) else ToolError(f"{what}: {reason_of(contract, error)}")


def _chunks(contract: Contract, address: str, data: Any) -> Iterator[Any]:
    """Tables, frames and dicts, one after the other."""
    if isinstance(data, pd.DataFrame | Mapping) or _is_arrow(data):
        yield data
    elif isinstance(data, str | bytes) or not isinstance(data, Iterable):
        raise DataError(f"{address}: gives {type(data).__name__}, expected {GIVES}")
    else:
        try:
            yield from data
        except Exception as error:  # of the function, which may be the network's
            raise _failed(contract, f"{address}: {MIDWAY}", error) from error


def _is_arrow(data: Any) -> bool:
    return hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")


def _write(contract: Contract, address: str, chunks: Iterator[Any], path: Path, most: int) -> Format:
    first = next(chunks, None)
    if first is None:
        raise EmptyFile(f"{address}: gives no row")
    every = chain([first], chunks)
    if isinstance(first, Mapping):
        with path.open("w", encoding="utf-8") as file:
            _write_dicts(contract, address, every, file, most)
        return "json"
    _write_tables(contract, address, _parts(contract, address, every, most), path, most)
    return "parquet"


def _write_dicts(contract: Contract, address: str, rows: Iterable[Any], file: IO[str], most: int) -> None:
    words = {name for column in contract.columns if column.type.name in ANY_TEXT for name in column.sources}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise DataError(f"{address}: gives {type(row).__name__} after dicts; give one kind")
        _refuse_endless(contract, address, number, most)
        file.write(line_of(row, f"{address}, row {number:,}", words) + "\n")


def _parts(contract: Contract, address: str, chunks: Iterable[Any], most: int) -> Iterator[pa.RecordBatch]:
    for number, chunk in enumerate(chunks, start=1):
        _refuse_endless(contract, address, number, most)  # it may be endless without a row
        yield from _tables(address, chunk)


def _tables(address: str, chunk: Any) -> Iterator[pa.RecordBatch]:
    """Record batches without what pandas or a file says about them, which is not part of the rows."""
    if isinstance(chunk, pd.DataFrame):
        try:
            chunk = pa.Table.from_pandas(chunk, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(f"{address}: a frame has a column of several types: {str(error).splitlines()[0]}") from None
    elif not _is_arrow(chunk):
        what = "dicts after tables; give one kind" if isinstance(chunk, Mapping) else f"{type(chunk).__name__}"
        raise DataError(f"{address}: gives {what}, expected {GIVES}")
    if not isinstance(chunk, pa.RecordBatch) and hasattr(chunk, "__arrow_c_stream__"):
        chunks: Iterable[pa.RecordBatch] = pa.RecordBatchReader.from_stream(chunk)
    else:
        chunks = [pa.record_batch(chunk)]
    for each in chunks:
        yield each.replace_schema_metadata(None)


def _write_tables(contract: Contract, address: str, chunks: Iterable[pa.RecordBatch], path: Path, most: int) -> None:
    writer: pq.ParquetWriter | None = None
    rows = 0
    try:
        for chunk in chunks:
            rows += len(chunk)
            _refuse_endless(contract, address, rows, most)
            if writer is None:
                schema = _schema(contract, chunk.schema)
                writer = pq.ParquetWriter(path, schema)
            writer.write_batch(_as(schema, chunk, f"{address}, from row {rows - len(chunk) + 1:,}"))
    finally:
        if writer is not None:
            writer.close()
    if not rows:
        raise EmptyFile(f"{address}: gives no row")


def _schema(contract: Contract, given: pa.Schema) -> pa.Schema:
    """The first part's, with the contract's type where a column holds only nulls, so that it may hold values later."""
    types = {name: column.type.arrow for column in contract.columns for name in column.sources}
    return pa.schema(
        pa.field(each.name, types.get(each.name, each.type) if pa.types.is_null(each.type) else each.type)
        for each in given
    )


def _as(schema: pa.Schema, chunk: pa.RecordBatch, where: str) -> pa.RecordBatch:
    if chunk.schema.equals(schema):
        return chunk
    if chunk.schema.names != schema.names:
        raise DataError(f"{where}: its columns are {', '.join(chunk.schema.names)}, before they were "
                        f"{', '.join(schema.names)}")  # fmt: skip
    arrays = []
    for field, array in zip(schema, chunk.columns, strict=True):
        try:
            arrays.append(array.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise DataError(f"{where}: {field.name} is {array.type}, before it was {field.type}") from None
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _refuse_endless(contract: Contract, address: str, rows: int, most: int) -> None:
    if rows > most:
        raise DataError(
            f"{address}: gives more than {most:,} rows. If that is right, allow more: Rows(..., max_rows=...) in the "
            f"contract of {contract}"
        )
