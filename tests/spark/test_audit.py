"""The audit of landed rows in Spark finds what `sluice check` finds in the file, which is what PostgreSQL finds."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pytest
from pyarrow import parquet

from sluice.contract.checks.compile import checks_of
from sluice.contract.checks.report import report_of
from sluice.contract.columns import Json, column
from sluice.contract.contract import Contract
from sluice.contract.gate import AuditReport
from sluice.contract.registry import load_contract
from sluice.demo.files import make
from sluice.file_check.check import check_file
from sluice.source import fetch
from sluice.source.readers.row_stream import open_rows
from tests.support import every_kind, shops
from tests.support.repository import ROOT
from tests.support.same_verdict import assert_same_verdict

pytestmark = pytest.mark.spark

TLC = Path(os.environ.get("SLUICE_REAL_DATA", "does-not-exist")) / "tlc"
REAL_MONTHS = sorted(TLC.glob("*_tripdata_*.csv.gz"))[:2]


def audited(spark: Any, contract: Contract, batch: str, path: Path, folder: Path) -> AuditReport:
    """Land a file and audit it in Spark."""
    from sluice.warehouse.spark.audit import audit
    from sluice.warehouse.spark.landing import land
    from sluice.warehouse.spark.load import Load

    load = Load(spark, contract, batch, f"{folder}/lake/landed.parquet", f"{folder}/lake/findings")
    file = fetch.fetch(fetch.look(str(path)), folder / "downloads")
    with open_rows(file, contract, batch) as stream:
        assert land(stream, load.landed) == stream.rows_counted
    checks = checks_of(contract, batch)
    found = audit(load, checks)
    assert {path.name for path in (folder / "lake").iterdir()} == {"findings", "landed.parquet"}
    return report_of(
        contract, checks, found.canary, found.rows, found.rejected, found.failing, found.errors, found.samples
    )


def assert_same(spark: Any, contract: Contract, batch: str, path: Path, folder: Path) -> AuditReport:
    report = audited(spark, contract, batch, path, folder)
    assert_same_verdict(contract, check_file(str(path), contract, batch), report)
    return report


@pytest.mark.parametrize("model", [shops.Orders, shops.LenientOrders, every_kind.MuchOrders])
@pytest.mark.parametrize("good", [0, 200])
def test_a_file_with_every_kind_of_bad_row(
    spark: Any, tmp_path: Path, model: type[pa.DataFrameModel], good: int
) -> None:
    contract = shops.contract(model, max_rejected=0.1)
    path = shops.write(tmp_path / "orders_2021-01.csv", [*shops.good_lines(good, first=100), *every_kind.BAD])
    assert assert_same(spark, contract, "2021-01", path, tmp_path).rejected


def test_a_value_and_a_key_of_every_type(spark: Any, tmp_path: Path) -> None:
    class Things(every_kind.Things):
        k: Json = column("Something.", nullable=True)

    path = tmp_path / "things.csv"
    path.write_text("\n".join(every_kind.KEYS) + "\n", encoding="utf-8")
    assert assert_same(spark, every_kind.things(Things), "all", path, tmp_path).rejected


def test_a_key_of_json_cannot_be_judged_and_closes_the_gate(spark: Any, tmp_path: Path) -> None:
    path = tmp_path / "things.csv"
    path.write_text("\n".join(every_kind.KEYS) + "\n", encoding="utf-8")
    report = audited(spark, every_kind.things(every_kind.Things), "all", path, tmp_path)
    errors = {result.name: result.error for result in report.results if result.error}
    assert errors == {"k unique": "on Spark, it is not known which JSON values are equal"}


def test_a_demo_month_of_trips_and_the_zones(spark: Any, tmp_path: Path) -> None:
    for path in make(tmp_path, ("2024-12",), rows=20_000):
        kind, batch = re.fullmatch(r"(\w+)_(\d{4}-\d\d|all)\.parquet", path.name).groups()
        contract = load_contract(ROOT / "contracts" / f"tlc_{kind}.py")
        assert assert_same(spark, contract, batch, path, tmp_path / kind).rejected


@pytest.mark.real_data
@pytest.mark.skipif(not REAL_MONTHS, reason="SLUICE_REAL_DATA does not name a folder with tlc/*.csv.gz")
@pytest.mark.parametrize("path", REAL_MONTHS, ids=lambda path: path.name)
def test_a_real_month(spark: Any, tmp_path: Path, path: Path) -> None:
    colour, batch = re.fullmatch(r"(\w+)_tripdata_(\d{4}-\d\d)\.csv\.gz", path.name).groups()
    contract = load_contract(ROOT / "contracts" / f"tlc_{colour}_trips.py")
    plain = tmp_path / path.name.removesuffix(".gz")
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    assert assert_same(spark, contract, batch, plain, tmp_path).rejected


def test_a_check_that_cannot_be_run_is_errored_and_the_others_are_judged(spark: Any, tmp_path: Path) -> None:
    class Orders(shops.Orders):
        @pa.dataframe_check(name="square")
        def square(cls, orders: Any) -> Any:
            return orders["order_id"] * 4_000_000_000_000_000_000 > 0

    path = shops.write(tmp_path / "orders_2021-01.csv", shops.good_lines(20, first=100))
    report = audited(spark, shops.contract(Orders), "2021-01", path, tmp_path)
    assert [result.name for result in report.results if result.outcome == "errored"] == ["square"]
    assert {result.failing for result in report.results} == {0}


def test_times_of_day_are_written_as_spark_reads_them_and_read_as_they_were(spark: Any, tmp_path: Path) -> None:
    path = tmp_path / "things.csv"
    path.write_text("\n".join(every_kind.KEYS) + "\n", encoding="utf-8")
    contract = every_kind.things(every_kind.Things)
    audited(spark, contract, "all", path, tmp_path)
    from sluice.warehouse.spark import landing

    landed = f"{tmp_path}/lake/landed.parquet"
    assert str(parquet.read_schema(landed).field("h").type) == "int64"
    [rows] = landing.read(landed, contract, 100)
    assert [str(rows.schema.field(c.name).type) for c in contract.columns] == [
        str(c.type.arrow) for c in contract.columns
    ]
