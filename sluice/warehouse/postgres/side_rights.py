"""What the warehouse's user may do on a side: everything while it is built, nothing but read while readers have it.

The second line behind the lock, for a session that asked for no lock: an ordinary user who owns a table may still drop
it, but creates, renames and writes nothing there. A superuser may do everything, and stays as it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from psycopg2 import sql

from sluice.warehouse.postgres.session import execute

WRITES = sql.SQL("INSERT, UPDATE, DELETE, TRUNCATE")


def allow(connection: sa.Connection, side: str) -> None:
    """Let the user of this connection write to the side."""
    _change(connection, side, sql.SQL("GRANT"), sql.SQL("TO"))


def forbid(connection: sa.Connection, side: str) -> None:
    """Let it only read. Waits for no reader: a REVOKE locks rows of the catalogue, not the tables."""
    _change(connection, side, sql.SQL("REVOKE"), sql.SQL("FROM"))


def _change(connection: sa.Connection, side: str, verb: sql.SQL, link: sql.SQL) -> None:
    if _is_superuser(connection) or not sa.inspect(connection).has_schema(side):
        return
    schema = sql.Identifier(side)
    execute(connection, sql.SQL("{} CREATE ON SCHEMA {} {} CURRENT_USER").format(verb, schema, link))
    every = sql.SQL("{} {} ON ALL TABLES IN SCHEMA {} {} CURRENT_USER")
    execute(connection, every.format(verb, WRITES, schema, link))


def _is_superuser(connection: sa.Connection) -> bool:
    return bool(connection.scalar(sa.text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")))
