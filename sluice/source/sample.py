"""The first rows of a file, and how the file is to be read: what `sluice new` learns a dataset from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.contract.scaffold.draft import Sample
from sluice.source.dialect import encoding_of, proposed
from sluice.source.files import SourceFile
from sluice.source.readers.csv_records import Lines
from sluice.source.readers.row_stream import open_reader

ROWS = 100_000  # about 20 MB of a wide CSV file; a rarer value is found by the first audit
BYTES = 64 << 20  # of a file's own bytes, where its rows are long
HEAD_BYTES = 1 << 20


def sample_of(file: SourceFile, files: Files, given: frozenset[str]) -> tuple[Sample, Files]:
    """The first rows of the file, and the options that read it.

    Args:
        given: the options that the user set, which stay.

    Raises:
        DataError: the file is damaged, or has no whole row; or no options read it.
    """
    if file.format == "csv":
        files = proposed(_head(file, files), files, given)
    try:
        sample = _first_rows(file, files)
    except DataError as stray_quote:
        if file.format != "csv" or "multiline" in given:
            raise
        files = replace(files, multiline=True)
        try:
            sample = _first_rows(file, files)
        except DataError:
            raise stray_quote from None
    if file.format != "csv" or "encoding" in given or files.encoding != "utf-8":
        return sample, files
    encoding = encoding_of(b"\n".join(_wide(sample)))  # bytes that the head did not have
    if encoding == "utf-8":
        return sample, files
    files = replace(files, encoding=encoding)
    return _first_rows(file, files), files


def _head(file: SourceFile, files: Files) -> bytes:
    """The first bytes of a file, to the end of a line if there are more."""
    with closing(Lines(file, files)) as lines:
        head = b"".join(islice(lines.blocks(), 1))
    if len(head) < HEAD_BYTES:
        return head
    end = max(head.rfind(b"\n"), head.rfind(b"\r"))
    return head[: end + 1] if end > 0 else head


def _first_rows(file: SourceFile, files: Files) -> Sample:
    with closing(open_reader(file, files)) as reader:
        pieces: list[list[pa.Array]] = []
        count, whole = 0, True
        for rows in reader:
            kept = pa.array([n not in rows.rejected for n in range(rows.length)])
            pieces.append([column.filter(kept) for column in rows.columns])
            count += len(pieces[-1][0])
            if count >= ROWS or reader.bytes_read >= BYTES:
                whole = False
                break
        if not count:
            raise DataError(
                f"{file.address}: has column names but no whole row to learn from; give another sample, or say how it "
                "is written: --delimiter, --skip, --quote, --header/--no-header"
            )
        columns = [pa.concat_arrays(column)[:ROWS] for column in zip(*pieces, strict=True)]
        return Sample(reader.names, columns, whole, reader.types is not None, files.delimiter)


def _wide(sample: Sample) -> Iterator[bytes]:
    """Cells that are not ASCII."""
    for column in sample.columns:
        if pa.types.is_binary(column.type):
            found = column.filter(pc.match_substring_regex(column, r"[^\x00-\x7f]").fill_null(False))
            yield from found[:1000].to_pylist()
