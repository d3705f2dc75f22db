"""The beginning of a CSV file: lines to skip, `sep=`, the header; and a name for every column. Pure."""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.source.readers.csv_quotes import Quotes

LONGEST_HEADER = 1 << 20  # bytes
SEEN = 100  # records that are looked at for one more field than there are names
_SEP = re.compile(rb'"?sep=([^\r\n"])"?[ \t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the rows.

    Attributes:
        names: of the columns; None where the file has no header and the contract names none.
        delimiter: the contract's, or the one that the file states itself.
        size: bytes before the first row.
        lines: filled lines in them.
        record: the header as the file has it; empty if there is none.
    """

    names: list[str] | None
    delimiter: str
    size: int
    lines: int
    blank: int
    record: bytes = b""


def head_of(data: bytes, files: Files, address: str) -> Head | None:
    """What the first piece of a file begins with; None if no header is in it.

    Raises:
        DataError: the header is not CSV.
    """
    place = len(BOM_UTF8) if data.startswith(BOM_UTF8) else 0
    for _ in range(files.skip):
        place = _end(_LINE, data, place)
    delimiter = files.delimiter
    place = _after_blank(data, place)
    if said := _SEP.match(data, place):
        delimiter, place = said[1].decode("latin-1"), _after_blank(data, said.end())
    if not files.header:
        before = b"" if data[:place] == BOM_UTF8 else data[:place]  # the mark alone does not count as a line
        return Head(list(files.names) or None, delimiter, place, *_lines(before))
    if place == len(data):
        return None
    end = _header_end(data, place, files)
    record = Quotes(replace(files, delimiter=delimiter)).trimmed(data[place:end])
    names = list(files.names) or _cells(record, delimiter, files, address)
    after = end + len(_LINE.match(data, end)[0])  # type: ignore[index]
    return Head(named(names), delimiter, after, *_lines(data[:after]), record)


def _end(pattern: re.Pattern[bytes], data: bytes, place: int) -> int:
    found = pattern.match(data, place)
    return found.end() if found else place


def _after_blank(data: bytes, place: int) -> int:
    while data[place : place + 1] in (b"\r", b"\n") and place < len(data):
        place += 1
    return place


def _lines(data: bytes) -> tuple[int, int]:
    lines = data.splitlines()
    filled = sum(line != b"" for line in lines)
    return filled, len(lines) - filled


def _header_end(data: bytes, start: int, files: Files) -> int:
    """Where the header's last line ends: a name in quotes may hold line breaks."""
    end = start
    quote = files.quote.encode()
    while True:
        line = _LINE.match(data, end)
        text = line[0].rstrip(b"\r\n") if line else b""
        whole = data[start : end + len(text)]
        if not quote or not line or whole.count(quote) % 2 == 0 or line.end() == len(data):
            return end + len(text) if whole.count(quote or b"\n") % 2 == 0 or not quote else _first_line(data, start)
        if line.end() - start > LONGEST_HEADER:
            return _first_line(data, start)
        end = line.end()


def _first_line(data: bytes, start: int) -> int:
    line = _LINE.match(data, start)
    return start + len(line[0].rstrip(b"\r\n")) if line else start


def _cells(record: bytes, delimiter: str, files: Files, address: str) -> list[str]:
    try:
        return cells(closed(record.decode(), delimiter, files.quote), delimiter, files)
    except UnicodeDecodeError:
        raise DataError(
            f'{address}: the header is not text in UTF-8; set the encoding it is in, as in Files(encoding="cp1252")'
        ) from None
    except csv.Error as error:
        raise DataError(f"{address}: the header is not CSV: {error}; ask the provider for a corrected file") from None


def closed(record: str, delimiter: str, quote: str) -> str:
    """A record without blanks between a closing quote and the end of its field, which hide that it is one."""
    blanks = " \t".replace(delimiter, "")
    end = rf"(?=[\r\n]|\Z|{re.escape(delimiter)})"
    return re.sub(f"{re.escape(quote)}[{blanks}]+{end}", quote, record) if quote else record


def cells(record: str, delimiter: str, files: Files) -> list[str]:
    """The cells of one record."""
    reader = csv.reader(
        re.split(r"(?<=\n)|(?<=\r)(?!\n)", record),  # splitlines() takes more characters for line ends
        delimiter=delimiter,
        quotechar=files.quote or None,
        quoting=csv.QUOTE_MINIMAL if files.quote else csv.QUOTE_NONE,
        escapechar=files.escape or None,
        strict=True,
    )
    return next(reader, [])


def named(names: Sequence[str]) -> list[str]:
    """The names, with one for each column that has none (`column_4`) or another column's (`id_2`)."""
    taken = {name for name in names if name.strip()}
    found: list[str] = []
    for place, name in enumerate(names, start=1):
        wanted = name if name.strip() else f"column_{place}"
        if wanted in found or (not name.strip() and wanted in taken):
            number = 2
            while f"{wanted}_{number}" in taken or f"{wanted}_{number}" in found:
                number += 1
            wanted = f"{wanted}_{number}"
        found.append(wanted)
    return found


def with_trailing(names: list[str], records: Sequence[bytes], delimiter: str, files: Files) -> list[str]:
    """The names, and `column_N` for an empty field that every record has after the last of them."""
    ends = delimiter.encode()
    if not records or not all(record.endswith(ends) for record in records[:SEEN]):
        return names
    for record in records[:SEEN]:
        try:
            found = cells(record.decode("latin-1"), delimiter, files)
        except csv.Error:
            return names
        if len(found) != len(names) + 1:
            return names
    return named([*names, ""])


def ended(records: Sequence[bytes], width: int, delimiter: str, files: Files) -> list[bytes]:
    """The records of a file whose header ends with a delimiter, with one after the last field where it was left out."""
    end = delimiter.encode()

    def lacks(record: bytes) -> bool:
        if record.endswith(end) or record.count(end) < width - 2:
            return False
        try:
            return len(cells(record.decode("latin-1"), delimiter, files)) == width - 1
        except csv.Error:
            return False

    return [record + end if lacks(record) else record for record in records]


def misfit(names: Sequence[str], records: Sequence[bytes], files: Files) -> str:
    """What is said of a header with more or fewer names than every one of the first records has fields; or ""."""
    try:
        widths = {len(cells(record.decode("latin-1"), files.delimiter, files)) for record in records[:SEEN]}
    except csv.Error:
        return ""
    if len(records) < 2 or len(widths) != 1 or widths == {len(names)}:
        return ""
    return (
        f"its header has {len(names)} names, and its rows have {widths.pop()} fields. If the rows are right, give each "
        "field a name, in the file's order: Files(names=(...)) in the contract; if the first line is not the header: "
        "Files(skip=1)"
    )
