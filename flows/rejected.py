"""The way of a batch's rejected rows into quarantine, as its audit found them."""

from __future__ import annotations

import sqlalchemy as sa

from contracts.contract import Contract
from contracts.derive.ddl import findings_table, incoming_table, quarantine_table
from contracts.version import version_of
from flows import ledger


def move_to_quarantine(connection: sa.Connection, contract: Contract, batch: ledger.Batch) -> int:
    """Take the rejected rows out of the incoming table and keep each once, with every check it failed.

    Returns:
        How many there were.
    """
    table, findings = incoming_table(contract, batch.batch), findings_table(contract, batch.batch)
    moved = sa.select(
        sa.literal(batch.batch).label("_batch"),
        sa.literal(batch.load_id).label("_load_id"),
        sa.literal(version_of(contract)).label("_contract_version"),
        findings.c._row_number,
        findings.c._reasons,
        findings.c._row,
    ).where(findings.c._rejected)
    names = [column.name for column in moved.selected_columns]
    kept = connection.execute(quarantine_table(contract).insert().from_select(names, moved)).rowcount
    # By place, as an array: PostgreSQL then goes to these rows at once, where a join would read the whole table.
    places = sa.func.array(sa.select(findings.c._place).where(findings.c._rejected).scalar_subquery())
    taken = connection.execute(sa.delete(table).where(table.c.ctid == sa.any_(places))).rowcount
    findings.drop(connection)
    return min(kept, taken)
