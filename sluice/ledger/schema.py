"""The tables of the schema `ops` in the database: made where they are missing, and brought to this version.

They are declared in tables.py, all of them, so that what is made does not depend on what was imported.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.schema import SetColumnComment

from sluice.ledger.tables import metadata
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
                name = connection.dialect.identifier_preparer.format_column(column)
                added = f"{name} {column.type.compile(connection.dialect)}"
                connection.execute(sa.DDL(f"ALTER TABLE %(fullname)s ADD COLUMN IF NOT EXISTS {added}").against(table))
            if column.comment != known.get(column.name):
                connection.execute(SetColumnComment(column))
