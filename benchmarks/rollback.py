"""What `sluice rollback` costs by the size of the marts: the whole step, from the lock to the commit.

    python benchmarks/rollback.py                  # 1,000, 1 and 30 million rows a side: about two minutes

Both sides are filled in a separate embedded PostgreSQL and published in turn, without dbt; then readers are given
the first one back. Writes benchmarks/results/rollback.json and a table.
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
from rebuild import connector

from sluice.ledger import builds, schema
from sluice.marts import publish as marts
from sluice.marts.rollback import rollback
from sluice.warehouse import embedded
from sluice.warehouse.connection import connect
from sluice.warehouse.warehouse import Warehouse

RESULTS = Path(__file__).parent / "results" / "rollback.json"
SIZES = (1_000, 1_000_000, 30_000_000)
MARTS = ("fct_trips", "dim_zones")
ROWS = "SELECT n, n % 263 AS zone, n / 7.0 AS fare, 'yellow/' || n AS trip FROM generate_series(1, :rows) AS n"


@dataclass(frozen=True, slots=True)
class Step:
    """One step back. `rows` and `megabytes` are of the side that readers got back."""

    rows: int
    megabytes: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES, help="rows of the larger mart")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / ".sluice"
        warehouse = connect(connector(embedded.start(home)), "benchmark", "embedded")
        try:
            with warehouse.engine.begin() as connection:
                schema.create(connection)
            steps = [step_back(warehouse, rows) for rows in asked.rows]
        finally:
            warehouse.engine.dispose()
            embedded.remove(home)
    load = [round(load, 2) for load in os.getloadavg()]
    machine = {"cores": os.cpu_count(), "system": platform.system(), "load": load}
    RESULTS.write_text(json.dumps({"machine": machine, "steps": [asdict(step) for step in steps]}, indent=2) + "\n")
    for step in steps:
        print(f"{step.rows:>12,} rows {step.megabytes:>7,} MB {step.seconds:6.2f} s")


def step_back(warehouse: Warehouse, rows: int) -> Step:
    """Publish one side, then the other, and give readers the first one back."""
    publish(warehouse, rows)
    publish(warehouse, rows)
    started = time.monotonic()
    side = rollback(warehouse).side
    seconds = time.monotonic() - started
    size = sa.text(
        "SELECT sum(pg_total_relation_size(oid)) / 1000000 FROM pg_class "
        "WHERE relkind = 'r' AND relnamespace = CAST(CAST(:side AS text) AS regnamespace)"
    )
    with warehouse.engine.connect() as connection:
        megabytes = connection.scalar(size, {"side": side})
    return Step(rows, int(megabytes or 0), round(seconds, 3))


def publish(warehouse: Warehouse, rows: int) -> None:
    """Fill the side that is not live, as a build does, and make it live."""
    with warehouse.engine.begin() as connection:
        builds.hold(connection)
        side = builds.candidate(connection)
        build_id = builds.begin(connection, side, "benchmark", [], None)
        connection.execute(sa.schema.CreateSchema(side, if_not_exists=True))
        for mart, size in zip(MARTS, (rows, 265), strict=True):
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {side}.{mart} CASCADE"))
            connection.execute(sa.text(f"CREATE TABLE {side}.{mart} AS {ROWS}"), {"rows": size})
        builds.finish(connection, build_id, "passed")
    marts.publish_marts(warehouse, marts.Publication(side, MARTS, f"{build_id}", build_id), fence=build_id)


if __name__ == "__main__":
    main()
