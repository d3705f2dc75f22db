"""Audit one loaded batch: every check of its contract, in the database. Reads the incoming table, changes no row.

All row checks run in one scan (scan.py), each check of keys in one query; checks that could
not be traced run in pandas over streamed chunks (pandas_checks.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from sluice.contract.checks.compile import Check
from sluice.contract.checks.keys import OF_KEYS
from sluice.contract.contract import Contract
from sluice.contract.gate import CheckResult
from sluice.warehouse.batch import Batch
from sluice.warehouse.engine import Audited
from sluice.warehouse.postgres.audit import canary, marked_rows, pandas_checks, scan
from sluice.warehouse.postgres.audit.samples import samples
from sluice.warehouse.postgres.rows.tables import incoming_table, marked_table
from sluice.warehouse.postgres.session import first_line

MARKED = (*OF_KEYS, "pandas")  # kinds of checks whose failing rows are written down before the scan


def audit(
    connection: sa.Connection, contract: Contract, batch: Batch, checks: Sequence[Check], temporary: bool = False
) -> Audited:
    """Run every check over the incoming table, and leave the findings for the verdict.

    Args:
        temporary: the connection's tables are temporary ones of its session.
    """
    rows, failing, errors = _whole_table(connection, contract, batch, checks)
    marks = marked_table(contract, batch.batch, temporary) if any(check.kind in MARKED for check in checks) else None
    marked: set[str] = set()
    if marks is not None:
        marks.create(connection, checkfirst=False)
        errors |= _mark_failed_rows(connection, contract, batch, checks)
        marked = marked_rows.marked(connection, contract, batch)
    places = canary.put_in(connection, contract, batch)
    errors |= scan.write(connection, contract, batch, checks, marked, temporary)
    if marks is not None:
        marks.drop(connection, checkfirst=False)
    able = [check for check in checks if check.name not in errors]
    alive = canary.take_out(connection, contract, batch, places, able)
    rejected, counted = scan.counts(connection, contract, batch)
    shown = samples(connection, contract, batch, checks) if counted else {}
    return Audited(rows, rejected, alive, {**failing, **counted}, errors, shown)


def try_canary(
    connection: sa.Connection, contract: Contract, batch: Batch, checks: Sequence[Check]
) -> tuple[CheckResult, dict[str, str]]:
    """Audit the canary rows alone, in tables that the caller's connection makes as temporary ones."""
    incoming_table(contract, batch.batch).create(connection)
    places = canary.put_in(connection, contract, batch)
    errors = scan.write(connection, contract, batch, checks, temporary=True)
    able = [check for check in checks if check.name not in errors]
    return canary.take_out(connection, contract, batch, places, able), errors


def _whole_table(
    connection: sa.Connection, contract: Contract, batch: Batch, checks: Sequence[Check]
) -> tuple[int, dict[str, int], dict[str, str]]:
    """Rows; how many fail each check of one value for the whole table: all, or none; why one could not be run."""
    aggregates = [check for check in checks if check.kind == "aggregate"]
    table = incoming_table(contract, batch.batch)
    errors: dict[str, str] = {}
    try:
        with connection.begin_nested():
            rows, *counts = connection.execute(_totals(table, aggregates)).one()
    except scan.CHECK_ERRORS:
        errors = scan.crashes(connection, contract, batch, aggregates)
        aggregates = [check for check in aggregates if check.name not in errors]
        rows, *counts = connection.execute(_totals(table, aggregates)).one()
    return rows, {check.name: count for check, count in zip(aggregates, counts, strict=True)}, errors


def _totals(table: sa.Table, aggregates: Sequence[Check]) -> sa.Select:
    count = sa.func.count()
    counts = [sa.case((sa.not_(check.passes), count), else_=0) for check in aggregates]
    columns = [column.label(f"count_{number}") for number, column in enumerate([count, *counts])]
    return sa.select(*columns).select_from(table)


def _mark_failed_rows(
    connection: sa.Connection, contract: Contract, batch: Batch, checks: Sequence[Check]
) -> dict[str, str]:
    """Write down the rows that fail the checks of keys and the pandas checks.

    Returns:
        Why, by its name, for each check that could not be run.
    """
    errors: dict[str, str] = {}
    for check in (check for check in checks if check.kind in OF_KEYS):
        try:
            with connection.begin_nested():
                marked_rows.mark_keys(connection, contract, batch, check)
        except scan.CHECK_ERRORS as error:  # what it looks up is not there
            errors[check.name] = first_line(error)
    untraced = [check for check in checks if check.kind == "pandas"]
    return errors | (pandas_checks.mark(connection, contract, batch, untraced) if untraced else {})
