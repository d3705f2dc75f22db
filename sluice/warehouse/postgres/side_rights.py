"""What runs and dbt may do on a side: everything while it is built, nothing but read while readers have it.

The second line behind the lock, for a session that asked for no lock: an ordinary user who owns a table may still drop
it, but creates, renames and writes nothing there. A superuser may do everything, and stays as it is.

A project's own grants (hooks, dbt's `grants`) name the relation that dbt builds, which is a table of a side. Who may
read that is meant to read the mart: a publish grants it on the view, and takes it away from the side, so that nobody
reads a candidate by rights that an earlier publish left.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from psycopg2 import sql

from sluice.warehouse.batch import schemas_of
from sluice.warehouse.engine import Grants
from sluice.warehouse.postgres.session import execute

# Whose the side is, which is dbt's user where that is another than the one of runs; none for a superuser
OWNER = sa.text(
    "SELECT CAST(pg_get_userbyid(nspowner) AS text) FROM pg_namespace, pg_roles "
    "WHERE nspname = :side AND rolname = current_user AND NOT rolsuper"
)
# Who but its owner, and who asks, may read what is in these schemas, and the schemas themselves; null is PUBLIC
READERS = sa.text(
    "SELECT n.nspname, relname, CASE WHEN grantee <> 0 THEN pg_get_userbyid(grantee) END FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = relnamespace CROSS JOIN aclexplode(relacl) "
    "WHERE n.nspname = ANY(:schemas) AND privilege_type = 'SELECT' AND grantee NOT IN (relowner, "
    "(SELECT oid FROM pg_roles WHERE rolname = current_user)) "
    "UNION ALL SELECT nspname, NULL, CASE WHEN grantee <> 0 THEN pg_get_userbyid(grantee) END FROM pg_namespace "
    "CROSS JOIN aclexplode(nspacl) WHERE nspname = ANY(:schemas) AND privilege_type = 'USAGE' "
    "AND grantee NOT IN (nspowner, (SELECT oid FROM pg_roles WHERE rolname = current_user)) ORDER BY 1, 2, 3"
)
# What others may do with the views of these schemas
GRANTED = sa.text(
    "SELECT nspname, relname, privilege_type, CASE WHEN grantee <> 0 THEN pg_get_userbyid(grantee) END FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = relnamespace LEFT JOIN aclexplode(relacl) ON grantee <> relowner "
    "WHERE nspname = ANY(:schemas) AND relkind = 'v' ORDER BY 1, 2, 3, 4"
)
WRITES = sql.SQL("INSERT, UPDATE, DELETE, TRUNCATE")


def allow(connection: sa.Connection, side: str) -> None:
    """Let the user of this connection, and the one whose side it is, write to it."""
    _change(connection, side, sql.SQL("GRANT"), sql.SQL("TO"))


def forbid(connection: sa.Connection, side: str) -> None:
    """Let them only read. Waits for no reader: a REVOKE locks rows of the catalogue, not the tables."""
    _change(connection, side, sql.SQL("REVOKE"), sql.SQL("FROM"))


def hand_on(connection: sa.Connection, side: str, models: Sequence[str]) -> Grants:
    """Take from others the right to read tables of the side, and let them use the schemas that readers know instead.

    Returns:
        What is to be granted on the views of these marts.
    """
    schemas = schemas_of(connection)
    marts = {schemas.table(mart, side): mart for mart in models}
    found: dict[str, list[list[str | None]]] = {}
    for part, table, role in connection.execute(READERS, {"schemas": list(schemas.parts(side))}).tuples():
        who = sql.SQL("PUBLIC") if role is None else sql.Identifier(role)
        if table is not None:
            execute(connection, sql.SQL("REVOKE SELECT ON {} FROM {}").format(sql.Identifier(part, table), who))
            if (part, table) in marts:
                found.setdefault(marts[part, table], []).append(["SELECT", role])
            continue
        execute(connection, sql.SQL("REVOKE USAGE ON SCHEMA {} FROM {}").format(sql.Identifier(part), who))
        if (known := schemas.known_as(part)) in schemas.published:
            execute(connection, sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(known), who))
    return found


def granted(connection: sa.Connection, before: Grants) -> Grants:
    """What others may do with each mart that readers have; with one that is missing, what they might `before`."""
    roles = {None, *connection.scalars(sa.text("SELECT CAST(rolname AS text) FROM pg_roles"))}
    found = {
        view: [pair for pair in pairs if pair[1] in roles and str(pair[0]).isalpha()] for view, pairs in before.items()
    }
    now: dict[str, list[list[str | None]]] = {}
    schemas = schemas_of(connection)
    for schema, view, privilege, role in connection.execute(GRANTED, {"schemas": list(schemas.published)}).tuples():
        now.setdefault(schemas.mart(schema, view), []).extend([[privilege, role]] if privilege else [])
    return {**found, **now}


def grant(view: tuple[str, str], pairs: Sequence[Sequence[str | None]]) -> list[sql.Composable]:
    """The statements that give others these rights on a view: pairs of a privilege and a role, None for PUBLIC."""
    return [
        sql.SQL("GRANT {} ON {} TO {}").format(
            sql.SQL(str(privilege)),
            sql.Identifier(*view),
            sql.SQL("PUBLIC") if role is None else sql.Identifier(role),
        )
        for privilege, role in pairs
    ]


def _change(connection: sa.Connection, side: str, verb: sql.SQL, link: sql.SQL) -> None:
    for part in schemas_of(connection).parts(side):
        owner = connection.scalar(OWNER, {"side": part})
        if owner is None:
            continue
        schema, users = sql.Identifier(part), sql.SQL("CURRENT_USER, {}").format(sql.Identifier(owner))
        execute(connection, sql.SQL("{} CREATE ON SCHEMA {} {} {}").format(verb, schema, link, users))
        execute(connection, sql.SQL("{} {} ON ALL TABLES IN SCHEMA {} {} {}").format(verb, WRITES, schema, link, users))
