"""What rebuilding the marts costs after one new month, on each side, and what a full refresh costs instead.

    python benchmarks/rebuild.py                  # 24 months of 20,000 trips: about 4 minutes
    python benchmarks/rebuild.py --months 6 --trips 5000

Months are made in the database, published by hand into a separate embedded PostgreSQL, and built by the same
functions as every night. Writes benchmarks/results/rebuild.json and a table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver

from sluice.ledger import schema, tables
from sluice.marts import build as transform
from sluice.project.datasets import contracts
from sluice.warehouse import embedded
from sluice.warehouse.connection import connect
from sluice.warehouse.warehouse import Warehouse

RESULTS = Path(__file__).parent / "results" / "rebuild.json"
DATASET = "tlc__yellow_trips"
BY_LOAD = ("int_trip_zones_seen", "fct_trips", "fct_zone_trips_daily")  # the models that take in whole loads

TRIPS = """
INSERT INTO staging.{dataset} (
    vendor_id, tpep_pickup_datetime, tpep_dropoff_datetime, passenger_count, trip_distance, pu_location_id,
    do_location_id, payment_type, fare_amount, extra, mta_tax, tip_amount, tolls_amount, improvement_surcharge,
    total_amount, _row_number, _dataset, _batch, _load_id, _loaded_at
)
SELECT 1, at, at + interval '17 minutes', 1, 2.5, 1 + n % 263, 1 + n % 257, 1, 10, 0, 0.5, 2, 0, 0.3, 12.8,
    n, '{dataset}', '{batch}', :load, now()
FROM (SELECT n, date '{batch}-01' + make_interval(secs => n * 2400000.0 / :trips) AS at
      FROM generate_series(1, :trips) AS n) AS trips
"""


@dataclass(frozen=True, slots=True)
class Rebuild:
    """One build of one side.

    Attributes:
        seconds: the whole build: dbt's start, all models, all tests, the comparison with the live side.
        model_seconds, rows: of the models that take in whole loads; rows are those they wrote.
    """

    what: str
    side: str
    seconds: float
    model_seconds: float
    rows: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--trips", type=int, default=20_000, help="trips a month")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / ".sluice"
        os.environ["SLUICE_HOME"] = str(home)
        warehouse = connect(connector(embedded.start(home)), "benchmark", "embedded")
        try:
            found = measure(warehouse, asked.months, asked.trips)
        finally:
            warehouse.engine.dispose()
            embedded.remove(home)
    machine = {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }
    facts = {"months": asked.months, "trips_a_month": asked.trips, "machine": machine}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**facts, "builds": [asdict(row) for row in found]}, indent=2) + "\n")
    for row in found:
        print(f"{row.what:<32} {row.side}  {row.seconds:6.1f} s  {row.model_seconds:6.2f} s  {row.rows:>9,} rows")


def measure(warehouse: Warehouse, months: int, trips: int) -> list[Rebuild]:
    """Two first builds, one new month on each side, and a full refresh of one of them."""
    with warehouse.engine.begin() as connection:
        schema.create(connection)
    for contract in contracts().values():
        warehouse.data.make_tables(warehouse.engine, contract)
    for number in range(months):
        deliver(warehouse, number, trips)
    found = [build(warehouse, f"first build, {months} months") for _ in range(2)]
    deliver(warehouse, months, trips)
    found += [build(warehouse, "one new month") for _ in range(2)]
    found += [build(warehouse, "nothing new")]
    with warehouse.engine.begin() as connection:  # a side of which nothing is known is built from nothing
        connection.execute(tables.builds.update().values(status="failed"))
    return [*found, build(warehouse, f"full refresh, {months + 1} months")]


def build(warehouse: Warehouse, what: str) -> Rebuild:
    started = time.monotonic()
    built = transform.build(warehouse, None)
    seconds = time.monotonic() - started
    transform.publish(warehouse, built, None)
    models = [node for node in built.run.nodes if node.name in BY_LOAD]
    spent, rows = sum(node.seconds for node in models), sum(node.rows or 0 for node in models)
    return Rebuild(what, built.side, round(seconds, 2), round(spent, 3), rows)


def deliver(warehouse: Warehouse, number: int, trips: int) -> None:
    """Publish one month of trips."""
    batch = f"{2019 + number // 12}-{1 + number % 12:02d}"
    facts = {"address": "benchmark", "bytes": 1, "sha256": "0", "contract_version": "1"}
    rows = {"rows_read": trips, "rows_accepted": trips, "rows_rejected": 0}
    row = tables.batches.insert().values(dataset=DATASET, batch=batch, status="published", **facts, **rows)
    with warehouse.engine.begin() as connection:
        load_id = connection.scalar(row.returning(tables.batches.c.load_id))
        part = f'staging."{DATASET}__{batch}" PARTITION OF staging.{DATASET}'
        connection.execute(sa.text(f"CREATE TABLE {part} FOR VALUES IN ('{batch}')"))
        connection.execute(sa.text(TRIPS.format(dataset=DATASET, batch=batch)), {"load": load_id, "trips": trips})
        connection.execute(sa.text(f"ANALYZE staging.{DATASET}"))


def connector(url: sa.URL) -> SqlAlchemyConnector:
    query = {key: str(value) for key, value in url.query.items()}
    driver = SyncDriver.POSTGRESQL_PSYCOPG2
    return SqlAlchemyConnector(
        connection_info=ConnectionComponents(driver=driver, username=url.username, database=url.database, query=query)
    )


if __name__ == "__main__":
    main()
