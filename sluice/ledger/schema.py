"""The tables of the schema `ops` in the database: made where they are missing, and brought to this version.

Each module of flows/ that keeps something there declares its own table on `ledger.metadata`.
"""

from __future__ import annotations

import sqlalchemy as sa
from psycopg2 import sql
from sqlalchemy.schema import SetColumnComment

from sluice.ledger.tables import metadata
from sluice.warehouse.postgres.session import execute
from sluice.warehouse.warehouse import OPS


def create(connection: sa.Connection) -> None:
    """Make the ledger's tables where they are missing, and add columns and comments that a newer version has."""
    # Two at once would both find a table missing.
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("sluice:ddl", 0))))
    metadata.create_all(connection)
    found = sa.inspect(connection)
    for table in metadata.tables.values():
        known = {column["name"]: column["comment"] for column in found.get_columns(table.name, schema=OPS)}
        for column in table.columns:
            if column.name not in known:
                statement = sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}").format(
                    sql.Identifier(OPS, table.name),
                    sql.Identifier(column.name),
                    sql.SQL(column.type.compile(connection.dialect)),
                )
                execute(connection, statement)
            if column.comment != known.get(column.name):
                connection.execute(SetColumnComment(column))
