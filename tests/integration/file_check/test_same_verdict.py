"""A file that is checked alone has the verdict, the counts and the samples that a run gives it."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pyarrow
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from sluice.contract.checks.compile import checks_of
from sluice.contract.contract import Contract
from sluice.contract.registry import load_contract
from sluice.demo.files import make
from sluice.file_check.check import check_file
from tests.support import every_kind, references, shops
from tests.support.every_kind import BAD, KEYS, MuchOrders, Things
from tests.support.repository import ROOT
from tests.support.same_verdict import assert_same_verdict
from tests.two_ways import judges
from tests.two_ways.contracts import CONTRACTS, Drawn
from tests.two_ways.frames import frames

REAL_DATA = os.environ.get("SLUICE_REAL_DATA")
TLC = Path(REAL_DATA or "does-not-exist") / "tlc"
PAIRS = 3  # drawn contracts of each kind, with a file; seconds in all

pytestmark = pytest.mark.filterwarnings("ignore:This pattern")  # pandas, of groups


@pytest.mark.parametrize("model", [shops.Orders, shops.LenientOrders, MuchOrders])
@pytest.mark.parametrize("good", [10, 200])
def test_a_file_with_every_kind_of_bad_row(
    deliver: Callable[..., Any], tmp_path: Path, model: type[pa.DataFrameModel], good: int
) -> None:
    contract = shops.contract(model, max_rejected=0.1)
    path = shops.write(tmp_path / "orders_2021-01.csv", [*shops.good_lines(good, first=100), *BAD])
    found = deliver(contract, "2021-01", path)
    assert_same_verdict(contract, check_file(str(path), contract), found.report)


def test_keys_of_every_type_are_equal_where_the_database_finds_them_equal(
    deliver: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "things.csv"
    path.write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    contract = every_kind.things(Things)
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
