"""Excel: one sheet, its cells as the columns need them; a workbook that is too large ends another process only."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pytest

from sluice.contract.batches import Single
from sluice.contract.columns import WHOLE_ROW, Bool, Date, Float, Int, Money, Text, Time, Timestamp, column
from sluice.contract.contract import Contract, Files
from sluice.contract.errors import DataError
from sluice.source.fetch import fetch, look
from sluice.source.files import SourceFile
from sluice.source.readers.excel import sheet as excel_sheet
from sluice.source.readers.row_stream import open_rows
from sluice.source.sniff import EmptyFile
from tests.support.workbooks import Error, sheet, workbook


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number.", source="Order ID")
    placed_at: Timestamp = column("When.", source="Placed", nullable=True)
    due: Date = column("Promised day.", source="Due", nullable=True)
    slot: Time = column("Time of day.", source="Slot", nullable=True)
    weight: Float = column("Weight.", source="Weight", nullable=True)
    total: Money = column("Sum.", source="Total", nullable=True)
    paid: Bool = column("Whether it is paid.", source="Paid", nullable=True)
    note: Text = column("Words.", source="Note", nullable=True)


ORDERS = Contract(
    source="shop", entity="orders", owner="tests", schema=Orders, files=Files(url="orders.xlsx", batches=Single())
)
HEADER = ["Order ID", "Placed", "Due", "Slot", "Weight", "Total", "Paid", "Note"]
FULL = [1, datetime(2024, 1, 2, 3, 4, 5), date(2024, 1, 9), time(8, 30), 0.1 + 0.2, 0.1 + 0.2, True, "a\nb"]


def delivered(path: Path) -> SourceFile:
    return fetch(look(str(path)), path.parent)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """The rows of a workbook with these sheets."""

    def rows_of(sheets: Any, hidden: Any = (), **files: Any) -> list[dict[str, Any]]:
        sheets = sheets if isinstance(sheets, dict) else {"Orders": sheets}
        file = delivered(workbook(tmp_path / "orders.xlsx", sheets, hidden))
        assert (file.format, file.compression) == ("excel", None)
        with open_rows(file, replace(ORDERS, files=replace(ORDERS.files, **files)), "all") as found:
            rows = [row for batch in found for row in batch.to_pylist()]
            assert found.rows_read == found.rows_counted == len(rows)
        assert [row["_row_number"] for row in rows] == list(range(1, len(rows) + 1))
        return rows

    return rows_of


def unparsed(row: dict[str, Any]) -> dict[str, str]:
    return json.loads(row["_unparsed"]) if row["_unparsed"] else {}


def test_a_row_is_typed(read: Callable[..., list[dict[str, Any]]]) -> None:
    rows = read([HEADER, FULL, [2]])
    assert rows[0] == {
        "order_id": 1,
        "placed_at": datetime(2024, 1, 2, 3, 4, 5),
        "due": date(2024, 1, 9),
        "slot": time(8, 30),
        "weight": 0.1 + 0.2,
        "total": Decimal("0.30"),
        "paid": True,
        "note": "a\nb",
        "_row_number": 1,
        "_unparsed": None,
    }
    assert set(rows[1].values()) == {2, None}


def test_a_cell_is_read_as_its_column_needs_it(read: Callable[..., list[dict[str, Any]]]) -> None:
    (row,) = read([HEADER, ["7", date(2024, 1, 2), "2024-01-09", "08:30", "1.5", "12.30", "true", 12.0]])
    assert (row["order_id"], row["placed_at"], row["note"]) == (7, datetime(2024, 1, 2), "12")
    assert row["_unparsed"] is None


def test_a_cell_that_does_not_parse_keeps_its_text(read: Callable[..., list[dict[str, Any]]]) -> None:
    (row,) = read([HEADER, [1.5, "soon", datetime(2024, 1, 2, 3, 4), None, "heavy", 0.125, "maybe", None]])
    assert unparsed(row) == {
        "order_id": "1.5", "placed_at": "soon", "due": "2024-01-02 03:04:00", "weight": "heavy", "total": "0.125",
        "paid": "maybe",
    }  # fmt: skip


def test_an_error_of_a_formula_is_not_an_empty_cell(read: Callable[..., list[dict[str, Any]]]) -> None:
    rows = read([HEADER, [1, None, None, None, Error("#DIV/0!"), None, None, Error("#N/A")], [2]])
    assert unparsed(rows[0]) == {"weight": "#DIV/0!", "note": "#N/A"}
    assert rows[1]["_unparsed"] is None


def test_a_formula_that_was_never_calculated_is_not_an_empty_cell(read: Callable[..., list[dict[str, Any]]]) -> None:
    body = sheet([HEADER, FULL], '<row r="3"><c r="A3"><v>2</v></c><c r="E3"><f>A3*2</f></c></row>')
    assert unparsed(read({"Orders": body})[1]) == {"weight": "(a formula that was not calculated)"}


def test_empty_rows_are_left_out_and_counted(tmp_path: Path, read: Callable[..., list[dict[str, Any]]]) -> None:
    rows = [[], HEADER, FULL, [], [None, None, None, None, None, None, None, "last"]]
    assert [row["note"] for row in read(rows)] == ["a\nb", "last"]
    with open_rows(delivered(tmp_path / "orders.xlsx"), ORDERS, "all") as found:
        list(found)
        assert found.blank_lines == 2


def test_a_table_may_begin_lower_and_further_right(read: Callable[..., list[dict[str, Any]]]) -> None:
    rows = [["Orders of May"], [], [None, *HEADER], [None, *FULL]]
    assert read(rows, skip=2, ignore=("column_1",))[0]["order_id"] == 1
    shifted = sheet([[None, None, *HEADER], [None, None, *FULL]])
    assert read({"Orders": shifted}, ignore=("column_1", "column_2"))[0]["order_id"] == 1


def test_a_sheet_without_a_header_has_the_contracts_names(read: Callable[..., list[dict[str, Any]]]) -> None:
    assert len(read([FULL, FULL], header=False, names=tuple(HEADER))) == 2


def test_a_sheet_is_chosen_by_its_name(read: Callable[..., list[dict[str, Any]]]) -> None:
    sheets = {"Read me": [["Hello"]], "Orders & more": [HEADER, FULL], "Old": [["x"]]}
    with pytest.raises(DataError, match=r"has 2 sheets: 'Read me', 'Orders & more'.*Files\(sheet='Read me'\)"):
        read(sheets, hidden=["Old"])
    assert len(read(sheets, sheet="Orders & more")) == 1
    with pytest.raises(DataError, match=r"has no sheet 'Order'; it has 'Read me'.*Files\(sheet=\.\.\.\)"):
        read(sheets, sheet="Order")
    assert len(read(sheets, hidden=["Read me", "Old"])) == 1
    assert len(read(sheets, hidden=["Orders & more"], sheet="Orders & more")) == 1


def test_an_empty_sheet_is_an_empty_file(read: Callable[..., list[dict[str, Any]]]) -> None:
    for rows in ([], [HEADER]):
        with pytest.raises(EmptyFile):
            read(rows)


def test_a_sheet_that_is_too_large_by_the_archives_list_is_refused_unread(
    read: Callable[..., list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excel_sheet, "SHEET_BYTES", 1000)
    with pytest.raises(DataError, match=r"at most 1,000 are read; ask the provider for CSV or Parquet"):
        read([HEADER, *[FULL] * 100])


def test_a_sheet_that_would_fill_memory_ends_another_process_and_is_refused(
    read: Callable[..., list[dict[str, Any]]],
) -> None:
    far = sheet([HEADER, FULL], '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')
    with pytest.raises(DataError, match=r"more than 1,024 MB of memory; ask the provider for CSV or Parquet"):
        read({"Orders": far})


def test_rows_that_the_reader_loses_are_missed(
    read: Callable[..., list[dict[str, Any]]],
) -> None:
    twice = sheet([HEADER, FULL]).replace(
        "</sheetData>", '</sheetData><!-- <row r="9"><c r="A9"><v>2</v></c></row> -->'
    )
    with pytest.raises(DataError, match="1 rows were read, but 8 were counted"):
        read({"Orders": twice})


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels"])
def test_a_damaged_workbook_is_refused(tmp_path: Path, part: str) -> None:
    whole = workbook(tmp_path / "whole.xlsx", {"Orders": [HEADER, FULL]})
    path = tmp_path / "orders.xlsx"
    with zipfile.ZipFile(whole) as packed, zipfile.ZipFile(path, "w") as damaged:
        for name in packed.namelist():
            body = packed.read(name)
            damaged.writestr(name, body[: len(body) // 2] if name == part else body)
    with (
        pytest.raises(DataError, match=r"orders\.xlsx: .*ask the provider"),
        open_rows(delivered(path), ORDERS, "all") as found,
    ):
        list(found)
    path.write_bytes(whole.read_bytes()[:-30])
    with pytest.raises(DataError, match="not a whole zip archive"):
        delivered(path)


def test_a_packed_workbook_is_read(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "whole.xlsx", {"Orders": [HEADER, FULL]})
    with zipfile.ZipFile(tmp_path / "orders.zip", "w") as packed:
        packed.write(whole, "orders.xlsx")
    with open_rows(delivered(tmp_path / "orders.zip"), ORDERS, "all") as found:
        assert sum(map(len, found)) == 1


def test_a_header_between_the_rows_of_a_sheet_is_a_malformed_row(read: Callable[..., list[dict[str, Any]]]) -> None:
    rows = read([HEADER, FULL, HEADER, FULL])
    assert [row["order_id"] for row in rows] == [1, None, 1]
    assert [row["_unparsed"] for row in rows][::2] == [None, None]
    assert json.loads(rows[1]["_unparsed"]) == {WHOLE_ROW: ", ".join(HEADER)}
