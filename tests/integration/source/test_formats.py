"""Files in every format: drafted and loaded without an edit, every value right; and loaded again out of quarantine."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from sluice.cli import new_dataset
from sluice.contract.batches import Single
from sluice.contract.columns import Bytes, Int, Json, Time, Uuid, column
from sluice.contract.contract import Contract, Files, Gate
from sluice.contract.errors import SluiceError
from sluice.contract.gate import decide
from sluice.ledger import loads
from sluice.staging import audit, publish, reload
from sluice.warehouse.warehouse import Warehouse
from tests.support.dataset_examples import assert_examples_hold
from tests.support.drafts import contract_of
from tests.support.workbooks import Error, workbook

COUNT = 40
RECORDS = [
    {
        "id": n,
        "price": n / 4,
        "sold_on": f"2024-01-{1 + n % 28:02d}",
        "zip": f"0{n + 1000}",
        "tags": [{"n": n}] if n % 2 else "none",
        **({"late": True} if n == COUNT else {}),
    }
    for n in range(1, COUNT + 1)
]
CELLS = [["id", "sold at", "price", "", "zip"]] + [
    [n, date(2024, 1, 1 + n % 28) if n % 2 else datetime(2024, 1, 2, 3, 4), n / 4, None, f"0{n + 1000}"]
    for n in range(1, COUNT + 1)
]
CSV = "id,name\n" + "".join(f"{n},n{n}\n" for n in range(1, 21))


def lines(path: Path) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in RECORDS))
    return path


def array(path: Path) -> Path:
    path.write_text(json.dumps(RECORDS, indent=2))
    return path


def excel(path: Path) -> Path:
    rows: list[list[Any]] = [["Sales of May"], [], *CELLS]
    rows[-1] = [COUNT, None, Error("#N/A"), None, None]
    return workbook(path, {"Notes": [], "Sales": rows, "More": [["x"]]})


def archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("1.csv", CSV)
        packed.writestr("2.csv", CSV.replace("\n1,", "\n21,"))
    return path


def lake(path: Path) -> Path:
    for month in ("01", "02"):
        folder = path / "year=2024" / f"month={month}"
        folder.mkdir(parents=True)
        nested = pa.array([[("a", n)] for n in range(20)], pa.map_(pa.string(), pa.int64()))
        pq.write_table(pa.table({"id": pa.array(range(20)), "sizes": nested}), folder / "part-0.parquet")
    return path


KINDS: dict[str, tuple[Callable[[Path], Path], int, dict[str, Any], tuple[str, ...]]] = {
    "lines.json": (
        lines,
        COUNT,
        {
            "sum(id)": 820,
            "max(price)": Decimal("10.00"),
            "min(sold_on)": date(2024, 1, 1),
            "min(zip)": "01001",
            "sum((tags -> 0 ->> 'n')::int)": 400,
            "count(*) filter (where tags = '\"none\"')": 20,
            "count(late)": 1,
        },
        (),
    ),
    "array.json": (array, COUNT, {"sum(id)": 820, "max(price)": Decimal("10.00"), "count(late)": 1}, ()),
    "sales.xlsx": (
        excel,
        COUNT - 1,
        {"sum(id)": 780, "min(sold_at)": datetime(2024, 1, 2), "max(price)": Decimal("9.75"), "max(zip)": "01039"},
        ('sheet="Sales",', "skip=2,"),
    ),
    "parts.zip": (archive, 40, {"max(id)": 21, "count(*)": 40}, ('member="*.csv",',)),
    "lake": (
        lake,
        40,
        {"min(year)": 2024, "string_agg(DISTINCT month, ',')": "01,02", "max((sizes ->> 'a')::int)": 19},
        (),
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_any_format_loads_right_from_its_draft(
    project: Path, deliver: Callable[..., Any], rows: Callable[..., Sequence[sa.Row]], name: str
) -> None:
    make, accepted, values, draft = KINDS[name]
    path = make(project / name)
    new_dataset.new(new_dataset.DatasetRequest("case", "file", str(path)))
    text = (project / "contracts" / "case_file.py").read_text()
    for words in draft:
        assert words in text
    contract = contract_of(project / "contracts" / "case_file.py")
    found = deliver(contract, "all", path)
    assert found.decision.open, str(found.decision)
    assert found.report.accepted == accepted
    [row] = rows(f"SELECT {', '.join(values)} FROM staging.case__file")
    assert dict(zip(values, row, strict=True)) == values


def titled(path: Path) -> Path:
    path.write_text("Sales of May\n\n" + CSV)
    return path


def headless(path: Path) -> Path:
    path.write_text(CSV.partition("\n")[2])
    return path


DRAFTED: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    **{name: (make, {}) for name, (make, *_) in KINDS.items()},
    "titled.csv": (titled, {}),
    "headless.csv": (headless, {"header": False, "names": ("id", "name")}),
}


@pytest.mark.parametrize("name", DRAFTED)
def test_the_example_rows_of_a_draft_do_what_they_say_however_the_file_is_written(
    project: Path, deliver: Callable[..., Any], rows: Callable[..., Sequence[sa.Row]], name: str
) -> None:
    make, options = DRAFTED[name]
    new_dataset.new(new_dataset.DatasetRequest("case", "file", str(make(project / name)), options=options))
    contract = contract_of(project / "contracts" / "case_file.py")
    assert_examples_hold(contract, project / "tests" / "data" / "case__file", project, deliver, rows)


class Things(pandera.DataFrameModel):
    n: Int = column("Number.", ge=10)
    id: Uuid = column("Key.", nullable=True)
    raw: Bytes = column("Bytes.", nullable=True)
    facts: Json = column("Facts.", nullable=True)
    at: Time = column("Time of day.", nullable=True)


class AnyThings(Things):
    n: Int = column("Number.")


KEY = "00000000-0000-0000-0000-00000000000a"
THINGS = [
    {"n": 1, "id": KEY, "raw": "é", "facts": {"a": [1.10, None]}, "at": "08:30:01.5"},
    {"n": 2, "id": KEY, "raw": "text", "facts": "a text", "at": None},
    {"n": 3, "id": None, "raw": None, "facts": None, "at": None},
    {"n": 4, "id": KEY, "raw": None, "facts": 5, "at": None},
    {"n": 5, "id": KEY, "raw": None, "facts": '{"no": "object"', "at": None},
    {"n": 20, "id": KEY, "raw": "é", "facts": [True], "at": "23:59"},
]


def test_rejected_rows_come_back_out_of_quarantine_with_the_values_they_had(
    tmp_path: Path, deliver: Callable[..., Any], rows: Callable[..., Sequence[sa.Row]], warehouse: Warehouse
) -> None:
    path = tmp_path / "things.json"
    path.write_text("".join(json.dumps(each) + "\n" for each in THINGS))
    strict = Contract(
        source="case",
        entity="things",
        owner="tests",
        schema=Things,
        files=Files(url=str(path), batches=Single()),
        gate=Gate(max_rejected=1),
    )
    query = "SELECT n, id::text, encode(raw, 'hex') AS raw, facts, at FROM staging.case__things ORDER BY n"
    assert deliver(strict, "all", path).report.rejected == 5
    lenient = replace(strict, schema=AnyThings)
    of = reload.replayed(warehouse, lenient, "all")
    with warehouse.engine.begin() as connection:
        batch = loads.begin_replay(connection, lenient, of, None)
    batch = reload.load_again(warehouse, lenient, batch, of)
    report = audit.audit(warehouse, lenient, batch)
    publish.publish(warehouse, lenient, batch, report, decide(lenient.gate, report))
    replayed = [tuple(row) for row in rows(query)]
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE staging.case__things"))
    deliver(lenient, "all", path)
    assert replayed == [tuple(row) for row in rows(query)]
    assert [row[0] for row in replayed] == [1, 2, 3, 4, 5, 20]
    assert replayed[0][1:] == (KEY, "c3a9", {"a": [1.1, None]}, time(8, 30, 1, 500000))
    assert [row[3] for row in replayed[1:5]] == ["a text", None, 5, '{"no": "object"']


def test_a_sheet_whose_first_row_is_a_record_is_not_taken_for_names(project: Path) -> None:
    path = workbook(project / "orders.xlsx", {"Orders": [[n, f"2024-01-{n:02d}", n / 4] for n in range(1, 20)]})
    with pytest.raises(SluiceError, match=r"looks like a row.*--no-header --names.*--header"):
        new_dataset.new(new_dataset.DatasetRequest("case", "file", str(path)))
    new_dataset.new(
        new_dataset.DatasetRequest("case", "file", str(path), options={"header": False, "names": ("id", "at", "sum")})
    )
    assert len(contract_of(project / "contracts" / "case_file.py").columns) == 3


def test_titles_above_a_sheet_are_left_out_where_its_header_is_said_to_be_one(project: Path) -> None:
    rows = [["Shops of the town"], ["as of May"], ["no", "shop", "area"], *([n, "shop", n * 3] for n in range(1, 20))]
    path = workbook(project / "shops.xlsx", {"Shops": rows})
    with pytest.raises(SluiceError, match=r"'shop'.* looks like a row.*If these are names: --header"):
        new_dataset.new(new_dataset.DatasetRequest("case", "file", str(path)))
    new_dataset.new(new_dataset.DatasetRequest("case", "file", str(path), options={"header": True}))
    columns = contract_of(project / "contracts" / "case_file.py").columns
    assert [column.name for column in columns] == ["no", "shop", "area"]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (["", "capital", "language"], ["column_1", "capital", "language"]),  # as pandas writes an index
        (["country", "capital", "language", ""], ["country", "capital", "language", "column_4"]),
    ],
)
def test_a_header_with_a_column_that_has_no_name_is_not_taken_for_a_title(
    project: Path, header: list[str], names: list[str]
) -> None:
    rows = [[f"{what} {n}" for what in ("land", "town", "speech", "note")[: len(header)]] for n in range(1, 15)]
    path = workbook(project / "lands.xlsx", {"Lands": [header, *rows]})
    new_dataset.new(new_dataset.DatasetRequest("case", "file", str(path)))
    contract = contract_of(project / "contracts" / "case_file.py")
    assert ([column.name for column in contract.columns], contract.files.skip) == (names, 0)


def test_a_title_of_two_cells_above_a_sheet_is_not_taken_for_its_header(project: Path) -> None:
    rows = [["Unit", "EUR", ""], ["no", "shop", "area"], *([n, f"shop {n}", n * 3] for n in range(1, 20))]
    path = workbook(project / "shops.xlsx", {"Shops": rows})
    new_dataset.new(new_dataset.DatasetRequest("case", "file", str(path)))
    contract = contract_of(project / "contracts" / "case_file.py")
    assert ([column.name for column in contract.columns], contract.files.skip) == (["no", "shop", "area"], 1)
