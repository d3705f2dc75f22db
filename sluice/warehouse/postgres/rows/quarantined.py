"""Rows in quarantine: read again as text, and dropped when they are old."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from sluice.contract.checks.names import parse_check_name
from sluice.contract.columns import WHOLE_ROW, Column
from sluice.contract.contract import Contract
from sluice.warehouse.engine import RejectedRow
from sluice.warehouse.postgres.rows.tables import quarantine_table


def rows(connection: sa.Connection, contract: Contract, load_id: int, size: int) -> Iterator[Sequence[RejectedRow]]:
    """The rejected rows of a load in their order, at most `size` at a time."""
    table = quarantine_table(contract)
    cells = [_text(table, column) for column in contract.columns]
    query = sa.select(table.c._row_number, table.c._reasons, table.c._row[WHOLE_ROW].astext, *cells)
    query = query.where(table.c._load_id == load_id).order_by(table.c._row_number)
    streamed = connection.execution_options(stream_results=True, max_row_buffer=size).execute(query)
    for some in streamed.partitions(size):
        yield [RejectedRow(number, reasons, whole, texts) for number, reasons, whole, *texts in some]


def expire(connection: sa.Connection, contract: Contract, age: timedelta) -> dict[int, int]:
    """Drop rejected rows that are older. Returns how many of each load."""
    table = quarantine_table(contract)
    old = table.delete().where(table.c._quarantined_at < sa.func.now() - age)
    gone = old.returning(table.c._load_id).cte("gone")
    counts = sa.select(gone.c._load_id, sa.func.count()).group_by(gone.c._load_id)
    return {row[0]: row[1] for row in connection.execute(counts)}


def _text(table: sa.Table, column: Column) -> sa.ColumnElement[Any]:
    """A quarantined cell as text that its column's type reads."""
    cell = table.c._row[column.name]
    if column.type.name != "json":
        return cell.astext
    unread = table.c._reasons.any(parse_check_name(column))  # kept as the source's text, not as JSON
    return sa.case((cell.astext.is_(None), None), (unread, cell.astext), else_=sa.cast(cell, sa.Text))
