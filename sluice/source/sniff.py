"""Recognize the type of a file by its bytes, never by its name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from sluice.contract.errors import DataError
from sluice.source.files import Compression, Format
from sluice.source.parts import archive
from sluice.source.parts.stream import DAMAGE, opened
from sluice.source.readers.encodings import marked

HEAD_BYTES = 4096
SEEN = 20  # lines that show whether a file is of plain values
EXPECTED = "CSV, JSON Lines, Excel (xlsx) or Parquet, plain or packed (gzip, zstd, bzip2, xz, zip)"


class EmptyFile(DataError):
    """A file with no rows: a delivery that failed at the source, more often than a month without trips."""


class Kind(NamedTuple):
    format: Format
    compression: Compression | None


_COMPRESSIONS: dict[bytes, Compression] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # without a member
}
_FOREIGN = {
    b"7z\xbc\xaf": "a 7-zip archive",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow (Feather) file",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
    b"Rar!": "a RAR archive",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
_OLE = b"\xd0\xcf\x11\xe0"  # the container of old Office files, and of new ones with a password
_PROTECTED = "EncryptedPackage".encode("utf-16-le")  # names a stream of the container
_JSON = re.compile(rb'\s*(\{\s*["}]|\[\s*[{\]])')
# Lines above the rows of a JSON file; `#` alone may begin the header of a CSV file, and what follows decides.
_COMMENTS = re.compile(rb"(?:[ \t]*(?:#|//)[^\r\n]*[\r\n]+)+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_VALUES = (
    "a JSON array of values, which have no names; rows are objects. To make a column of them: "
    "jq -c '.[] | {value: .}' FILE > ROWS.jsonl"
)
_ARRAYS = (
    "JSON whose rows are arrays, so that their values have no names; rows are objects. To make CSV of it: "
    "jq -r '{}@csv' FILE > ROWS.csv"
)
_SCALARS = (
    "JSON with a plain value in each line, which has no name; rows are objects. To make a column of them: "
    "jq -c '{value: .}' FILE > ROWS.jsonl"
)
_NAMED_JSON = re.compile(r"(?i)\.(json|jsonl|ndjson)(\.[a-z0-9]+)?\)?$")
_SCRIPTS = (
    (rb"\x1e\s*[{\[]", "a JSON text sequence; remove the marks: tr -d '\\036' < FILE > ROWS.jsonl"),
    (rb"[{\[]\s*\{?\s*'[^'\r\n]*'\s*:", "text as Python prints it, not JSON, which has \" where it has '"),
    (rb"(\[\s*)?\{\s*[A-Za-z_$][\w$]*\s*:\s", "JavaScript, not JSON, which has names in quotes"),
    (
        rb"((var|let|const)\s+)?[A-Za-z_$][\w$.]*\s*[=(]\s*(\[\s*)?\{",
        "JavaScript around JSON; ask for JSON alone",
    ),
)
_MARKUP = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<error")


def sniff(path: Path, address: str) -> Kind:
    """The format and compression of a file; of an archive, the format of its first file with rows.

    Raises:
        DataError: it is in no format that is read; the message says what it is instead.
        EmptyFile: it holds no byte, compressed or not.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise EmptyFile(f"{address}: the file is empty (0 bytes); ask the provider to deliver it again")
    compression = next((name for magic, name in _COMPRESSIONS.items() if head.startswith(magic)), None)
    if compression == "zip":
        return _of_archive(path, address)
    if head.startswith(_OLE):
        raise DataError(f"{address}: is {_office(path)}; expected {EXPECTED}")
    if compression is None:
        return Kind(_format(head, address), None)
    head = _unpacked_head(path, compression, address)
    return Kind(_format(head, address, f" inside {compression}"), compression)


def kind_of_member(path: Path, member: str, address: str) -> Kind:
    """As `sniff`, of a file in a zip archive."""
    head = _unpacked_head(path, "zip", address, member)
    return Kind(_format(head, address, " inside zip"), "zip")


def _of_archive(path: Path, address: str) -> Kind:
    """A workbook; or a zip archive, with the format of its first file with rows.

    CSV if no file has any, since only the contract says which files are meant.
    """
    try:
        archive.refuse_large_directory(path, address)
        if kind := archive.workbook(path):
            if kind != "xlsx":
                raise DataError(f"{address}: is a spreadsheet in the format {kind}; ask the provider for xlsx or CSV")
            return Kind("excel", None)
        infos = archive.members(path, address)
    except (*DAMAGE, NotImplementedError) as error:
        raise archive.damaged(address, error) from None
    if len(infos) <= 1:
        (info,) = archive.chosen(infos, "", address)
        return kind_of_member(path, info.filename, f"{address} ({archive.shown(info.filename)})")
    for info in infos[: archive.SHOWN]:
        try:
            archive.chosen([info], "", address)
            return kind_of_member(path, info.filename, address)
        except DataError:
            continue
    return Kind("csv", "zip")


def _format(head: bytes, address: str, within: str = "") -> Format:
    """The format of a file by its first bytes, unpacked."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if (mark := marked(head)) and mark != "utf-8":
        head = head.decode(mark, "ignore").encode()
    if _JSON.match(_without_comments(head)):
        return "json"
    if within and head.startswith(b"PK\x03\x04") and (b"[Content_Types].xml" in head or b"xl/" in head):
        return "excel"
    if what := foreign(head):
        raise DataError(f"{address}: is {what}{within}; expected {EXPECTED}")
    if _NAMED_JSON.search(address) and _is_scalars(head):
        raise DataError(f"{address}: is {_SCALARS}")
    return "csv"


def foreign(head: bytes) -> str | None:
    """What the first bytes of a file show it to be, if that is in no format that is read."""
    if packed := next((name for magic, name in _COMPRESSIONS.items() if head.startswith(magic)), None):
        return f"compressed twice: {packed}"
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            return what
    if head.startswith(_OLE):
        return "an old Excel (xls) file, or one with a password; save it as xlsx without one"
    text = _without_comments(head).lstrip()
    if text[:16].lower().startswith(_MARKUP):
        return "an HTML or XML page (an error page of the server?)"
    if script := next((what for pattern, what in _SCRIPTS if re.match(pattern, text)), None):
        return script
    if array := _array(text):
        return array
    if b"\0" in head.split(b"\n", 1)[0]:
        return "binary data (if it is UTF-16 text: iconv -f utf-16le -t utf-8 FILE > ROWS.csv)"
    return None


def _without_comments(head: bytes) -> bytes:
    """The text without its mark, and without the lines above it that a JSON file may have."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    return text[found.end() :] if (found := _COMMENTS.match(text)) else text


def _array(text: bytes) -> str | None:
    """What a JSON array is whose records are not objects; None if the text is not JSON, as the interval `[0,10)`."""
    if re.match(rb"\[\s*\[", text):
        return _ARRAYS.format(".[] | ")
    if not re.match(rb'\[\s*["0-9tfn-]', text):
        return None
    shown = text.decode(errors="replace").rstrip()
    try:
        _, end = json.JSONDecoder().raw_decode(shown)
    except json.JSONDecodeError as error:
        unterminated = shown[error.pos :][:1] == '"' and _STRING.match(shown, error.pos) is None
        cut = len(text) > HEAD_BYTES // 2 and (unterminated or error.pos > len(shown) - 8)
        return _VALUES if cut else None
    rest = shown[end:]
    if not rest:
        return _VALUES
    return _ARRAYS.format("") if re.match(r"\s*\n\s*\[", rest) else None


def _is_scalars(head: bytes) -> bool:
    """Whether each line is a value of JSON: a text, a number, true, false or null."""
    lines = [line for line in _without_comments(head).splitlines() if line.strip()][:SEEN]
    try:
        return bool([json.loads(line) for line in (lines if len(head) < HEAD_BYTES or len(lines) < 2 else lines[:-1])])
    except ValueError:
        return False


def _office(path: Path) -> str:
    """What a file in the container of old Office files is."""
    last = b""
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            if _PROTECTED in last + block:
                return "an Excel file that is protected by a password; save it without one"
            last = block[-len(_PROTECTED) :]
    return "an old Excel (xls) file; save it as xlsx"


def _unpacked_head(path: Path, compression: Compression, address: str, member: str = "") -> bytes:
    try:
        stream = opened(path, compression, member)
        try:
            head = bytes(stream.read(HEAD_BYTES))
        finally:
            stream.close()
    except (*DAMAGE, NotImplementedError) as error:
        raise DataError(
            f"{address}: the {compression} data is damaged ({error}); ask the provider to deliver it again"
        ) from None
    if not head:
        raise EmptyFile(
            f"{address}: the file is empty (0 bytes in {compression}); ask the provider to deliver it again"
        )
    return head
