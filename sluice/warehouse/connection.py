"""From a Prefect block to an open Warehouse: embedded or external, read-only or not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from sluice.contract.derive.schemas import Schemas
from sluice.contract.errors import ConfigError, ToolError
from sluice.project import paths
from sluice.project.settings import Settings
from sluice.warehouse import batch, embedded, ownership
from sluice.warehouse.embedded import users
from sluice.warehouse.embedded.location import MAJOR, data_major
from sluice.warehouse.postgres import locks
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line, keep_alive, set_session
from sluice.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from prefect_sqlalchemy import SqlAlchemyConnector

OLDEST_POSTGRES = 15
BLOCK_VARIABLE, TRANSFORMER_VARIABLE = "SLUICE_WAREHOUSE", "SLUICE_TRANSFORMER"
ENGINE: dict[str, Any] = {"hide_parameters": True, "pool_pre_ping": True}


def open_warehouse() -> Warehouse:
    """The warehouse that this process is to use: opened once, its schemas made if missing.

    Raises:
        ConfigError: the block does not exist, or does not name a PostgreSQL through psycopg2; or a schema is not this
            project's.
        ToolError: the database does not answer, or is too old.
    """
    return _open(os.environ.get(BLOCK_VARIABLE), paths.home(), paths.project().settings)


def look_into_warehouse(start: bool = False) -> Warehouse | None:
    """The same warehouse for one who changes nothing: no schema is made, and its transactions are read-only.

    None if it is the embedded one and was never started, for starting it would make it. Raises as `open_warehouse`.

    Args:
        start: start the embedded one all the same: then it is never None.
    """
    block = os.environ.get(BLOCK_VARIABLE)
    if not start and not block and not embedded.exists(paths.home()):
        return None
    return _open(block, paths.home(), paths.project().settings, readonly=True)


@contextmanager
def address_as_it_is() -> Iterator[sa.URL]:
    """Where the warehouse is, for a backup: also where the embedded one's data was written by another major.

    Raises:
        ConfigError: there is no warehouse yet. Otherwise as `open_warehouse`.
    """
    home = paths.home()
    if os.environ.get(BLOCK_VARIABLE) or data_major(home) in (None, MAJOR):
        warehouse = look_into_warehouse()
        if warehouse is None:
            raise ConfigError(f"there is no warehouse in {home} yet, so there is nothing to back up")
        yield warehouse.url
        return
    with embedded.as_it_is(home) as url:
        yield url


def named(block: str) -> Warehouse:
    """What another block names, for one who only reads. Raises as `open_warehouse`."""
    return connect(_load_block(block), block, "postgres", readonly=True)


def engine_of(block: str) -> sa.Engine:
    """Sessions as the user of a block. Raises ConfigError, as `open_warehouse`."""
    return _engine(_load_block(block), block)


def address_of(block: str) -> sa.URL:
    """What a block names, without a connection to it. Raises ConfigError where there is no such block."""
    return _url_of(_load_block(block))


def embedded_for(user: str | None) -> Warehouse:
    """The embedded warehouse, started if it does not run, for one who only reads; as another user than runs do."""
    home = paths.home()
    url, _ = users.urls(home)
    return _use(_made(url.set(username=user or url.username)), _embedded_block_name(home), "embedded", readonly=True)


def forget_warehouse() -> None:
    """Open it again the next time: its block may have changed by then."""
    _connected.cache_clear()


def _open(block: str | None, home: Path, settings: Settings, readonly: bool = False) -> Warehouse:
    transformer = os.environ.get(TRANSFORMER_VARIABLE) if block else None
    return _connected(block, transformer, home, settings.path, settings.project_id, settings.schemas, readonly)


@cache
def _connected(
    block: str | None,
    transformer: str | None,
    home: Path,
    path: Path,
    project_id: str,
    schemas: Schemas,
    readonly: bool,
) -> Warehouse:
    settings = Settings(path, project_id, schemas)
    if block:
        dbt = _engine(_load_block(transformer), transformer) if transformer else None
        return _use(_engine(_load_block(block), block), block, "postgres", readonly, settings, dbt)
    url, dbt_url = users.urls(home, None if readonly else schemas)
    dbt = None if dbt_url == url else _made(dbt_url)
    return _use(_made(url), _embedded_block_name(home), "embedded", readonly, settings, dbt)


def connect(
    connector: SqlAlchemyConnector,
    block: str,
    target: str,
    readonly: bool = False,
    settings: Settings | None = None,
    dbt: sa.Engine | None = None,
) -> Warehouse:
    """The warehouse a connector block names, its schemas made if missing. Raises as `open_warehouse`.

    Args:
        readonly: make nothing, and let the database refuse every write.
        settings: name the schemas, and whose they are; the project's own if not given.
        dbt: sessions of dbt's user, where that is another.
    """
    return _use(_engine(connector, block), block, target, readonly, settings, dbt)


def _use(
    engine: sa.Engine,
    block: str,
    target: str,
    readonly: bool = False,
    settings: Settings | None = None,
    dbt: sa.Engine | None = None,
) -> Warehouse:
    settings = settings or paths.project().settings
    if readonly:
        engine = engine.execution_options(postgresql_readonly=True)
    try:
        if target == "postgres" and not readonly:
            locks.refuse_pooler(engine, block)
        with engine.begin() as connection:
            _refuse_old(connection, block)
            settle = ownership.check if readonly else ownership.claim
            prefix = settle(connection, settings.schemas, settings.project_id)
            if not readonly:
                ownership.settle_sides(connection, settings.schemas, dbt, target == "embedded")
    except DATABASE_ERRORS as error:
        raise ToolError(
            f"the warehouse of block {block!r} cannot be used: {first_line(error)}. "
            "Is the server up, do host, port and database in the block name it, may its user create schemas?"
        ) from None
    named = {locks.OPTION: prefix, **batch.options(settings.schemas)}
    dbt = dbt and dbt.execution_options(**named)
    return Warehouse(engine.execution_options(**named), block, target, schemas=settings.schemas, transformer=dbt)


def start_embedded() -> dict[str, str]:
    """Keep the embedded server up while this process lives, if it is what runs use; gives runs its home."""
    if not os.environ.get(BLOCK_VARIABLE):
        embedded.start(paths.home())
    return {"SLUICE_HOME": str(paths.home())}


def _embedded_block_name(home: Path) -> str:
    return f"sluice-embedded-{sha256(str(home).encode()).hexdigest()[:8]}"


def register_embedded() -> None:
    """Save the embedded server's block, if runs use it. Not for what only reads: it would start a Prefect server."""
    if not os.environ.get(BLOCK_VARIABLE):
        _embedded_connector(paths.home()).save(_embedded_block_name(paths.home()), overwrite=True)


def _embedded_connector(home: Path) -> SqlAlchemyConnector:
    """Start the embedded server, if it does not run, and make the block that names it."""
    url, _ = users.urls(home)
    from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver

    query = {key: str(value) for key, value in url.query.items()}
    place: dict[str, Any] = {"username": url.username, "database": url.database, "query": query}
    return SqlAlchemyConnector(connection_info=ConnectionComponents(driver=SyncDriver.POSTGRESQL_PSYCOPG2, **place))


def _load_block(name: str) -> SqlAlchemyConnector:
    of = ", ".join(key for key, value in os.environ.items() if key.startswith("SLUICE_") and value == name)
    if "://" in name:  # and it may hold a password
        raise ConfigError(f"{of} must be the name of a Prefect block, not an address. Create the block: sluice setup")
    try:
        from prefect_sqlalchemy import SqlAlchemyConnector

        return SqlAlchemyConnector.load(name)
    except ValueError as error:
        raise ConfigError(
            f"block {name!r}{of and f' (from {of})'} cannot be used: {first_line(error)}\n"
            "Create it: sluice setup; or in the Prefect UI (Blocks); or with: prefect block create sqlalchemy-connector"
        ) from None


def _url_of(connector: SqlAlchemyConnector) -> sa.URL:
    """What its settings come to. prefect-sqlalchemy gives no public way to it (read in 0.6)."""
    return connector._rendered_url


def _engine(connector: SqlAlchemyConnector, block: str) -> sa.Engine:
    from prefect_sqlalchemy import SyncDriver

    driver: str = _url_of(connector).drivername
    if driver != SyncDriver.POSTGRESQL_PSYCOPG2.value:
        raise ConfigError(
            f"block {block!r} names the driver {driver!r}; use {SyncDriver.POSTGRESQL_PSYCOPG2.value!r} "
            "(a bare 'postgresql' means another driver since SQLAlchemy 2.1)"
        )
    connector.logger.disabled = True  # it would report each engine it makes
    return _watched(connector.get_engine(**ENGINE))


def _made(url: sa.URL) -> sa.Engine:
    """Of the embedded server. Its block says the same, but Prefect would be imported for it."""
    return _watched(sa.create_engine(url, **ENGINE))


def _watched(engine: sa.Engine) -> sa.Engine:
    sa.event.listen(engine, "do_connect", keep_alive)
    sa.event.listen(engine, "connect", set_session)
    return engine


def _refuse_old(connection: sa.Connection, block: str) -> None:
    version = connection.dialect.server_version_info or (0,)
    if int(version[0]) < OLDEST_POSTGRES:
        raise ToolError(f"block {block!r}: PostgreSQL {version[0]}; Sluice needs {OLDEST_POSTGRES} or newer")
