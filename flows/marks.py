"""Rows that fail a check which is no expression over the row itself: a uniqueness check, or one that runs in pandas.

`ops.failed_rows` holds them while an audit runs, so that its one scan can tell them too.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from contracts.checks import Check
from contracts.contract import Contract
from contracts.derive.ddl import incoming_table
from contracts.uniqueness import duplicates
from flows import ledger

failed_rows = sa.Table(
    "failed_rows",
    ledger.metadata,
    sa.Column("load_id", sa.BigInteger(), nullable=False, index=True),
    sa.Column("_row_number", sa.BigInteger(), nullable=False),
    sa.Column("check_name", sa.Text(), nullable=False),
)


def mark(connection: sa.Connection, batch: ledger.Batch, check: Check, row_numbers: Sequence[int]) -> None:
    """Write down rows that fail a check."""
    if row_numbers:
        rows = [{"load_id": batch.load_id, "_row_number": n, "check_name": check.name} for n in row_numbers]
        connection.execute(failed_rows.insert(), rows)


def mark_duplicates(connection: sa.Connection, contract: Contract, batch: ledger.Batch, check: Check) -> None:
    """Write down the rows that fail a uniqueness check, found by one grouped query."""
    found = duplicates(check, incoming_table(contract, batch.batch)).subquery()
    rows = sa.select(sa.literal(batch.load_id), found.c._row_number, sa.literal(check.name))
    connection.execute(failed_rows.insert().from_select(["load_id", "_row_number", "check_name"], rows))


def marked(connection: sa.Connection, batch: ledger.Batch) -> set[str]:
    """The checks that have rows here. The others need not be asked about in the audit's scan."""
    query = sa.select(failed_rows.c.check_name).where(failed_rows.c.load_id == batch.load_id).distinct()
    return set(connection.scalars(query))


def is_marked(row_number: sa.ColumnElement[int], batch: ledger.Batch, check: Check) -> sa.ColumnElement[bool]:
    """Whether a row is written down for a check."""
    same = (failed_rows.c.load_id == batch.load_id) & (failed_rows.c.check_name == check.name)
    return row_number.in_(sa.select(failed_rows.c._row_number).where(same))


def forget(connection: sa.Connection, batch: ledger.Batch) -> None:
    """Drop what was written down for a load."""
    connection.execute(failed_rows.delete().where(failed_rows.c.load_id == batch.load_id))
