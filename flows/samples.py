"""Samples of failing rows: a few per check, found in as few scans as it takes. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array

from contracts.checks import UNPARSED, Check
from contracts.contract import Contract
from contracts.derive.ddl import incoming_table
from flows import ledger
from flows.rejected import fails

SAMPLE_ROWS = 5  # kept per check: enough to see what is wrong, few enough for an alert
SCAN_ROWS = 200  # failing rows one scan brings; it stops there, so a wholly bad batch costs no more

Sample = tuple[Mapping[str, Any], ...]


def samples(
    connection: sa.Connection, contract: Contract, batch: ledger.Batch, failing: Sequence[Check]
) -> dict[str, Sample]:
    """Up to five failing rows of each check, by its name: `_row_number` and the columns the check looks at.

    The scan stops when it has met enough rows; what it did not meet is looked for in a scan of its own, without
    the checks that have their sample. Values of `pii` columns are masked.
    """
    found: dict[str, list[Mapping[str, Any]]] = {check.name: [] for check in failing}
    wanted = list(failing)
    while wanted:
        rows: Sequence[Any] = connection.execute(_failing_rows(contract, batch, wanted)).all()
        for row, flags in rows:
            for check, failed in zip(wanted, flags, strict=True):
                if failed and len(found[check.name]) < SAMPLE_ROWS:
                    found[check.name].append(_shown(contract, check, row))
        still = [check for check in wanted if len(found[check.name]) < SAMPLE_ROWS]
        if len(rows) < SCAN_ROWS or len(still) == len(wanted):
            break
        wanted = still
        for check in wanted:
            found[check.name].clear()  # the next scan starts at the first row again
    return {name: tuple(rows) for name, rows in found.items()}


def unparsed_sample(connection: sa.Connection, contract: Contract, batch: ledger.Batch, key: str) -> Sample:
    """Up to five rows whose cell did not parse, with the source's text of it."""
    table = incoming_table(contract, batch.batch)
    text = sa.cast(table.c._unparsed, sa.dialects.postgresql.JSONB)[key].astext
    query = sa.select(table.c._row_number, text).where(UNPARSED.contains(f'"{key}":', autoescape=True))
    masked = any(column.pii and column.name == key for column in contract.columns)
    return tuple(
        {"_row_number": number, key: "***" if masked else value}
        for number, value in connection.execute(query.limit(SAMPLE_ROWS))
    )


def _failing_rows(contract: Contract, batch: ledger.Batch, checks: Sequence[Check]) -> sa.Select:
    table = incoming_table(contract, batch.batch)
    row = sa.func.to_jsonb(sa.literal_column(f'"{table.name}"'))
    flags = array([fails(check, batch) for check in checks])
    any_failed = sa.or_(*(fails(check, batch) for check in checks))
    return sa.select(row, flags).select_from(table).where(any_failed).limit(SCAN_ROWS)


def _shown(contract: Contract, check: Check, row: Mapping[str, Any]) -> Mapping[str, Any]:
    masked = {column.name for column in contract.columns if column.pii}
    names = check.columns or tuple(column.name for column in contract.columns)
    shown = {name: "***" if name in masked and row[name] is not None else row[name] for name in names}
    return {"_row_number": row["_row_number"], **shown}
