"""Rows marked by checks of keys and pandas checks before the scan, in a table that lives as long as the audit."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from sluice.contract.checks.compile import ROW_NUMBER, Check
from sluice.contract.checks.keys import failing
from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import STAGING
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.rows.tables import incoming_table, marked_table


def mark(connection: sa.Connection, contract: Contract, batch: Batch, check: Check, row_numbers: Sequence[int]) -> None:
    """Write down rows that fail a check."""
    if row_numbers:
        rows = [{"_row_number": number, "check_name": check.name} for number in row_numbers]
        connection.execute(marked_table(contract, batch.batch).insert(), rows)


def mark_keys(connection: sa.Connection, contract: Contract, batch: Batch, check: Check) -> None:
    """Write down the rows that fail a check of keys, found by one query."""
    found = failing(check, incoming_table(contract, batch.batch), batch.batch, STAGING).subquery()
    rows = sa.select(found.c._row_number, sa.literal(check.name))
    table = marked_table(contract, batch.batch)
    connection.execute(table.insert().from_select(["_row_number", "check_name"], rows))


def marked(connection: sa.Connection, contract: Contract, batch: Batch) -> set[str]:
    """The checks that have rows here. The others need not be asked about in the audit's scan."""
    return set(connection.scalars(sa.select(marked_table(contract, batch.batch).c.check_name).distinct()))


def is_marked(contract: Contract, batch: Batch, check: Check) -> sa.ColumnElement[bool]:
    """Whether a row of the incoming table is written down for a check."""
    table = marked_table(contract, batch.batch)
    return ROW_NUMBER.in_(sa.select(table.c._row_number).where(table.c.check_name == check.name))
