"""What one more hour costs a dataset that has 100 of them, and one that has 26,280 (three years).

    python benchmarks/many_batches.py                  # some ten minutes
    PYTHONPATH=. python benchmarks/many_batches.py --stock    # on an installed PostgreSQL, with its default settings

In a project of its own, with the embedded PostgreSQL: the first 100 hours of 100 rows are loaded as any file is; the
others are written by SQL as loads leave them (rows, ledger, results of checks). Then more hours are loaded, and the
commands are timed that look at all there is. Writes benchmarks/results/many_batches.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

RESULTS = Path(__file__).parent / "results" / "many_batches.json"
STOCK: list[Any] = []  # the warehouse on an installed server, where that is measured
FEW, ROWS, TIMED = 100, 100, 30
START = datetime(2021, 1, 1)
MORE_LEDGER = sa.text(
    "INSERT INTO ops.batches (dataset, batch, status, address, bytes, sha256, modified, contract_version, rows_read, "
    "rows_counted, rows_accepted, rows_rejected, started_at, finished_at) SELECT dataset, "
    "to_char(timestamp '2021-01-01' + n * interval '1 hour', 'YYYY-MM-DD\"T\"HH24'), status, address, bytes, "
    "sha256(n::text::bytea)::text, modified, contract_version, rows_read, rows_counted, rows_accepted, rows_rejected, "
    "started_at, finished_at FROM ops.batches, generate_series(CAST(:first AS int), CAST(:last AS int)) AS n "
    "WHERE load_id = (SELECT max(load_id) FROM ops.batches)"
)
MORE_CHECKS = sa.text(
    "INSERT INTO ops.checks SELECT b.load_id, c.check_name, c.outcome, c.severity, c.tolerance, c.rows, c.failing, "
    "c.error, c.sample FROM ops.batches b, ops.checks c WHERE c.load_id = :like AND b.load_id > :like"
)
MORE_ROWS = sa.text(
    "INSERT INTO staging.plant__events (at, sensor, value, _row_number, _dataset, _batch, _load_id, _loaded_at) "
    "SELECT to_timestamp(b.batch, 'YYYY-MM-DD\"T\"HH24') AT TIME ZONE 'UTC', r.sensor, r.value, r._row_number, "
    "r._dataset, b.batch, b.load_id, r._loaded_at FROM ops.batches b, staging.plant__events r "
    "WHERE r._load_id = :like AND b.load_id > :like"
)


def name(hour: int) -> str:
    return f"{START + timedelta(hours=hour):%Y-%m-%dT%H}"


def write(hour: int) -> Path:
    """A file of 100 rows of one hour."""
    path = Path("inbox") / f"events_{name(hour)}.csv"
    lines = [f"{START + timedelta(hours=hour, seconds=30 * n)},{n % 7},{hour % 97}.{n:02}" for n in range(ROWS)]
    path.write_text("at,sensor,value\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def put(hour: int) -> tuple[float, float]:
    """Load one hour without Prefect. Returns seconds of the whole, and of its publish alone."""
    from sluice.contract.gate import decide
    from sluice.ledger import loads
    from sluice.project.datasets import contract_for
    from sluice.source import fetch
    from sluice.source.readers.row_stream import open_rows
    from sluice.staging import audit, load, publish

    warehouse, contract = opened(), contract_for("plant__events")
    file = fetch.fetch(fetch.look(str(write(hour))), Path("downloads"))
    began = time.perf_counter()
    with warehouse.engine.begin() as connection:
        batch = loads.begin(connection, contract, name(hour), file, None)
    with open_rows(file, contract, batch.batch) as stream:
        batch = load.load(warehouse, contract, batch, stream)
    report = audit.audit(warehouse, contract, batch)
    with warehouse.engine.begin() as connection:
        decision = decide(contract.gate, report, loads.known(connection, contract, batch))
    audited = time.perf_counter()
    publish.publish(warehouse, contract, batch, report, decision)
    ended = time.perf_counter()
    return ended - began, ended - audited


def opened() -> Any:
    """The warehouse that is measured."""
    from sluice.warehouse.connection import open_warehouse

    return STOCK[0] if STOCK else open_warehouse()


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 3)


def command(*arguments: str) -> None:
    subprocess.run([str(Path(sys.executable).with_name("sluice")), *arguments], check=True, stdout=subprocess.DEVNULL)


def hours(first: int) -> dict[str, float]:
    """Median milliseconds of some hours: new ones, and the same again with other values."""
    taken = [put(hour) for hour in range(first, first + TIMED)]
    whole, publishing = (statistics.median(each) * 1000 for each in zip(*taken, strict=True))
    return {"load_ms": round(whole, 1), "publish_ms": round(publishing, 1)}


def more(last: int) -> None:
    """Hours up to this one, as loads leave them."""
    warehouse = opened()
    with warehouse.engine.begin() as connection:
        like = connection.scalar(sa.text("SELECT max(load_id) FROM ops.batches"))
        connection.execute(MORE_LEDGER, {"first": FEW, "last": last - 1})
        connection.execute(MORE_CHECKS, {"like": like})
        connection.execute(MORE_ROWS, {"like": like})
    warehouse.data.analyze(warehouse.engine)
    with warehouse.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE ops.batches, ops.checks"))


def measure(many: int) -> dict[str, Any]:
    command("init", ".")
    Path("inbox").mkdir()
    sample = write(0)
    command("new", "plant", "events", "--from", str(sample), "--batch", name(0), "--by", "at")
    command("run")
    for hour in range(1, FEW):
        put(hour)
    found: dict[str, Any] = {"few": {"batches": FEW, **hours(FEW - TIMED)}}
    more(many)
    found["many"] = {"batches": many, **hours(many)}
    from sluice.warehouse.connection import open_warehouse

    with open_warehouse().engine.connect() as connection:
        scan = sa.text("SELECT count(*), sum(value) FROM staging.plant__events")
        found["seconds"] = {"full scan": timed(lambda: connection.execute(scan).one())}
        found["rows"] = connection.scalar(sa.text("SELECT count(*) FROM staging.plant__events"))
    write(many + TIMED)
    for words in (("plan",), ("run",), ("status",), ("docs", "--no-open"), ("backup", "warehouse.dump")):
        found["seconds"][" ".join(words)] = timed(lambda words=words: command(*words))
        print(words, found["seconds"][" ".join(words)], flush=True)
    return found


def measure_stock(many: int) -> dict[str, Any]:
    """The same on an installed server, without the commands that begin with a block."""
    from sluice.ledger import schema
    from sluice.project.datasets import contract_for
    from sluice.warehouse.connection import connect
    from tests.integration.conftest import connector_for
    from tests.support.postgres15 import find_binaries, running_server

    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("no PostgreSQL 15 or newer is installed")
    command("init", ".")
    Path("inbox").mkdir()
    command("new", "plant", "events", "--from", str(write(0)), "--batch", name(0), "--by", "at")
    with running_server(binaries) as url:
        STOCK.append(connect(connector_for(url), "stock", "postgres"))
        engine = opened().engine
        with engine.begin() as connection:
            schema.create(connection)
        opened().data.make_tables(engine, contract_for("plant__events"))
        for hour in range(FEW):
            put(hour)
        found: dict[str, Any] = {"few": {"batches": FEW, **hours(FEW - TIMED)}}
        more(many)
        found["many"] = {"batches": many, **hours(many)}
        with engine.begin() as connection:
            version = "SELECT current_setting('server_version'), current_setting('max_locks_per_transaction')"
            found["server"], found["max_locks_per_transaction"] = connection.execute(sa.text(version)).one()
            scan = sa.text("SELECT count(*), sum(value) FROM staging.plant__events")
            found["seconds"] = {"full scan": timed(lambda: connection.execute(scan).one())}
            held = sa.text("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()")
            found["locks of the scan"] = connection.scalar(held)
            found["rows"] = connection.scalar(sa.text("SELECT count(*) FROM staging.plant__events"))
        dump = [
            str(binaries / "pg_dump"),
            "-Fc",
            "-f",
            "warehouse.dump",
            url.render_as_string(hide_password=False).replace("+psycopg2", ""),
        ]
        found["seconds"]["pg_dump"] = timed(lambda: subprocess.run(dump, check=True))
        engine.dispose()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=26_280)
    parser.add_argument("--stock", action="store_true", help="on an installed PostgreSQL with its default settings")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HOME": folder, "SLUICE_HOME": f"{folder}/.sluice", "PREFECT_HOME": f"{folder}/.prefect"}
        os.chdir(folder)
        from sluice.warehouse import embedded

        try:
            found = measure_stock(asked.batches) if asked.stock else measure(asked.batches)
        finally:
            embedded.remove(Path(folder) / ".sluice")
    load = [round(load, 2) for load in os.getloadavg()]
    machine = {"cores": os.cpu_count(), "system": platform.system(), "load": load}
    results = RESULTS.with_stem("many_batches_stock") if asked.stock else RESULTS
    results.write_text(json.dumps({"machine": machine, **found}, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
