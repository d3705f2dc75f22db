"""All rows of an earlier load, accepted and rejected, in a temporary table, as any contract reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from psycopg2 import sql
from sqlalchemy.types import TypeEngine

from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import STAGING
from sluice.warehouse.batch import Batch, schemas_of
from sluice.warehouse.engine import TypedRows
from sluice.warehouse.postgres.rows import bulk_load
from sluice.warehouse.postgres.rows.tables import incoming_table
from sluice.warehouse.postgres.session import execute

TEMPORARY = "pg_temp"  # the schema of a session's temporary tables, under the name that each session has for its own


def types_of_accepted(
    connection: sa.Connection, contract: Contract, batch: Batch, *, published: bool
) -> dict[str, TypeEngine]:
    """The columns of the accepted rows of a load, published or held, with their types. Empty if they are gone."""
    name, staging = _accepted(contract, batch.batch, published), schemas_of(connection).staging
    there = sa.inspect(connection)
    if not there.has_table(name, schema=staging):
        return {}
    return {column["name"]: column["type"] for column in there.get_columns(name, schema=staging)}


def gather(
    connection: sa.Connection,
    contract: Contract,
    batch: Batch,
    looked_up: Iterable[str],
    rejected: TypedRows,
    columns: Sequence[str],
    *,
    published: bool,
) -> None:
    """Put all rows of a load into a temporary table, in the place of the incoming one.

    The caller rolls back, and uses the connection for nothing else: it finds no table of `staging` any more.

    Args:
        looked_up: datasets of which the published rows are to be found, too.
        rejected: as the contract reads them.
        columns: those that the accepted rows have; all others are null.
    """
    staging = schemas_of(connection).staging
    connection.execution_options(schema_translate_map={**schemas_of(connection).translation, STAGING: TEMPORARY})
    _show_published(connection, staging, looked_up)
    table = incoming_table(contract, batch.batch)
    table.create(connection, checkfirst=False)
    bulk_load.copy(connection, table, rejected)
    names = sql.SQL(", ").join(sql.Identifier(name) for name in (*columns, "_row_number"))
    source = sql.Identifier(staging, _accepted(contract, batch.batch, published))
    add = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} WHERE _batch = {}")
    there = sql.Identifier(TEMPORARY, table.name)
    execute(connection, add.format(there, names, names, source, sql.Literal(batch.batch)))


def _show_published(connection: sa.Connection, staging: str, datasets: Iterable[str]) -> None:
    """Let checks find the published rows that they look keys up in, where they look for all tables: as views."""
    there = sa.inspect(connection)
    for name in datasets:
        if there.has_table(name, schema=staging):
            view, table = sql.Identifier(name), sql.Identifier(staging, name)
            execute(connection, sql.SQL("CREATE TEMPORARY VIEW {} AS SELECT * FROM {}").format(view, table))


def _accepted(contract: Contract, batch: str, published: bool) -> str:
    """The table that they are in."""
    return contract.dataset_id if published else incoming_table(contract, batch).name
