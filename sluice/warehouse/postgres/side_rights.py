"""What runs and dbt may do on a side: everything while it is built, nothing but read while readers have it.

The second line behind the lock, for a session that asked for no lock: an ordinary user who owns a table may still drop
it, but creates, renames and writes nothing there. A superuser may do everything, and stays as it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from psycopg2 import sql

from sluice.warehouse.batch import schemas_of
from sluice.warehouse.postgres.session import execute

# Whose the side is, which is dbt's user where that is another than the one of runs; none for a superuser
OWNER = sa.text(
    "SELECT CAST(pg_get_userbyid(nspowner) AS text) FROM pg_namespace, pg_roles "
    "WHERE nspname = :side AND rolname = current_user AND NOT rolsuper"
)
WRITES = sql.SQL("INSERT, UPDATE, DELETE, TRUNCATE")


def allow(connection: sa.Connection, side: str) -> None:
    """Let the user of this connection, and the one whose side it is, write to it."""
    _change(connection, side, sql.SQL("GRANT"), sql.SQL("TO"))


def forbid(connection: sa.Connection, side: str) -> None:
    """Let them only read. Waits for no reader: a REVOKE locks rows of the catalogue, not the tables."""
    _change(connection, side, sql.SQL("REVOKE"), sql.SQL("FROM"))


def _change(connection: sa.Connection, side: str, verb: sql.SQL, link: sql.SQL) -> None:
    for part in schemas_of(connection).parts(side):
        owner = connection.scalar(OWNER, {"side": part})
        if owner is None:
            continue
        schema, users = sql.Identifier(part), sql.SQL("CURRENT_USER, {}").format(sql.Identifier(owner))
        execute(connection, sql.SQL("{} CREATE ON SCHEMA {} {} {}").format(verb, schema, link, users))
        execute(connection, sql.SQL("{} {} ON ALL TABLES IN SCHEMA {} {} {}").format(verb, WRITES, schema, link, users))
