"""Session settings, driver errors, raw statements."""

from __future__ import annotations

import psycopg2
import sqlalchemy as sa
from psycopg2 import sql
from psycopg2.errors import DeadlockDetected, LockNotAvailable, QueryCanceled
from sqlalchemy.exc import DBAPIError

from sluice.contract.errors import ToolError

DATABASE_ERRORS = (DBAPIError, psycopg2.Error)  # through SQLAlchemy, and from the driver itself
APPLICATION = "sluice"  # how Sluice's sessions are named in pg_stat_activity; dbt's begin with it
# Settings of every session, so that the same file gives the same rows on any server.
SESSION = {
    "application_name": APPLICATION,
    "timezone": "UTC",
    "datestyle": "ISO",
    "client_connection_check_interval": "500ms",  # a killed client's query ends, and commits nothing
    "idle_in_transaction_session_timeout": "10min",  # a half-open link frees its locks
    "lock_timeout": "5min",  # nothing waits for ever for what somebody else holds
    # A link that is silent is asked after 30 s, and given up after another 30: its locks are free then
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}

KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}  # s, s, times


def first_line(error: BaseException) -> str:
    """What a driver says, without the statement and its parameters (which hold data)."""
    text = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


def is_lost(error: BaseException) -> bool:
    """Whether the link to the server, or the session there, is gone: another one may do better."""
    return isinstance(getattr(error, "orig", error), psycopg2.OperationalError | psycopg2.InterfaceError)


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


def first_rows_of(connection: sa.Connection, query: str, rows: int, seconds: int) -> list[dict[str, object]]:
    """The first rows of somebody's query, read-only and within a time; the text is taken as it is, `:` and `%` too.

    Raises:
        psycopg2.Error: as the driver raises it, such as when the time has passed.
    """
    execute(connection, sql.SQL("SET TRANSACTION READ ONLY"))
    execute(connection, sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(f"{seconds}s")))
    limited = sql.SQL("SELECT * FROM ({}) AS failing LIMIT {}").format(sql.SQL(query), sql.Literal(rows))
    with connection.connection.driver_connection.cursor() as cursor:  # type: ignore[union-attr]
        cursor.execute(limited)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def set_session(driver_connection, _record) -> None:  # type: ignore[no-untyped-def]
    with driver_connection.cursor() as cursor:
        for name, value in SESSION.items():
            cursor.execute("select set_config(%s, %s, false)", (name, value))
    driver_connection.commit()


def keep_alive(_dialect, _record, _arguments, parameters) -> None:  # type: ignore[no-untyped-def]
    """The same on this side of the link: a server that is gone is noticed, and not waited for."""
    for name, value in KEEPALIVES.items():
        parameters.setdefault(name, value)


IN_THE_WAY = (LockNotAvailable, QueryCanceled, DeadlockDetected)  # a reader, for now: try again
