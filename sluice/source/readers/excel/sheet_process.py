"""Prints the rows of a sheet as JSON. Run as a program, so that a workbook that unpacks to gigabytes ends this process
and no other; it knows nothing of Sluice.

    python -I sheet_process.py '{"path": ..., "sheet": ..., "memory": bytes, "most": bytes, "out_of_memory": code}'

The first line is an object: the sheet's name, the number of its last filled row by its XML, the cells without a value
(errors, formulas that were never calculated). Each further line is a list of rows. A refusal is one line with `error`.
Ends with the code `out_of_memory` if the rows need more than `memory`; what is written in Rust ends it by SIGABRT then.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

ROWS = 1000  # a line
SMALL_PART = 4 << 20  # bytes of the workbook's own lists
MOST_ODD = 10_000  # cells without a value
BLOCK = 1 << 20
MOST_OF_ROW = 32 << 20  # bytes; 16,384 cells have about 1 MB
_ROW = re.compile(rb"<(?:\w+:)?row\b([^>]*)>")
_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*[^/])>(.*?)</(?:\w+:)?c>", re.DOTALL)
_NUMBER = re.compile(rb"""\br=["'](\d+)["']""")
_PLACE = re.compile(rb"""\br=["']([A-Z]+)(\d+)["']""")
_ERROR = re.compile(rb"""\bt=["']e["']""")
_VALUE = re.compile(rb"<(?:\w+:)?v[^>]*>([^<]*)<")
_FILLED = re.compile(rb"<(?:\w+:)?(?:v[^>]*>[^<]|is\b)")
_FORMULA = re.compile(rb"<(?:\w+:)?f\b")


class Refused(Exception):
    """Why a workbook is not read, and what would be."""


def main(asked: dict[str, Any]) -> None:
    limit_memory(asked["memory"])
    try:
        with zipfile.ZipFile(asked["path"]) as packed:
            sheets, visible = sheets_of(packed)
            for name in chosen(list(sheets), visible, asked["sheet"], asked["draft"]):
                refuse_large(packed, name, sheets[name], asked["most"])
                with packed.open(sheets[name]) as xml:
                    last, odd = scanned(xml)
                if last:
                    break
        say({"sheet": name, "sheets": visible, "last": last, "odd": odd})
        for rows in rows_of(asked["path"], name):
            say(rows)
    except Refused as error:
        say({"error": str(error)})
    except (zipfile.BadZipFile, zlib.error, EOFError, ElementTree.ParseError, NotImplementedError) as error:
        say({"error": f"is damaged ({error}); ask the provider to deliver it again"})
    except MemoryError:
        sys.exit(asked["out_of_memory"])
    except RuntimeError:
        say({"error": "is encrypted; ask the provider for a file without a password"})


def limit_memory(limit: int) -> None:
    with suppress(ImportError, ValueError, OSError):  # not every system has such a limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def sheets_of(packed: zipfile.ZipFile) -> tuple[dict[str, str], list[str]]:
    """The sheets, by name the name of its part in the archive; and the names of those that are visible."""
    related = part(packed, "xl/_rels/workbook.xml.rels").iter()
    targets = {each.get("Id"): each.get("Target", "") for each in related if each.get("Id")}
    found, visible = {}, []
    for each in part(packed, "xl/workbook.xml").iter():
        if each.tag.rpartition("}")[2] != "sheet":
            continue
        key = next((value for name, value in each.items() if name.endswith("}id")), None)
        target = targets.get(key, "").removeprefix("/")
        target = target if target.startswith("xl/") else f"xl/{target}"
        name = each.get("name", "")
        if "/worksheets/" in target:  # not a sheet with a chart alone
            found[name] = target
            visible += [name] if each.get("state", "visible") == "visible" else []
    return found, visible


def part(packed: zipfile.ZipFile, name: str) -> ElementTree.Element:
    try:
        with packed.open(name) as file:
            text = file.read(SMALL_PART + 1)
    except KeyError:
        raise Refused(f"has no {name}: it is damaged; ask the provider to deliver it again") from None
    if len(text) > SMALL_PART:
        raise Refused(f"its {name} has more than {SMALL_PART:,} bytes; ask the provider for CSV")
    return ElementTree.fromstring(text)


def chosen(sheets: list[str], visible: list[str], wanted: str, draft: bool) -> list[str]:
    """The sheet that is meant; for a draft, all of which the first with rows may be."""
    if wanted in sheets:
        return [wanted]
    names = ", ".join(map(repr, visible[:20])) + (", ..." if len(visible) > 20 else "")
    if wanted:
        raise Refused(f"has no sheet {wanted!r}; it has {names}: set Files(sheet=...) to one of them")
    if not visible:
        raise Refused("has no visible sheet; choose a hidden one with Files(sheet=...)")
    if len(visible) > 1 and not draft:
        raise Refused(f"has {len(visible)} sheets: {names}. Choose one with Files(sheet={visible[0]!r})")
    return visible


def refuse_large(packed: zipfile.ZipFile, name: str, target: str, most: int) -> None:
    sizes = {info.filename: info.file_size for info in packed.infolist()}
    if target not in sizes:
        raise Refused(f"has no part for its sheet {name!r}: it is damaged; ask the provider to deliver it again")
    size = sizes[target] + sizes.get("xl/sharedStrings.xml", 0)
    if size > most:
        raise Refused(
            f"its sheet {name!r} has {size:,} bytes, unpacked, at most {most:,} are read; ask the provider for CSV or "
            "Parquet, or for several smaller files"
        )


def scanned(xml: Any) -> tuple[int, list[tuple[int, int, str]]]:
    """The number of the last row that holds something, and the cells whose value calamine would give as empty."""
    last = number = 0
    odd: list[tuple[int, int, str]] = []
    for row in pieces(xml):
        found = _ROW.search(row)
        if found is None:
            continue
        given = _NUMBER.search(found[1])
        number = int(given[1]) if given else number + 1
        if _FILLED.search(row, found.end()) or _FORMULA.search(row, found.end()):
            last = number
        if b't="e"' in row or b"t='e'" in row or _FORMULA.search(row, found.end()):
            odd += odd_cells(row, number)
        if len(odd) > MOST_ODD:
            raise Refused(f"more than {MOST_ODD:,} of its cells hold errors; ask the provider for a corrected file")
    return last, odd


def pieces(xml: Any) -> Iterator[bytes]:
    """The sheet's XML, cut before each row."""
    rest = b""
    while block := xml.read(BLOCK):
        rest += block
        starts = [found.start() for found in _ROW.finditer(rest)]
        yield from (rest[start:end] for start, end in pairwise(starts))
        rest = rest[starts[-1] :] if starts else rest[-100:]
        if len(rest) > MOST_OF_ROW:
            raise Refused(f"has a row of more than {MOST_OF_ROW:,} bytes; ask the provider for a corrected file")
    yield rest


def odd_cells(row: bytes, number: int) -> Iterator[tuple[int, int, str]]:
    """Errors as they are shown, and formulas that nobody calculated, by row and column from 0."""
    place = -1
    for cell in _CELL.finditer(row):
        given = _PLACE.search(cell[1])
        place = column(given[1]) if given else place + 1
        value = _VALUE.search(cell[2])
        if _ERROR.search(cell[1]):
            yield number - 1, place, value[1].decode() if value else "#ERROR"
        elif _FORMULA.search(cell[2]) and (value is None or not value[1]) and b'"str"' not in cell[1]:
            yield number - 1, place, "(a formula that was not calculated)"


def column(letters: bytes) -> int:
    found = 0
    for letter in letters:
        found = found * 26 + letter - 64
    return found - 1


def rows_of(path: str, name: str) -> Iterator[list[list[Any]]]:
    import python_calamine

    try:
        with python_calamine.CalamineWorkbook.from_path(path) as workbook:
            sheet = workbook.get_sheet_by_name(name)
            rows: list[list[Any]] = []
            for row in sheet.iter_rows():
                rows.append(row)
                if len(rows) >= ROWS:
                    yield rows
                    rows = []
            yield rows
    except python_calamine.PasswordError:
        raise Refused("is encrypted; ask the provider for a file without a password") from None
    except python_calamine.CalamineError as error:
        raise Refused(f"is damaged ({error}); ask the provider to deliver it again") from None


def spelt(value: Any) -> list[Any]:
    """A date or time, as a list of its kind and its text."""
    if isinstance(value, datetime.timedelta):
        seconds = value.total_seconds()
        return ["span", f"{int(seconds // 3600):02d}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"]
    if isinstance(value, datetime.datetime):
        return ["moment", value.isoformat(sep=" ")]
    return ["date" if isinstance(value, datetime.date) else "time", value.isoformat()]


def say(what: Any) -> None:
    sys.stdout.write(json.dumps(what, default=spelt) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
