"""The way of a batch's rejected rows into quarantine, as its audit found them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

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
    # By place, as an array: PostgreSQL then goes to these rows at once, where a join would read the whole table.
    places = sa.func.array(sa.select(findings.c._place).where(findings.c._rejected).scalar_subquery())
    removed = sa.delete(table).where(table.c.ctid == sa.any_(places))
    taken = removed.returning(table.c._row_number, _row(contract, table).label("_row")).cte("taken")
    moved = sa.select(
        sa.literal(batch.batch).label("_batch"),
        sa.literal(batch.load_id).label("_load_id"),
        sa.literal(version_of(contract)).label("_contract_version"),
        taken.c._row_number,
        findings.c._reasons,
        taken.c._row,
    ).join_from(taken, findings, taken.c._row_number == findings.c._row_number)
    names = [column.name for column in moved.selected_columns]
    kept = connection.execute(quarantine_table(contract).insert().from_select(names, moved)).rowcount
    findings.drop(connection)
    return kept


def _row(contract: Contract, table: sa.Table) -> Any:
    """The typed values, overlaid with the source's text of the cells that did not parse."""
    pairs = [part for c in contract.columns for part in (sa.literal(c.name), table.c[c.name])]
    # A function takes 100 arguments at most.
    halves = [sa.func.jsonb_build_object(*pairs[i : i + 100]) for i in range(0, len(pairs), 100)]
    typed: Any = halves[0]
    for half in halves[1:]:
        typed = typed.op("||")(half)
    return typed.op("||")(sa.func.coalesce(sa.cast(table.c._unparsed, JSONB), sa.cast(sa.literal("{}"), JSONB)))
