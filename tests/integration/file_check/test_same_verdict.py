"""A file that is checked alone has the verdict, the counts and the samples that a run gives it."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from sluice.contract.batches import Single
from sluice.contract.checks.compile import checks_of
from sluice.contract.columns import Bool, Bytes, Date, Float, Int, Json, Money, Text, Time, UtcTimestamp, Uuid, column
from sluice.contract.contract import Contract, Files, Gate
from sluice.contract.registry import load_contract
from sluice.demo.files import make
from sluice.file_check.check import check_file
from tests.support import references, shops
from tests.support.repository import ROOT
from tests.support.same_verdict import assert_same_verdict
from tests.two_ways import judges
from tests.two_ways.contracts import CONTRACTS, Drawn
from tests.two_ways.frames import frames

REAL_DATA = os.environ.get("SLUICE_REAL_DATA")
TLC = Path(REAL_DATA or "does-not-exist") / "tlc"
ONE = "550e8400-e29b-41d4-a716-446655440000"
PAIRS = 3  # drawn contracts of each kind, with a file; seconds in all

pytestmark = pytest.mark.filterwarnings("ignore:This pattern")  # pandas, of groups


class MuchOrders(shops.Orders):
    """Every way to run a check: rows, keys, one value for the table, and pandas."""

    order_id: Int = column("Number of the order.", source="OrderId", unique=True, keep="first", tolerance=0.2)

    class Config:
        unique = ["ordered_at", "shop"]

    @pa.dataframe_check(name="mean price below 9")
    def mean_price(cls, orders: pd.DataFrame) -> bool:
        return orders["price"].mean() < 9

    @pa.dataframe_check(name="few nulls", raise_warning=True)
    def few_nulls(cls, orders: pd.DataFrame) -> bool:
        return orders["quantity"].isna().mean() < 0.01

    @pa.check("email", name="one at", element_wise=True)
    def one_at(cls, email: str) -> bool:
        return email.count("@") == 1

    @pa.dataframe_check(name="looks across rows")
    def across(cls, orders: pd.DataFrame) -> pd.Series:
        return orders["price"].rank() > 0


BAD = (
    "1,2021-01-02 10:00:00,north,1,9.50,1.5,a@example.com",  # a key twice
    "1,2021-01-02 10:00:00,north,1,9.50,1.5,a@example.com",
    "x,2021-01-03 10:00:00,east,0,-1,0,none",
    ",2021-02-03 10:00:00.25,,99,0,,a@b@c",
    "77,30.01.2021,south,1.5,9.505,heavy,",
    "78,2021-01-04 10:00:00,south",
    '"unclosed, "2021-01-04,south,1,1,1,a@b',
    ",,,,,,",
)


@pytest.mark.parametrize("model", [shops.Orders, shops.LenientOrders, MuchOrders])
@pytest.mark.parametrize("good", [10, 200])
def test_a_file_with_every_kind_of_bad_row(
    deliver: Callable[..., Any], tmp_path: Path, model: type[pa.DataFrameModel], good: int
) -> None:
    contract = shops.contract(model, max_rejected=0.1)
    path = shops.write(tmp_path / "orders_2021-01.csv", [*shops.good_lines(good, first=100), *BAD])
    found = deliver(contract, "2021-01", path)
    assert_same_verdict(contract, check_file(str(path), contract), found.report)


class Things(pa.DataFrameModel):
    """A key of each type, so that samples show values of each."""

    a: Int = column("Something.", nullable=True, unique=True)
    b: Float = column("Something.", nullable=True, unique=True)
    c: Money = column("Something.", nullable=True, unique=True)
    d: Date = column("Something.", nullable=True, unique=True)
    e: UtcTimestamp = column("Something.", nullable=True, unique=True)
    f: Bool = column("Something.", nullable=True, unique=True)
    g: Text = column("Something.", nullable=True, unique=True)
    h: Time = column("Something.", nullable=True, unique=True)
    i: Uuid = column("Something.", nullable=True, unique=True)
    j: Bytes = column("Something.", nullable=True, unique=True)
    k: Json = column("Something.", nullable=True, unique=True)


def test_keys_of_every_type_are_equal_where_the_database_finds_them_equal(
    deliver: Callable[..., Any], tmp_path: Path
) -> None:
    one, object_1, object_2 = ONE, '"{""a"": 1, ""b"": 2}"', '"{""b"": 2.0, ""a"": 1}"'
    lines = [
        "a,b,c,d,e,f,g,h,i,j,k",
        f"1,0.0,1.50,2021-01-01,2021-01-01T10:00:00+00:00,true,x,08:30:00,{one},ab,{object_1}",
        f"1,-0.0,1.5,2021-01-01,2021-01-01T11:00:00+01:00,true,x,08:30:00.000,{one.upper()},ab,{object_2}",
        "2,1e300,2,0001-01-01,2021-01-01T10:00:00.120000Z,false,X,23:59:59.5,,cd,[]",
        "2,1e300,2.00,0001-01-01,2021-01-01T10:00:00.12Z,false,X ,23:59:59.500,,CD,[]",
        ",,,,,,,,,,",
        ",,,,,,,,,,",
        "3,0.1,3,2021-01-03,2021-01-01T10:00:00Z,1,é,00:00:00,?,,null",
    ]
    path = tmp_path / "things.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    contract = Contract("test", "things", "me@example.com", Things, Files("x.csv", Single()), Gate(max_rejected=1))
    found = deliver(contract, "all", path)
    assert found.report.rejected
    assert_same_verdict(contract, check_file(str(path), contract), found.report)


def months() -> list[Path]:
    return sorted(TLC.glob("*_tripdata_*.csv.gz"))[:3] if TLC.is_dir() else []


def test_a_demo_month_of_trips_and_the_zones(deliver: Callable[..., Any], tmp_path: Path) -> None:
    for path in make(tmp_path, ("2024-12",), rows=20_000):
        kind, batch = re.fullmatch(r"(\w+)_(\d{4}-\d\d|all)\.parquet", path.name).groups()
        contract = load_contract(ROOT / "contracts" / f"tlc_{kind}.py")
        found = deliver(contract, batch, path)
        assert found.report.rejected
        assert_same_verdict(contract, check_file(str(path), contract), found.report)


@pytest.mark.real_data
@pytest.mark.skipif(not months(), reason="SLUICE_REAL_DATA does not name a folder with tlc/*.csv.gz")
@pytest.mark.parametrize("path", months(), ids=lambda path: path.name)
def test_a_real_month(deliver: Callable[..., Any], tmp_path: Path, path: Path) -> None:
    colour, batch = re.fullmatch(r"(\w+)_tripdata_(\d{4}-\d\d)\.csv\.gz", path.name).groups()
    contract = load_contract(ROOT / "contracts" / f"tlc_{colour}_trips.py")
    plain = tmp_path / path.name.removesuffix(".gz")
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    found = deliver(contract, batch, path)
    assert_same_verdict(contract, check_file(str(plain), contract), found.report)


@pytest.mark.parametrize("what", CONTRACTS)
def test_drawn_contracts_and_files(deliver: Callable[..., Any], tmp_path: Path, what: str) -> None:
    tried = 0

    @seed(0)
    @settings(max_examples=PAIRS, phases=[Phase.generate], database=None, deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(drawn=CONTRACTS[what], rows=frames.filter(bool))
    def same(drawn: Drawn, rows: list[Any]) -> None:
        nonlocal tried
        contract = drawn.contract()
        path = tmp_path / "things.parquet"
        columns = list(zip(*rows, strict=True))
        arrays = {
            c.name: pyarrow.array(cells, c.type.arrow) for c, cells in zip(contract.columns, columns, strict=True)
        }
        pq.write_table(pyarrow.table(arrays), path)
        found = deliver(contract, "all", path).report
        checked = check_file(str(path), contract)
        if unsettled(contract, drawn, rows) or any(result.outcome == "errored" for result in found.results):
            return
        assert_same_verdict(contract, checked, found)
        tried += 1

    same()
    assert tried or what in ("aggregates", "shares")  # many of them round


def unsettled(contract: Contract, drawn: Drawn, rows: list[Any]) -> bool:
    """Whether pandas has no answer, or a wrong one (docs/decisions/0001)."""
    frame, _ = judges.delivered(contract, rows)
    for check in checks_of(contract, "all"):
        if check.kind == "pandas":  # it runs in pandas in both ways
            continue
        kinds, columns = drawn.kinds_and_columns(check)
        try:
            judges.in_pandas(check, frame, columns, kinds)
        except judges.Unsettled:
            return True
    return False


@pytest.mark.parametrize("options", [{}, {"tolerance": 0.2}, {"severity": "warn"}])
def test_a_file_of_the_referenced_dataset_stands_for_its_published_rows(
    deliver: Callable[..., Any], tmp_path: Path, options: dict[str, Any]
) -> None:
    parent = references.customers(max_rejected=1)
    known = references.write_customers(tmp_path / "customers_2024-01.csv", 1, 2, 3, 3, -4)  # 3 twice, and -4, rejected
    deliver(parent, "2024-01", known)
    contract = references.orders(max_rejected=0.5, **options)
    path = references.write_orders(tmp_path / "orders_2024-01.csv", 1, 2, 3, -4, "", "x", 2)
    found = deliver(contract, "2024-01", path)
    assert found.report.results[-1].failing == 2
    assert_same_verdict(contract, check_file(str(path), contract, references=[(str(known), parent)]), found.report)


def test_another_file_of_the_dataset_stands_for_its_published_batches(
    deliver: Callable[..., Any], tmp_path: Path
) -> None:
    contract = references.orders_once(max_rejected=1)
    before = references.write_orders(tmp_path / "orders_2024-01.csv", 1, 1, 1)
    deliver(contract, "2024-01", before)
    path = tmp_path / "orders_2024-02.csv"
    path.write_text("order_id,customer_id\n3,1\n4,1\n4,1\n,1\n2,1\n")
    found = deliver(contract, "2024-02", path)
    assert {result.name: result.failing for result in found.report.results if result.failing} == {
        "order_id unique": 2,
        "order_id unique in shop__orders": 2,
    }
    assert_same_verdict(contract, check_file(str(path), contract, references=[(str(before), contract)]), found.report)
