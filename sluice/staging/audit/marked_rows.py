"""Rows marked by checks of keys and pandas checks before the scan."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from sluice.contract.checks.compile import Check
from sluice.contract.checks.keys import failing
from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import STAGING
from sluice.ledger.tables import failed_rows
from sluice.warehouse import warehouse
from sluice.warehouse.postgres.tables import incoming_table


def mark(connection: sa.Connection, batch: warehouse.Batch, check: Check, row_numbers: Sequence[int]) -> None:
    """Write down rows that fail a check."""
    if row_numbers:
        rows = [{"load_id": batch.load_id, "_row_number": n, "check_name": check.name} for n in row_numbers]
        connection.execute(failed_rows.insert(), rows)


def mark_keys(connection: sa.Connection, contract: Contract, batch: warehouse.Batch, check: Check) -> None:
    """Write down the rows that fail a check of keys, found by one query."""
    found = failing(check, incoming_table(contract, batch.batch), batch.batch, STAGING).subquery()
    rows = sa.select(sa.literal(batch.load_id), found.c._row_number, sa.literal(check.name))
    connection.execute(failed_rows.insert().from_select(["load_id", "_row_number", "check_name"], rows))


def marked(connection: sa.Connection, batch: warehouse.Batch) -> set[str]:
    """The checks that have rows here. The others need not be asked about in the audit's scan."""
    query = sa.select(failed_rows.c.check_name).where(failed_rows.c.load_id == batch.load_id).distinct()
    return set(connection.scalars(query))


def is_marked(row_number: sa.ColumnElement[int], batch: warehouse.Batch, check: Check) -> sa.ColumnElement[bool]:
    """Whether a row is written down for a check."""
    same = (failed_rows.c.load_id == batch.load_id) & (failed_rows.c.check_name == check.name)
    return row_number.in_(sa.select(failed_rows.c._row_number).where(same))


def forget(connection: sa.Connection, batch: warehouse.Batch) -> None:
    """Drop what was written down for a load."""
    connection.execute(failed_rows.delete().where(failed_rows.c.load_id == batch.load_id))
