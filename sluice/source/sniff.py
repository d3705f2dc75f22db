"""Recognize the type of a file by its bytes, never by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa

from sluice.contract.errors import DataError
from sluice.source.readers.encodings import marked

Format = Literal["csv", "parquet"]
Compression = Literal["gzip", "zstd"]

HEAD_BYTES = 4096  # enough to hold a zip's first names, which identify an Excel file


class EmptyFile(DataError):
    """A file with no rows: a delivery that failed at the source, more often than a month without trips."""


class Kind(NamedTuple):
    format: Format
    compression: Compression | None


_COMPRESSIONS: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_FOREIGN = {
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"7z\xbc\xaf": "a 7-zip archive",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow (Feather) file",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel (xls) file",
}
_MARKUP = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<error")


def sniff(path: Path, address: str) -> Kind:
    """The format and compression of a file.

    Raises:
        DataError: it is neither CSV nor Parquet; the message says what it is instead.
        EmptyFile: it holds no byte, compressed or not.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise EmptyFile(f"{address}: the file is empty (0 bytes); ask the provider to deliver it again")
    if head.startswith(b"PAR1"):
        return Kind("parquet", None)
    compression = next((name for magic, name in _COMPRESSIONS.items() if head.startswith(magic)), None)
    if compression is not None:
        head = _decompressed_head(path, compression, address)
    if what := foreign(head, compression):
        raise DataError(f"{address}: is {what}; expected CSV (plain, gzip or zstd) or Parquet")
    return Kind("csv", compression)


def foreign(head: bytes, compression: Compression | None = None) -> str | None:
    """What the first bytes of a file show it to be, if that is no CSV."""
    within = f" inside {compression}" if compression else ""
    if compression and head.startswith((b"PAR1", *_COMPRESSIONS)):
        return ("Parquet" if head.startswith(b"PAR1") else "compressed twice:") + within
    if head.startswith(b"PK\x03\x04"):
        excel = b"[Content_Types].xml" in head or b"xl/" in head
        return ("an Excel (xlsx) file" if excel else "a zip archive") + within
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            return what + within
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:16].lower().startswith(_MARKUP):
        return "an HTML or XML page (an error page of the server?)" + within
    if text.startswith((b'{"', b"{\n", b"[{")):
        return "JSON" + within
    if b"\0" in head.split(b"\n", 1)[0] and not marked(head):
        return 'binary data (if it is UTF-16 text, set Files(encoding="utf-16-le"))' + within
    return None


def _decompressed_head(path: Path, compression: Compression, address: str) -> bytes:
    try:
        with pa.CompressedInputStream(pa.OSFile(str(path)), compression) as stream:
            head = bytes(stream.read(HEAD_BYTES))
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{address}: the {compression} data is damaged ({error}); ask the provider to deliver it again"
        ) from None
    if not head:
        raise EmptyFile(
            f"{address}: the file is empty (0 bytes in {compression}); ask the provider to deliver it again"
        )
    return head
