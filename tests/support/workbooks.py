"""Excel workbooks, written by hand: what a spreadsheet program stores, and what a broken one may."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

_NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_EPOCH = datetime(1899, 12, 30)
_STYLES = (  # 1: dates, 2: dates and times, 3: times, 4: per cent
    f"<styleSheet {_NAMESPACE}><fonts><font/></fonts><fills><fill/></fills><borders><border/></borders>"
    "<cellStyleXfs><xf/></cellStyleXfs><cellXfs><xf/>"
    + "".join(f'<xf numFmtId="{number}" applyNumberFormat="1"/>' for number in (14, 22, 21, 10))
    + "</cellXfs></styleSheet>"
)


class Error(str):
    """What a formula that failed shows: `#N/A`."""


def workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]] | str], hidden: Sequence[str] = ()) -> Path:
    """Write a workbook. A sheet is its rows, or its XML."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        parts = range(1, len(sheets) + 1)
        packed.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="xml" ContentType="application/xml"/>'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_TYPES}.styles+xml"/>'
            + "".join(
                f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPES}.worksheet+xml"/>'
                for n in parts
            )
            + "</Types>",
        )
        packed.writestr("_rels/.rels", _related({"rId1": ("officeDocument", "xl/workbook.xml")}))
        named = "".join(
            f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"{" state=" + quoteattr("hidden") if name in hidden else ""}/>'  # noqa: E501
            for n, name in enumerate(sheets, start=1)
        )
        packed.writestr(
            "xl/workbook.xml", f'<workbook {_NAMESPACE} xmlns:r="{_RELATIONS}"><sheets>{named}</sheets></workbook>'
        )
        related = {f"rId{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in parts}
        packed.writestr("xl/_rels/workbook.xml.rels", _related({**related, "rId0": ("styles", "styles.xml")}))
        packed.writestr("xl/styles.xml", _STYLES)
        for n, rows in enumerate(sheets.values(), start=1):
            packed.writestr(f"xl/worksheets/sheet{n}.xml", rows if isinstance(rows, str) else sheet(rows))
    return path


def sheet(rows: Sequence[Sequence[Any]], cells: str = "") -> str:
    """The XML of a sheet."""
    body = "".join(
        f'<row r="{r}">' + "".join(_cell(f"{_letters(c)}{r}", value) for c, value in enumerate(row)) + "</row>"
        for r, row in enumerate(rows, start=1)
    )
    return f"<worksheet {_NAMESPACE}><sheetData>{body}{cells}</sheetData></worksheet>"


def _related(parts: Mapping[str, tuple[str, str]]) -> str:
    body = "".join(
        f'<Relationship Id="{name}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for name, (kind, target) in parts.items()
    )
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{body}</Relationships>'


def _letters(place: int) -> str:
    return ("" if place < 26 else _letters(place // 26 - 1)) + chr(65 + place % 26)


def _cell(place: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Error):
        return f'<c r="{place}" t="e"><v>{escape(value)}</v></c>'
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    style = 0
    if isinstance(value, datetime):
        style, value = 2, (value - _EPOCH).total_seconds() / 86400
    elif isinstance(value, date):
        style, value = 1, (datetime(value.year, value.month, value.day) - _EPOCH).days
    elif isinstance(value, time):
        style, value = 3, (value.hour * 3600 + value.minute * 60 + value.second) / 86400
    return f'<c r="{place}" s="{style}"><v>{value!r}</v></c>'
