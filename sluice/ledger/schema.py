"""Create the `ops` tables and add what a newer version has; whether that was done. Called by runs and `setup` only."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.schema import SetColumnComment

from sluice.ledger.tables import metadata
from sluice.warehouse.batch import schemas_of
from sluice.warehouse.postgres import locks

COLUMNS = sa.text(
    "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = :ops AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"
)


class State(StrEnum):
    """What there is of the ledger: nothing yet, what an older version made, or all that this version needs."""

    MISSING = "missing"
    OLDER = "older"
    CURRENT = "current"


# A column of an older version, and what fills the ones that came for it. It stays, for views over it and for a run of
# that version that is still under way; new rows leave it empty.
REPLACED = {
    "reference_loads": (
        "loads",
        'UPDATE %(fullname)s SET "count" = cardinality(loads), digest = md5(coalesce('
        "(SELECT string_agg(load::text, ',' ORDER BY load) FROM unnest(loads) AS load), '')) "
        "WHERE digest IS NULL AND loads IS NOT NULL",
    )
}


def create(connection: sa.Connection) -> None:
    """Create every table of `ops` that is missing, and add columns, indexes and comments that a newer version has."""
    locks.until_commit(connection, "ddl")  # two at once would both find a table missing
    metadata.create_all(connection)
    found, ops = sa.inspect(connection), schemas_of(connection).ops
    all_columns, all_indexes = found.get_multi_columns(schema=ops), found.get_multi_indexes(schema=ops)
    for table in metadata.tables.values():
        columns = {column["name"]: column for column in all_columns[ops, table.name]}
        known = {name: column["comment"] for name, column in columns.items()}
        for column in table.columns:
            if column.name not in known:
                name = connection.dialect.identifier_preparer.format_column(column)
                added = f"{name} {column.type.compile(connection.dialect)}"
                connection.execute(sa.DDL(f"ALTER TABLE %(fullname)s ADD COLUMN IF NOT EXISTS {added}").against(table))
            if column.comment != known.get(column.name):
                connection.execute(SetColumnComment(column))
        there = {index["name"] for index in all_indexes.get((ops, table.name), ())}
        for index in table.indexes:
            if index.name not in there:
                index.create(connection)
        old, carried_over = REPLACED.get(table.name, ("", ""))
        if old in columns:
            connection.execute(sa.DDL(carried_over).against(table))
            if not columns[old]["nullable"]:
                connection.execute(sa.DDL(f"ALTER TABLE %(fullname)s ALTER COLUMN {old} DROP NOT NULL").against(table))


def state(connection: sa.Connection) -> State:
    """Whether the tables are there, with every column that this version asks for. Changes nothing."""
    found = set(connection.execute(COLUMNS, {"ops": schemas_of(connection).ops}).tuples())
    if not any(table == "batches" for table, _ in found):
        return State.MISSING
    needed = {(table.name, column.name) for table in metadata.tables.values() for column in table.columns}
    return State.CURRENT if needed <= found else State.OLDER
