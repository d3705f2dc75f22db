"""The example's dbt project on Spark: every node passes, and the marts are PostgreSQL's, row for row."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sluice.contract.registry import load_contract
from sluice.demo.files import make
from sluice.ledger.tables import batches
from sluice.warehouse.warehouse import Warehouse
from tests.conftest import new_database
from tests.integration.conftest import delivered, new_warehouse
from tests.spark import lakes
from tests.support.repository import ROOT

pytestmark = pytest.mark.spark

MARTS = ("fct_trips", "fct_zone_trips_daily", "fct_zone_revenue_monthly", "dim_zones")
NO_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")


@pytest.fixture(scope="module")
def warehouse(postgres_url: sa.URL) -> Iterator[Warehouse]:
    with new_database(postgres_url) as url, new_warehouse(url) as opened:
        yield opened


def deliver(warehouse: Warehouse, folder: Path, months: tuple[str, ...], rows: int, seed: int = 2019) -> None:
    """Publish demo months and the zones."""
    for path in make(folder, months, rows, seed):
        kind, batch = re.fullmatch(r"(\w+)_(\d{4}-\d\d|all)\.parquet", path.name).groups()
        contract = load_contract(ROOT / "contracts" / f"tlc_{kind}.py")
        assert delivered(warehouse, contract, batch, path, folder / "downloads").decision.open
    green = load_contract(ROOT / "contracts" / "tlc_green_trips.py")
    warehouse.data.make_tables(warehouse.engine, green)


def to_lake(warehouse: Warehouse, spark: Any) -> None:
    """What a night leaves for the models: staging, and the ledger's copy."""
    from sluice.warehouse.spark.marts import ledger_copy

    with warehouse.engine.connect() as connection:
        lakes.copy_from_postgres(connection, spark, "staging")
        ledger_copy.copy(connection, spark, [batches])


def dbt(folder: Path, target: str, side: str, *args: str, url: sa.URL | None = None) -> dict[str, Any]:
    """Run dbt in this process. Returns the nodes' results by their names."""
    from dbt.cli.main import dbtRunner

    from sluice.warehouse.spark import dbt_sessions

    dbt_sessions.install()
    place = {} if url is None else {"HOST": url.query.get("host") or url.host, "USER": url.username}
    place |= {} if url is None else {"DATABASE": url.database, "PORT": url.port or 5432}
    os.environ.update({f"SLUICE_PG_{name}": str(value) for name, value in place.items()})
    os.environ["SLUICE_DBT_SCHEMA"] = side
    options = ("--project-dir", ROOT / "dbt_project", "--profiles-dir", ROOT / "profiles", "--target", target)
    written = ("--target-path", folder / target, "--log-path", folder / target)
    ended = dbtRunner().invoke([*args, *map(str, options + written), "--quiet"])
    assert ended.exception is None, ended.exception
    return {result.node.name: result for result in ended.result}


def failed(results: dict[str, Any]) -> dict[str, str]:
    """The nodes that did not pass, with dbt's message."""
    good = ("pass", "success", "warn", "no-op")
    return {name: str(result.message) for name, result in results.items() if str(result.status).lower() not in good}


def differing(warehouse: Warehouse, spark: Any, postgres: str, side: str) -> dict[str, list[Any]]:
    """Rows of the marts that one engine has more often than the other."""
    found = {}
    with warehouse.engine.connect() as connection:
        for mart in MARTS:
            there = spark.sql(f"SELECT * FROM lake.{side}.{mart}")
            query = sa.text(f"SELECT {', '.join(there.columns)} FROM {postgres}.{mart}")
            expected = Counter(map(tuple, connection.execute(query)))
            rows = Counter(map(tuple, there.collect()))
            assert expected
            if rows != expected:
                found[mart] = [*(expected - rows), *(rows - expected)]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where dbt keeps its files, so that it parses the project once for each target."""
    return tmp_path_factory.mktemp("dbt")


@pytest.fixture(scope="module")
def night(spark: Any, warehouse: Warehouse, folder: Path) -> dict[str, Any]:
    """A night of demo months whose marts both engines built. Spark's results, with all tests."""
    deliver(warehouse, folder, ("2024-11", "2024-12"), 500)
    return build(spark, warehouse, folder)


def build(spark: Any, warehouse: Warehouse, folder: Path, *args: str) -> dict[str, Any]:
    to_lake(warehouse, spark)
    assert failed(dbt(folder, "dev", "dev", "build", *NO_TESTS, url=warehouse.engine.url)) == {}
    return dbt(folder, "spark", "marts__a", "build", *args)


def test_every_node_passes_and_the_marts_are_those_of_postgres(
    spark: Any, warehouse: Warehouse, night: dict[str, Any]
) -> None:
    assert failed(night) == {}
    kinds = Counter(result.node.resource_type for result in night.values())
    assert kinds["unit_test"] == 11
    assert kinds["test"] > 40
    assert differing(warehouse, spark, "dev", "marts__a") == {}


def test_a_batch_that_came_one_that_was_replaced_and_one_that_is_gone(
    spark: Any, warehouse: Warehouse, night: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    deliver(warehouse, tmp_path, ("2024-12", "2025-01"), 400, seed=7)
    with warehouse.engine.begin() as connection:
        connection.execute(batches.update().where(batches.c.batch == "2024-11").values(status="superseded"))
    assert failed(build(spark, warehouse, folder, *NO_TESTS)) == {}
    assert differing(warehouse, spark, "dev", "marts__a") == {}
    months = spark.sql("SELECT DISTINCT _batch FROM lake.marts__a.fct_trips ORDER BY 1").collect()
    assert [row[0] for row in months] == ["2024-12", "2025-01"]


def add_load(spark: Any, load_id: int, **cells: Any) -> None:
    """Publish two rows of a trip in the lake alone, with these cells."""
    from pyspark.sql.functions import lit

    trip = spark.table("lake.staging.tlc__yellow_trips").limit(1).collect()
    rows = spark.createDataFrame(trip * 2, spark.table("lake.staging.tlc__yellow_trips").schema)
    cells |= {"_load_id": load_id, "_batch": f"bad-{load_id}"}
    for name, value in cells.items():
        rows = rows.withColumn(name, lit(value).cast(rows.schema[name].dataType))
    rows.writeTo("lake.staging.tlc__yellow_trips").append()
    known = spark.table("lake.ops.batches").where("status = 'published' AND dataset = 'tlc__yellow_trips'").limit(1)
    load = spark.createDataFrame(known.collect(), known.schema)
    load = load.withColumn("load_id", lit(load_id).cast("bigint")).withColumn("batch", lit(cells["_batch"]))
    load.writeTo("lake.ops.batches").append()


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"fare_amount": None}, "fct_trips: a row breaks a constraint of the contract: fare_amount_usd is null"),
        ({"tpep_dropoff_datetime": "2001-01-01"}, "a constraint of the contract: elapsed_minutes >= 0"),
        ({}, "fct_trips: 1 values of the key (_load_id, _row_number) occur more than once in marts__a.fct_trips"),
    ],
    ids=["not null", "check", "primary key"],
)
def test_a_constraint_of_a_contract_holds(
    spark: Any, night: dict[str, Any], folder: Path, cells: dict[str, Any], words: str
) -> None:
    add_load(spark, 1000 + len(words), **cells)
    wrong = failed(dbt(folder, "spark", "marts__a", "run", "--select", "int_trip_loads_published", "fct_trips"))
    spark.sql("DELETE FROM lake.staging.tlc__yellow_trips WHERE _load_id > 1000")
    spark.sql("DELETE FROM lake.ops.batches WHERE load_id > 1000")
    assert wrong.keys() == {"fct_trips"}
    assert words in wrong["fct_trips"]


def test_an_overflow_is_an_error_in_dbt_too(spark: Any, night: dict[str, Any], folder: Path) -> None:
    with pytest.raises(AssertionError, match="ARITHMETIC_OVERFLOW"):
        dbt(folder, "spark", "marts__a", "show", "--inline", "select 2147483647 + 1 as too_many")
