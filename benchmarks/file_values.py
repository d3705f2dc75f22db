"""Hold the rows that a loader gives for a file against what the file says, cell by cell. Knows no loader."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from file_cells import Cell, encoded
from file_moments import formats_of, moments

NULLS = {"", "null", "na", "n/a", "nan", "none", r"\n", "#n/a", "<na>", "missing", "unknown"}
TRUE = {"true", "t", "yes", "y", "1", "ja", "j", "1.0", "s", "si", "sì", "oui", "o"}
FALSE = {"false", "f", "no", "n", "0", "nein", "0.0", "non"}
SIGNS = ",;\t|"
_MARK = re.compile(r"[^\w\s]{1,3}")  # signs alone, for no value


@dataclass
class Truth:
    """What a file says: names, and rows of texts (null where a sidecar says so), or of values where it is typed."""

    columns: list[str]
    rows: list[list[Any]]
    typed: bool = False
    bad_rows: set[int] = field(default_factory=set)  # from 1: may be rejected


@dataclass
class Loaded:
    """What a loader gave.

    Attributes:
        refused: its message, if it loaded nothing.
        rejected: numbers of the rows, from 1, that it reports as rejected.
        option: what its refusal said to add, with which it was asked again.
    """

    columns: list[str] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)
    refused: str | None = None
    rejected: list[int] = field(default_factory=list)
    option: str = ""


def truth_of(path: Path) -> Truth:
    """The sidecar's values, else the file read as text by the standard library, or by pyarrow.

    Raises:
        ValueError: it can be read by neither: only a sidecar says what is right.
    """
    sidecar = path.with_name(f"{path.name}.expected.json")
    if sidecar.exists():
        said = json.loads(sidecar.read_text())
        return Truth(said["columns"], said["rows"], True, set(said.get("bad_rows", ())))
    if path.read_bytes()[:4] == b"PAR1":
        table = pq.read_table(path)
        return Truth(table.column_names, [list(row.values()) for row in table.to_pylist()], True)
    text = path.read_bytes().decode("utf-8-sig")
    tables = [table for sign in SIGNS if (table := _table(text, sign))]
    if not tables:
        raise ValueError("no delimiter gives every row the same number of fields")
    rows = max(tables, key=lambda rows: len(rows[0]))
    return Truth(rows[0], rows[1:])


def _table(text: str, sign: str) -> list[list[str]] | None:
    """The filled records, if all have the same number of fields, and nothing stands after a closing quote."""
    try:
        records = list(csv.reader(io.StringIO(text), delimiter=sign, strict=True))
    except csv.Error:
        return None
    alone = not any(other in text for other in SIGNS)
    rows = (
        [row or [""] for row in records] if alone else [row for row in records if row]
    )  # of one column, a blank is null
    return rows if rows and len({len(row) for row in rows}) == 1 and (alone or len(rows[0]) > 1) else None


def verdict_of(truth: Truth, loaded: Loaded) -> tuple[str, str]:
    """`right`, `right with an option`, `rejected visibly`, `refused` or `silently wrong`; and why."""
    if loaded.refused is not None:
        return "refused", loaded.refused
    rejected = set(loaded.rejected)
    rows = [row for number, row in enumerate(truth.rows, 1) if number not in rejected]
    if len(rows) != len(loaded.rows):
        return "silently wrong", f"{len(loaded.rows)} rows for {len(rows)}"
    places = _places(truth, loaded)
    for place, name in enumerate(truth.columns):
        cells = [row[place] for row in rows]
        if places[place] is None:
            if any(cell not in ("", None) for cell in cells):
                return "silently wrong", f"column {name!r} is not there"
            continue
        got = [row[places[place]] for row in loaded.rows]
        if wrong := _first_wrong(cells, got, truth.typed):
            return "silently wrong", f"column {name!r}: {wrong[0]!r} became {wrong[1]!r}"
    if rejected - truth.bad_rows:
        return "rejected visibly", f"{len(rejected)} rows"
    return ("right with an option", loaded.option) if loaded.option else ("right", "")


def _places(truth: Truth, loaded: Loaded) -> list[int | None]:
    """Where each column is: by its name without signs, or by its place if not all have another name."""
    known = {_plain(name): place for place, name in enumerate(loaded.columns)}
    found = [known.get(_plain(name)) for name in truth.columns]
    if len(loaded.columns) == len(truth.columns) and (None in found or len(set(found)) < len(found)):
        return list(range(len(truth.columns)))
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _first_wrong(cells: Sequence[Any], got: Sequence[Cell], typed: bool) -> tuple[Any, Any] | None:
    text_column = any(cell is not None and cell[0] == "s" for cell in got)
    timed = any(cell is not None and cell[0] == "t" for cell in got)
    times = formats_of([cell.strip() for cell in cells if _is_filled(cell)]) if timed else []
    for expected, cell in zip(cells, got, strict=True):
        if not _same(expected, cell, text_column, times, typed):
            return expected, cell and cell[1]
    return None


def _same(expected: Any, cell: Cell, text_column: bool, times: list[str], typed: bool) -> bool:
    if cell is None:
        empty = expected is None or (isinstance(expected, float) and expected != expected)
        return empty or (isinstance(expected, str) and _may_be_null(expected, text_column))
    if expected is None:
        return cell[1] == ""
    kind, text = cell
    if typed and not isinstance(expected, str):
        return _same_value(expected, cell)
    expected = str(expected)
    if kind == "s":
        return text == expected
    if kind == "b":
        return expected.strip().lower() in (TRUE if text == "True" else FALSE)
    if kind in "nfd":
        return _same_number(expected.strip(), kind, text)
    if kind == "t":
        return text in moments(expected.strip(), times)
    if kind == "j":
        with suppress(ValueError):
            return bool(json.loads(expected) == json.loads(text))
    return kind == "x" and text == expected.encode().hex()


def _is_filled(cell: Any) -> bool:
    return isinstance(cell, str) and not _may_be_null(cell, False)


def _may_be_null(expected: str, text_column: bool) -> bool:
    """An empty text may be null anywhere, a word for it only where no other cell is a text."""
    word = expected.strip().lower()
    return not word or (not text_column and (word in NULLS or _MARK.fullmatch(word) is not None))


def _same_value(expected: Any, cell: list[str]) -> bool:
    """A value of a typed file, or of a sidecar."""
    other = encoded(expected)
    assert other is not None
    if other[0] in "nfd" and cell[0] in "nfd":
        return (
            Decimal(other[1]) == Decimal(cell[1])
            if "f" not in other[0] + cell[0]
            else f"{float(other[1]):.15g}" == f"{float(cell[1]):.15g}"  # all that a double is sure of
        )
    if other[0] == "j" and cell[0] in "js":
        return bool(json.loads(other[1]) == json.loads(cell[1]))
    if other[0] == "t" and cell[0] == "t":
        return bool(moments(other[1], []) & moments(cell[1], []))
    if other[0] in "nfd" and cell[0] == "s":  # as text, for other cells of its column
        with suppress(InvalidOperation):
            return Decimal(other[1]) == Decimal(cell[1])
    return other[1] == cell[1]


def _same_number(expected: str, kind: str, text: str) -> bool:
    if re.fullmatch(r"-?0[0-9]+", expected):  # a code: as a number it has lost its zeros
        return False
    if kind == "f" and len(re.sub(r"[eE].*|[^0-9]", "", expected).lstrip("0")) > 17:
        return False
    number = Decimal(text)
    for candidate in _numbers(expected):
        if candidate == number or (kind == "f" and float(candidate) == float(text)):
            return True
    return False


def _numbers(text: str) -> list[Decimal]:
    negative = (text.startswith("(") and text.endswith(")")) or text.endswith("-")
    bare = re.sub(r"[^0-9eE.,+-]", "", re.sub(r"(?i)[a-df-z]{1,3}$|^[a-z]{1,3}", "", text.strip("()"))).rstrip("-")
    point, comma = bare.replace(",", ""), bare.replace(".", "").replace(",", ".")
    both = "," in bare and "." in bare
    forms = (
        {point if bare.rfind(".") > bare.rfind(",") else comma} if both else {point, comma} if "," in bare else {bare}
    )
    found = []
    for form in forms:
        with suppress(InvalidOperation):
            value = Decimal(form)
            value = -value if negative else value
            found += [value, value / 100] if "%" in text else [value]
    return found
