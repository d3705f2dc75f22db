"""The seam between the flow and the engine: connector block -> Warehouse, its schemas, its locks.

The block named by SLUICE_WAREHOUSE (a SqlAlchemyConnector) says where the warehouse is. Unset, the embedded
PostgreSQL is started and its own block registered anew, so that all loading goes through a block either way.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import sqlalchemy as sa
from psycopg2 import sql
from sqlalchemy.exc import DBAPIError

from contracts.derive.ddl import QUARANTINE, STAGING
from contracts.errors import BusyError, ConfigError, ToolError
from flows import embedded
from flows.home import home as home

if TYPE_CHECKING:  # Prefect is imported by who opens a block: it takes a second and 50 MB
    from prefect_sqlalchemy import SqlAlchemyConnector

OPS, MARTS = "ops", "marts"
SIDES = ("marts__a", "marts__b")
OLDEST_POSTGRES = 15
BLOCK_VARIABLE = "SLUICE_WAREHOUSE"

DATABASE_ERRORS = (DBAPIError, psycopg2.Error)  # through SQLAlchemy, and from the driver itself

APPLICATION = "sluice"  # how Sluice's sessions are named in pg_stat_activity; dbt's begin with it

# Settings of every session, so that the same file gives the same rows on any server.
SESSION = {
    "application_name": APPLICATION,
    "timezone": "UTC",
    "datestyle": "ISO",
    "client_connection_check_interval": "500ms",  # a killed client's query ends, and commits nothing
    "idle_in_transaction_session_timeout": "10min",  # a half-open link frees its locks
}


def utc_now() -> datetime:
    """The clock on the wall."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Warehouse:
    """A PostgreSQL that batches are loaded into.

    Attributes:
        block: name of the connector block it came from.
        target: dbt target that reaches it.
        now: the clock that incidents are dated by.
    """

    engine: sa.Engine
    block: str
    target: str
    now: Callable[[], datetime] = utc_now

    @property
    def url(self) -> sa.URL:
        """Where it is; what dbt is told."""
        return self.engine.url

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Hold the one lock on `what` (a dataset, or `dbt`) while the block runs.

        Raises:
            BusyError: another run holds it.
        """
        key = sa.func.hashtextextended(f"sluice:{what}", 0)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
                raise BusyError(f"{what}: another run is at work on it. Wait for it, or see who: sluice status")
            try:
                yield
            finally:
                with suppress(DBAPIError):  # the connection is gone, and the lock with it
                    connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))


def open_warehouse() -> Warehouse:
    """The warehouse that this process is to use: opened once, its schemas made if missing.

    Raises:
        ConfigError: the block does not exist, or does not name a PostgreSQL through psycopg2.
        ToolError: the database does not answer, or is too old.
    """
    return _open(os.environ.get(BLOCK_VARIABLE), home())


def look_into_warehouse() -> Warehouse | None:
    """The same warehouse for one who changes nothing: no schema is made, and its transactions are read-only.

    None if it is the embedded one and was never started, for starting it would make it. Raises as `open_warehouse`.
    """
    block = os.environ.get(BLOCK_VARIABLE)
    if not block and not embedded.exists(home()):
        return None
    return _open(block, home(), readonly=True)


def forget_warehouse() -> None:
    """Open it anew the next time: its block may say something else by then."""
    _open.cache_clear()


@cache
def _open(block: str | None, home: Path, readonly: bool = False) -> Warehouse:
    if block:
        return connect(_load_block(block), block, "postgres", readonly)
    return connect(_embedded_connector(home), _embedded_block_name(home), "embedded", readonly)


def connect(connector: SqlAlchemyConnector, block: str, target: str, readonly: bool = False) -> Warehouse:
    """The warehouse a connector block names, its schemas made if missing. Raises as `open_warehouse`.

    Args:
        readonly: make nothing, and let the database refuse every write.
    """
    engine = _engine(connector, block)
    if readonly:
        engine = engine.execution_options(postgresql_readonly=True)
    try:
        with engine.begin() as connection:
            _refuse_old(connection, block)
            if not readonly:
                _create_schemas(connection)
    except DATABASE_ERRORS as error:
        raise ToolError(
            f"the warehouse of block {block!r} cannot be used: {first_line(error)}. "
            "Is the server up, do host, port and database in the block name it, may its user create schemas?"
        ) from None
    return Warehouse(engine, block, target)


def first_line(error: BaseException) -> str:
    """What a driver says, without the statement and its parameters (which hold data)."""
    text = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


def start_embedded() -> dict[str, str]:
    """Keep the embedded server up while this process lives, if it is what runs use; gives runs its home."""
    if not os.environ.get(BLOCK_VARIABLE):
        embedded.start(home())
    return {"SLUICE_HOME": str(home())}


def execute(connection: sa.Connection, statement: sql.Composable) -> None:
    """Run composed SQL in the connection's transaction, for statements that SQLAlchemy has no words for.

    Raises:
        psycopg2.Error: as the driver raises it.
    """
    driver_connection = connection.connection.driver_connection
    if driver_connection is None:
        raise ToolError("the connection to the warehouse is gone; run again")
    with driver_connection.cursor() as cursor:
        cursor.execute(statement)


def _embedded_block_name(home: Path) -> str:
    return f"sluice-embedded-{sha256(str(home).encode()).hexdigest()[:8]}"


def register_embedded() -> None:
    """Save the embedded server's block anew, if that is what runs use; its name tells checkouts apart.

    For runs: what only reads needs no Prefect server, and should not wait for one to start.
    """
    if not os.environ.get(BLOCK_VARIABLE):
        _embedded_connector(home()).save(_embedded_block_name(home()), overwrite=True)


def _embedded_connector(home: Path) -> SqlAlchemyConnector:
    """Start the embedded server, if it does not run, and make the block that names it."""
    url = embedded.start(home)
    from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver

    return SqlAlchemyConnector(
        connection_info=ConnectionComponents(
            driver=SyncDriver.POSTGRESQL_PSYCOPG2,
            username=url.username,
            database=url.database,
            query={key: str(value) for key, value in url.query.items()},
        )
    )


def _load_block(name: str) -> SqlAlchemyConnector:
    try:
        from prefect_sqlalchemy import SqlAlchemyConnector

        return SqlAlchemyConnector.load(name)
    except ValueError as error:
        raise ConfigError(
            f"block {name!r} (from {BLOCK_VARIABLE}) cannot be used: {first_line(error)}\n"
            "Create it in the Prefect UI (Blocks, SQLAlchemy Connector) or with: prefect block register "
            "-m prefect_sqlalchemy; prefect block create sqlalchemy-connector"
        ) from None


def _engine(connector: SqlAlchemyConnector, block: str) -> sa.Engine:
    from prefect_sqlalchemy import SyncDriver

    driver = connector._rendered_url.drivername
    if driver != SyncDriver.POSTGRESQL_PSYCOPG2.value:
        raise ConfigError(
            f"block {block!r} names the driver {driver!r}; use {SyncDriver.POSTGRESQL_PSYCOPG2.value!r} "
            "(a bare 'postgresql' means another driver since SQLAlchemy 2.1)"
        )
    connector.logger.disabled = True  # it would report each engine it makes
    engine = connector.get_engine(hide_parameters=True, pool_pre_ping=True)
    sa.event.listen(engine, "connect", _set_session)
    return engine


def _set_session(driver_connection, _record) -> None:  # type: ignore[no-untyped-def]
    with driver_connection.cursor() as cursor:
        for name, value in SESSION.items():
            cursor.execute("select set_config(%s, %s, false)", (name, value))
    driver_connection.commit()


def _refuse_old(connection: sa.Connection, block: str) -> None:
    version = connection.dialect.server_version_info or (0,)
    if int(version[0]) < OLDEST_POSTGRES:
        raise ToolError(f"block {block!r}: PostgreSQL {version[0]}; Sluice needs {OLDEST_POSTGRES} or newer")


def _create_schemas(connection: sa.Connection) -> None:
    for schema in (STAGING, QUARANTINE, OPS, MARTS):
        connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
