"""The dbt project by itself, with the dbt command, on staging tables filled row by row: what each side holds after
batches came, were replaced and went. How flows run dbt is tested elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy import URL

from sluice.ledger import schema, tables
from tests.support.repository import ROOT

PROJECT = ROOT
SOURCES = PROJECT / "dbt_project/models/staging/tlc/_tlc__sources.generated.yml"
YELLOW, GREEN = "tlc__yellow_trips", "tlc__green_trips"
AMOUNTS = ("extra", "mta_tax", "tip_amount", "tolls_amount", "improvement_surcharge")


@dataclass(frozen=True)
class Warehouse:
    """A database with the staging tables of the generated sources, and the ledger."""

    url: URL
    engine: sa.Engine
    target: Path  # dbt's own files

    def publish(self, dataset: str, batch: str, rows: int) -> None:
        """Put a new load of `rows` equal trips in the batch's place."""
        self.withdraw(dataset, batch)
        with self.engine.begin() as connection:
            load_id = connection.scalar(
                tables.batches.insert()
                .values(
                    dataset=dataset,
                    batch=batch,
                    status="published",
                    address="test",
                    bytes=1,
                    sha256="0",
                    contract_version="1",
                    rows_read=rows,
                    rows_accepted=rows,
                    rows_rejected=0,
                )
                .returning(tables.batches.c.load_id)
            )
            meter = "tpep" if dataset == YELLOW else "lpep"
            trip = {
                f"{meter}_pickup_datetime": f"{batch}-05 10:00:00",
                f"{meter}_dropoff_datetime": f"{batch}-05 10:20:59",
                "trip_distance": 1.5,
                "pu_location_id": 7,
                "do_location_id": 57,
                **dict.fromkeys(AMOUNTS, 0),
                "fare_amount": 10,
                "total_amount": 10,
                "_dataset": dataset,
                "_batch": batch,
                "_load_id": load_id,
            }
            partition = f'staging."{dataset}__{batch}" PARTITION OF staging.{dataset}'
            connection.execute(sa.text(f"CREATE TABLE {partition} FOR VALUES IN ('{batch}')"))
            table = sa.table(dataset, *(sa.column(name) for name in [*trip, "_row_number"]), schema="staging")
            connection.execute(table.insert(), [{**trip, "_row_number": row} for row in range(1, rows + 1)])

    def withdraw(self, dataset: str, batch: str) -> None:
        """Take the batch out of staging, if it is there."""
        of_batch = (tables.batches.c.dataset == dataset) & (tables.batches.c.batch == batch)
        with self.engine.begin() as connection:
            connection.execute(tables.batches.update().where(of_batch).values(status="superseded"))
            connection.execute(sa.text(f'DROP TABLE IF EXISTS staging."{dataset}__{batch}"'))

    def build(self, side: str, *args: str) -> list[dict[str, object]]:
        """`dbt build` on a side; its results."""
        environment = {
            **os.environ,
            "SLUICE_PG_HOST": str(self.url.query.get("host") or self.url.host),
            "SLUICE_PG_PORT": str(self.url.port or 5432),
            "SLUICE_PG_USER": str(self.url.username),
            "SLUICE_PG_DATABASE": str(self.url.database),
            "DBT_ENV_SECRET_SLUICE_PG_PASSWORD": str(self.url.password or ""),
            "SLUICE_DBT_SCHEMA": side,
            "DBT_PROJECT_DIR": str(PROJECT / "dbt_project"),
            "DBT_PROFILES_DIR": str(PROJECT / "profiles"),
            "DBT_TARGET_PATH": str(self.target),
            "DBT_LOG_PATH": str(self.target),
        }
        command = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "build", *args]
        run = subprocess.run(command, env=environment, cwd=self.target, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout
        return json.loads((self.target / "run_results.json").read_text())["results"]

    def trips(self, side: str, model: str = "fct_trips", count: str = "count(*)") -> dict[tuple[str, str], int]:
        """Trips by colour and batch."""
        query = sa.text(f"SELECT taxi_colour, _batch, {count} FROM {side}.{model} GROUP BY taxi_colour, _batch")
        with self.engine.connect() as connection:
            return {(colour, batch): int(trips) for colour, batch, trips in connection.execute(query)}

    def rows_of_one_side_only(self) -> list[sa.Row]:
        """Rows of the marts that one side has and the other has not."""
        with self.engine.connect() as connection:
            marts = ("fct_trips", "fct_zone_trips_daily", "fct_zone_revenue_monthly", "dim_zones")
            queries = (
                f"(SELECT * FROM {one}.{mart} EXCEPT ALL SELECT * FROM {other}.{mart})"
                for mart in marts
                for one, other in (("marts__a", "marts__b"), ("marts__b", "marts__a"))
            )
            return [row for query in queries for row in connection.execute(sa.text(query))]

    def partitions_read(self, view: str, dataset: str, batch: str) -> set[str]:
        """Tables of staging that the rows of one batch are read from."""
        query = sa.text(f"EXPLAIN SELECT * FROM {view} WHERE _dataset = :dataset AND _batch = :batch")
        with self.engine.connect() as connection:
            plan = "\n".join(connection.scalars(query, {"dataset": dataset, "batch": batch}))
        return set(re.findall(r'Scan on "?(tlc__[\w-]+__\d[\w-]*)"?', plan))

    def undescribed(self, side: str) -> list[str]:
        """Relations and columns that carry no description in the database."""
        query = sa.text(
            "SELECT c.relname || coalesce('.' || a.attname, '') FROM pg_class c LEFT JOIN pg_attribute a "
            "ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relkind IN ('r', 'v') "
            "AND c.relnamespace = CAST(CAST(:side AS text) AS regnamespace) "
            "AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)"
        )
        with self.engine.connect() as connection:
            return list(connection.scalars(query, {"side": side}))


@pytest.fixture
def warehouse(database: URL, tmp_path: Path) -> Iterator[Warehouse]:
    """Empty staging tables and an empty ledger, in a database of their own."""
    engine = sa.create_engine(database)
    (source,) = yaml.safe_load(SOURCES.read_text())["sources"]
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA staging"))
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS ops"))
        schema.create(connection)
        for table in source["tables"]:
            columns = ", ".join(f"{column['name']} {column['data_type']}" for column in table["columns"])
            connection.execute(sa.text(f"CREATE TABLE staging.{table['name']} ({columns}) PARTITION BY LIST (_batch)"))
    yield Warehouse(database, engine, tmp_path)
    engine.dispose()


@pytest.mark.long
def test_each_side_catches_up_with_batches_that_came_were_replaced_and_went(warehouse: Warehouse) -> None:
    warehouse.build("marts__a")  # nothing loaded yet: everything builds, empty
    assert warehouse.trips("marts__a") == {}

    for batch in ("2019-01", "2019-02", "2019-03"):
        warehouse.publish(YELLOW, batch, rows=3)
    warehouse.publish(GREEN, "2019-01", rows=2)
    first = {("yellow", "2019-01"): 3, ("yellow", "2019-02"): 3, ("yellow", "2019-03"): 3, ("green", "2019-01"): 2}
    warehouse.build("marts__b")
    assert warehouse.trips("marts__b") == first

    warehouse.publish(YELLOW, "2019-01", rows=3)  # replayed: the same rows as a new load
    warehouse.publish(YELLOW, "2019-02", rows=5)
    warehouse.publish(YELLOW, "2019-04", rows=1)
    warehouse.withdraw(YELLOW, "2019-03")
    warehouse.withdraw(GREEN, "2019-01")
    second = {("yellow", "2019-01"): 3, ("yellow", "2019-02"): 5, ("yellow", "2019-04"): 1}
    for side in ("marts__a", "marts__b"):
        warehouse.build(side, "--exclude-resource-type", "unit_test")
        assert warehouse.trips(side) == second
        assert warehouse.trips(side, "fct_zone_trips_daily", "sum(trip_count)") == second
    assert warehouse.rows_of_one_side_only() == []
    assert warehouse.undescribed("marts__a") == []
    assert warehouse.partitions_read("marts__a.int_trips_timed", YELLOW, "2019-04") == {"tlc__yellow_trips__2019-04"}


@pytest.mark.long
def test_a_test_within_its_tolerance_passes_and_keeps_its_count(warehouse: Warehouse) -> None:
    warehouse.publish(YELLOW, "2019-01", rows=200)
    with warehouse.engine.begin() as connection:
        days_later = "UPDATE staging.tlc__yellow_trips SET tpep_dropoff_datetime = '2019-01-07' WHERE _row_number <= 2"
        connection.execute(sa.text(days_later))
    results = {str(result["unique_id"]): result for result in warehouse.build("dev")}
    (day,) = (result for name, result in results.items() if "fct_trips_last_less_than_a_day" in name)
    assert day["status"] == "pass"
    assert day["adapter_response"]["rows_affected"] == 2  # type: ignore[index]


@pytest.mark.long
def test_zones_missing_from_the_zone_file_warn_once_there_is_one(warehouse: Warehouse) -> None:
    def judged() -> tuple[object, object]:
        (zones,) = (each for each in warehouse.build("dev") if "dim_zones_are_in_zone_file" in str(each["unique_id"]))
        return zones["status"], zones["failures"]

    warehouse.publish(YELLOW, "2019-01", rows=2)
    assert judged() == ("pass", 0), "no zone file was loaded yet"
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE staging.zones_all PARTITION OF staging.tlc__zones DEFAULT"))
        connection.execute(
            sa.text(
                "INSERT INTO staging.tlc__zones (location_id, borough, zone, _dataset, _batch, _load_id, _row_number) "
                "VALUES (7, 'Queens', 'Astoria', 'tlc__zones', 'all', 1, 1)"
            )
        )
    assert judged() == ("warn", 3), "of four zones, beyond the tolerance"


TOLERANT = """
version: 2
sources:
  - name: raw
    schema: staging
    tables:
      - name: tlc__yellow_trips
        columns:
          - name: passenger_count
            data_tests: [{not_null: {config: {severity: warn, meta: {tolerance: 0.1}}}}]
models:
  - name: mini
    data_tests:
      - unique_combination:
          arguments: {columns: [pu_location_id]}
          config: {severity: warn, meta: {tolerance: 0.5}}
    columns:
      - name: store_and_fwd_flag
        data_tests:
          - accepted_values:
              arguments: {values: ['N']}
              config: {severity: warn, meta: {tolerance: 0.05}}
      - name: do_location_id
        data_tests: [{unique: {config: {severity: warn, meta: {tolerance: 0.5}}}}]
"""


@pytest.mark.long
def test_a_tolerance_is_a_share_of_rows_for_every_kind_of_test(warehouse: Warehouse, tmp_path: Path) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs"))
    (project / "models/mini.sql").write_text("select * from {{ source('raw', 'tlc__yellow_trips') }}")
    (project / "models/mini.yml").write_text(TOLERANT)
    warehouse.publish(YELLOW, "2019-01", rows=200)
    with warehouse.engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE staging.tlc__yellow_trips SET passenger_count = CASE WHEN _row_number > 8 THEN 1 END, "
                "store_and_fwd_flag = CASE WHEN _row_number <= 20 THEN 'X' ELSE 'N' END"
            )
        )
    results = warehouse.build("dev", "--select", "mini", "source:raw", "--project-dir", str(project))
    found = {
        str(result["unique_id"]).split(".")[2]: (result["status"], result["adapter_response"]["rows_affected"])  # type: ignore[index]
        for result in results
        if str(result["unique_id"]).startswith("test.")
    }
    assert found == {
        "accepted_values_mini_store_and_fwd_flag__N": ("warn", 20),  # one value, in 20 rows
        "unique_mini_do_location_id": ("warn", 200),
        "unique_combination_mini_pu_location_id": ("warn", 200),
        "source_not_null_raw_tlc__yellow_trips_passenger_count": ("pass", 8),
    }
