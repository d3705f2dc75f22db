"""What one more hour costs a dataset that has 100 of them, and one that has 26,280 (three years).

    python benchmarks/many_batches.py                  # some twenty minutes
    PYTHONPATH=. python benchmarks/many_batches.py --stock    # on an installed PostgreSQL, with its default settings

In a separate project: the first 100 hours of 100 rows are loaded as any file is; the others are written by SQL as
loads leave them (rows, ledger, results of checks), and their files lie in the folder. Before and after, more hours are
loaded and the commands are timed that look at all there is. Processor seconds are those of the command, of all that it
starts, and of PostgreSQL. Writes benchmarks/results/many_batches.json, or many_batches_stock.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

RESULTS = Path(__file__).parent / "results" / "many_batches.json"
FEW, ROWS, TIMED = 100, 100, 30
START = datetime(2021, 1, 1)
COMMANDS = (("plan",), ("run",), ("status",), ("docs", "--no-open"))
MORE_LEDGER = sa.text(
    "INSERT INTO ops.batches (dataset, batch, status, address, bytes, sha256, modified, contract_version, rows_read, "
    "rows_counted, rows_accepted, rows_rejected, started_at, finished_at) SELECT dataset, name, status, "
    "'inbox/events_' || name || '.csv', :bytes, sha256(n::text::bytea)::text, :modified, contract_version, rows_read, "
    "rows_counted, rows_accepted, rows_rejected, started_at, finished_at "
    "FROM ops.batches, generate_series(CAST(:first AS int), CAST(:last AS int)) AS n, "
    "to_char(timestamp '2021-01-01' + n * interval '1 hour', 'YYYY-MM-DD\"T\"HH24') AS name "
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


def put(hour: int) -> tuple[float, float, float]:
    """Load one hour without Prefect. Returns seconds of the whole, of its publish alone, and of processors."""
    from sluice.contract.gate import decide
    from sluice.ledger import loads
    from sluice.project.datasets import contract_for
    from sluice.source import fetch
    from sluice.source.readers.row_stream import open_rows
    from sluice.staging import audit, load, publish

    warehouse, contract = opened(), contract_for("plant__events")
    file = fetch.fetch(fetch.look(str(write(hour))), Path("downloads"))
    began, before = time.perf_counter(), used()
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
    return ended - began, ended - audited, used() - before


def opened() -> Any:
    """The warehouse that is measured."""
    from sluice.warehouse.connection import open_warehouse

    return open_warehouse()


def used() -> float:
    """Processor seconds of this process, of those that it has started and that have ended, and of PostgreSQL."""
    with opened().engine.connect() as connection:
        session = psutil.Process(int(connection.scalar(sa.text("SELECT pg_backend_pid()"))))
    server = session.parent()
    assert server is not None
    sessions = [process.cpu_times() for process in server.children()]
    times = server.cpu_times()
    of_server = [times.children_user, times.children_system, *(t.user + t.system for t in (times, *sessions))]
    return sum(of_server) + sum(os.times()[:4])


def timed(work: Callable[[], Any]) -> dict[str, float]:
    began, before = time.perf_counter(), used()
    work()
    return {"s": round(time.perf_counter() - began, 2), "processor s": round(used() - before, 2)}


def command(*arguments: str) -> None:
    subprocess.run([str(Path(sys.executable).with_name("sluice")), *arguments], check=True, stdout=subprocess.DEVNULL)


def hours(first: int) -> dict[str, float]:
    """Median milliseconds of some new hours, and the mean of their processor milliseconds, which come in hundredths."""
    taken = [put(hour) for hour in range(first, first + TIMED)]
    whole, publishing, processor = zip(*taken, strict=True)
    medians = {"load_ms": statistics.median(whole), "publish_ms": statistics.median(publishing)}
    return {name: round(s * 1000, 1) for name, s in (medians | {"processor_ms": statistics.mean(processor)}).items()}


def more(last: int) -> None:
    """Hours up to this one, as loads leave them."""
    warehouse = opened()
    files = [write(FEW)]
    known = files[0].stat()
    for hour in range(FEW + 1, last):
        files.append(files[0].with_name(f"events_{name(hour)}.csv"))
        shutil.copy2(files[0], files[-1])  # as many bytes, of the same time
    modified = datetime.fromtimestamp(known.st_mtime_ns // 1000 / 1e6, UTC).isoformat()
    with warehouse.engine.begin() as connection:
        like = connection.scalar(sa.text("SELECT max(load_id) FROM ops.batches"))
        facts = {"first": FEW, "last": last - 1, "bytes": known.st_size, "modified": modified}
        connection.execute(MORE_LEDGER, facts)
        connection.execute(MORE_CHECKS, {"like": like})
        connection.execute(MORE_ROWS, {"like": like})
    warehouse.data.analyze(warehouse.engine)
    with warehouse.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE ops.batches, ops.checks"))


def commands() -> dict[str, Any]:
    """What the commands take that look at all there is, where one file is new."""
    found = {}
    for words in COMMANDS:
        found[" ".join(words)] = timed(lambda words=words: command(*words))
        print(words, found[" ".join(words)], flush=True)
    return found


def measure(many: int, dump: Callable[[], Any]) -> dict[str, Any]:
    command("init", ".")
    Path("inbox").mkdir()
    command("new", "plant", "events", "--from", str(write(0)), "--batch", name(0), "--by", "at")
    command("run")
    for hour in range(1, FEW - TIMED - 2):
        put(hour)
    few: dict[str, Any] = {"batches": FEW, **hours(FEW - TIMED - 2)}
    for hour in (FEW - 2, FEW - 1):  # the first run builds all for the first time on this side, the second is timed
        write(hour)
        if hour == FEW - 2:
            command("run")
    few |= commands()
    more(many)
    found: dict[str, Any] = {"few": few, "many": {"batches": many, **hours(many)}}
    write(many + TIMED)
    found["many"] |= commands()
    with opened().engine.begin() as connection:
        scan = sa.text("SELECT count(*), sum(value) FROM staging.plant__events")
        found["scan"] = timed(lambda: connection.execute(scan).one())
        held = sa.text("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()")
        found["scan"]["locks"] = connection.scalar(held)
        found["rows"] = connection.scalar(sa.text("SELECT count(*) FROM staging.plant__events"))
        tables = "SELECT count(*) FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE relname LIKE 'plant%bucket%'"
        found["partitions"] = connection.scalar(sa.text(f"{tables} AND relkind IN ('r', 'p')"))
        version = "SELECT current_setting('server_version'), current_setting('max_locks_per_transaction')"
        found["server"], found["max_locks_per_transaction"] = connection.execute(sa.text(version)).one()
    found["dump"] = timed(dump)
    return found


@contextmanager
def stock() -> Iterator[Callable[[], Any]]:
    """An installed server with its own settings, as a block. Gives its pg_dump."""
    from tests.integration.conftest import connector_for
    from tests.support.postgres15 import find_binaries, running_server

    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("no PostgreSQL 15 or newer is installed")
    with running_server(binaries) as url:
        connector_for(url).save("stock", overwrite=True)
        os.environ["SLUICE_WAREHOUSE"] = "stock"
        address = url.render_as_string(hide_password=False).replace("+psycopg2", "")
        dump = [str(binaries / "pg_dump"), "-Fc", "-f", "warehouse.dump", address]
        yield lambda: subprocess.run(dump, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=26_280)
    parser.add_argument("--stock", action="store_true", help="on an installed PostgreSQL with its default settings")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HOME": folder, "SLUICE_HOME": f"{folder}/.sluice", "PREFECT_HOME": f"{folder}/.prefect"}
        os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "300"  # on a busy machine
        os.chdir(folder)
        from sluice.warehouse import embedded

        try:
            if asked.stock:
                with stock() as dump:
                    found = measure(asked.batches, dump)
            else:
                found = measure(asked.batches, lambda: command("backup", "warehouse.dump"))
        finally:
            embedded.remove(Path(folder) / ".sluice")
    load = [round(load, 2) for load in os.getloadavg()]
    machine = {"cores": os.cpu_count(), "system": platform.system(), "load": load}
    results = RESULTS.with_stem("many_batches_stock") if asked.stock else RESULTS
    results.write_text(json.dumps({"machine": machine, **found}, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
