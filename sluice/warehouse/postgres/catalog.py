"""What PostgreSQL's catalog says of relations and functions: which they are, and which may give other values."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

RELATIONS = sa.text(
    "SELECT c.relname, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :s"
)
SHAPES = sa.text(
    "SELECT c.relname, c.oid || ':' || string_agg(a.attname || ' ' || a.atttypid || ' ' || a.atttypmod, ',' "
    "ORDER BY a.attnum) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a "
    "ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE n.nspname = :s AND NOT c.relispartition "
    "GROUP BY c.relname, c.oid"
)
VOLATILE = sa.text(
    "SELECT DISTINCT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
    "WHERE provolatile = 'v' OR (n.nspname NOT IN ('pg_catalog', 'information_schema') AND provolatile <> 'i')"
)

HOLDING_ROWS = sa.text(
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p', 'm', 'f')"
)

IN_THE_WAY = "{}.{} is a table, where readers should have Sluice's view: drop it or rename it, and publish again"

OTHER_VIEW = "{}.{} is a view that Sluice did not make: drop it or rename it, and publish again"


def relations(connection: sa.Connection, schema: str) -> dict[str, int]:
    """The OID of each relation of a schema, by its name."""
    return {name: int(oid) for name, oid in connection.execute(RELATIONS, {"s": schema}).tuples()}


def tables(connection: sa.Connection, schemas: Sequence[str]) -> set[tuple[str, str]]:
    """Schema and name of what holds rows in these schemas: while it is there, no view can have its name."""
    return set(connection.execute(HOLDING_ROWS, {"schemas": list(schemas)}).tuples())


def shapes(connection: sa.Connection, schema: str) -> dict[str, str]:
    """What distinguishes each table of a schema and its columns from another, by its name. Not of partitions."""
    return dict(connection.execute(SHAPES, {"s": schema}).tuples().all())


def volatile(connection: sa.Connection) -> set[str]:
    """The names of the database's functions that may give another value each time; a user's unless it is immutable."""
    return set(connection.scalars(VOLATILE))
