"""How many lines stand above the header of a CSV file: titles, and what is said of all rows. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from sluice.source.dialects.comments import MOST_SKIPPED

ROWS = 20  # below a header that show whether it is one
SAID = 2  # fields of a line that says something of all rows: what it is, and its value
_FIGURE = re.compile(r"[-+(<>~ ]*[0-9][0-9.,:/+\-TZ ]*[%)]?")  # a number, a date, a time
_LABEL = re.compile(r"^\w+:\s+")  # of a line of comment: `#Fields: date time`

Records = Sequence[Sequence[str]]


def narrow_titles(records: Records, ends: Sequence[int], width: int) -> int:
    """Lines before the header: records narrower than the rows by more than an unnamed field. Wider ones are rows.

    Args:
        ends: lines up to the end of each record.
        width: fields of the rows.
    """
    first = next((n for n, record in enumerate(records) if len(record) == width), 0)
    if not 0 < first <= MOST_SKIPPED or width == 1:
        return 0
    if len(records[first - 1]) > width:  # a header, if delimiters that only it ends with make it wider
        names, more = records[first - 1][:width], records[first - 1][width:]
        return ends[first - 2] if first > 1 and not any(more) and is_header(names, records[first:]) else 0
    unnamed = len(records[first - 1]) == width - 1 and width > 2 and all(records[first - 1])
    if unnamed and not is_header(records[first], records[first + 1 :]):
        first -= 1  # a header, and rows with one field more than it names
    return ends[first - 1] if first else 0


def padded_titles(records: Records, ends: Sequence[int], skip: int) -> int:
    """Lines before the header, those among them that a sheet's export fills up with empty fields."""
    rest = [(record, end) for record, end in zip(records, ends, strict=True) if end > skip]
    filled = [_filled(record) for record, _ in rest]
    for most in (SAID, 1):
        first = next((n for n, cells in enumerate(filled) if cells > most), 0)
        below = [cells for cells in filled[first:] if cells]  # a sheet's export may end in rows of nothing
        many = sum(cells > most for cells in below) * 2 > max(len(below), first)
        header, *rows = [record for record, _ in rest[first:]] or [[]]
        if many and 0 < first <= MOST_SKIPPED and (most == 1 or is_header(header, rows)):
            return rest[first - 1][1]
    return skip


def _filled(record: Sequence[str]) -> int:
    """Cells that hold something; where only the first does not, all: it may be above an index, which has no name.

    Where most of the others are the same, it is a line that names groups of columns.
    """
    filled = [bool(cell.strip()) for cell in record]
    if not filled[1:] or not all(filled[1:]) or filled[0]:
        return sum(filled)
    return 1 if len({*record[1:]}) * 2 <= len(record) - 1 else len(filled)


def names_in_comment(lines: Sequence[str], comment: str, delimiter: str) -> tuple[str, ...]:
    """The names in the last line of comment above the rows, which have no other header; empty if it has none."""
    first = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith(comment)), 0)
    above = [line for line in lines[:first] if line.strip()]
    rows = list(csv.reader([line for line in lines[first : first + ROWS] if line.strip()], delimiter=delimiter))
    if not above or not rows or len(rows[0]) < 2:
        return ()
    text = _LABEL.sub("", above[-1].removeprefix(comment).strip())
    names = [name.strip() for name in next(csv.reader([text], delimiter=delimiter))]
    named = len(names) == len(rows[0]) and is_header(names, rows) and not is_header(rows[0], rows[1:])
    return tuple(names) if named else ()


def are_numbered(lines: Sequence[str], delimiter: str, quote: str) -> bool:
    """Whether the first fields of the lines count "1", "2", "3", in quotes: so R writes the names of rows, which have
    no name above them."""
    firsts = [line.split(delimiter)[0] for line in lines[:ROWS] if line.strip()]
    counted = [f"{quote}{place}{quote}" for place in range(1, len(firsts) + 1)]
    return bool(quote) and len(firsts) > 2 and firsts == counted


def is_header(header: Sequence[str], rows: Records) -> bool:
    """Whether a record names the fields below it: texts, over numbers or dates in at least one field."""
    names = [cell.strip() for cell in header]
    while names and not names[-1]:
        names.pop()
    below = [row for row in rows[:ROWS] if len(row) >= len(names)]
    named = names[1:] if len(names) > 2 else names  # above an index, the first field has no name
    if len({*names}) < len(names) or not all(named) or any(map(_FIGURE.fullmatch, names)):
        return False
    figures = [sum(bool(_FIGURE.fullmatch(row[place].strip())) for row in below) for place in range(len(names))]
    return any(count * 2 > len(below) for count in figures)
