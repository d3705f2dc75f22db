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
from tests.integration.conftest import new_warehouse, put_through
from tests.spark import lake
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
        assert put_through(warehouse, contract, batch, path, folder / "downloads").decision.open
    green = load_contract(ROOT / "contracts" / "tlc_green_trips.py")
    warehouse.data.make_tables(warehouse.engine, green)


def to_lake(warehouse: Warehouse, spark: Any) -> None:
    """What a night leaves for the models: staging, and the ledger's copy."""
    from sluice.warehouse.spark.marts import ledger_copy

    with warehouse.engine.connect() as connection:
        lake.copy_from_postgres(connection, spark, "staging")
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
    written = ("--target-path", folder / target, "--log-path", folder / target, "--no-partial-parse")
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
            there = spark.sql(f"SELECT * FROM {lake.CATALOG}.{side}.{mart}")
            query = sa.text(f"SELECT {', '.join(there.columns)} FROM {postgres}.{mart}")
            expected = Counter(map(tuple, connection.execute(query)))
            rows = Counter(map(tuple, there.collect()))
            assert expected
            if rows != expected:
                found[mart] = [*(expected - rows), *(rows - expected)]
    return found


def test_a_night_its_replaced_batch_and_a_batch_that_is_gone(
    spark: Any, warehouse: Warehouse, tmp_path: Path
) -> None:
    def build(*args: str) -> None:
        to_lake(warehouse, spark)
        assert failed(dbt(tmp_path, "dev", "dev", "build", *NO_TESTS, url=warehouse.engine.url)) == {}
        results = dbt(tmp_path, "spark", "marts__a", "build", *args)
        assert failed(results) == {}
        kinds.update(result.node.resource_type for result in results.values())
        assert differing(warehouse, spark, "dev", "marts__a") == {}

    kinds: Counter[str] = Counter()
    deliver(warehouse, tmp_path, ("2024-11", "2024-12"), 1000)
    build()
    assert kinds["unit_test"] == 11
    assert kinds["test"] > 40
    deliver(warehouse, tmp_path / "again", ("2024-12", "2025-01"), 800, seed=7)
    with warehouse.engine.begin() as connection:
        connection.execute(batches.update().where(batches.c.batch == "2024-11").values(status="superseded"))
    build(*NO_TESTS)
    assert kinds["model"] > 0
