"""Audit one loaded batch: every check of its contract, in the database. Reads the incoming table, changes no row.

All row checks run in one scan (findings.py), each check of keys in one query; checks that could
not be traced run in pandas over streamed chunks (pandas_checks.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from sluice.contract.checks.compile import Check, checks_of
from sluice.contract.checks.keys import OF_KEYS
from sluice.contract.checks.report import report_of
from sluice.contract.contract import Contract
from sluice.contract.errors import ToolError
from sluice.contract.gate import AuditReport
from sluice.ledger import loads, references
from sluice.staging.audit import canary, findings, marked_rows, pandas_checks
from sluice.staging.audit.samples import samples
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.postgres.tables import incoming_table
from sluice.warehouse.postgres.transactions import settled
from sluice.warehouse.warehouse import Batch, Warehouse


def audit(warehouse: Warehouse, contract: Contract, batch: Batch) -> AuditReport:
    """Run every check and keep every result in `ops.checks`, and the findings for publishing.

    Raises:
        ToolError: the incoming table cannot be read, or a later run took over.
    """
    checks = checks_of(contract, batch.batch)
    try:
        with settled(warehouse.engine) as connection:
            loads.fence(connection, batch)
            looked_up = {check.name: check.looks_up[0] for check in checks if check.looks_up is not None}
            references.note(connection, batch, sorted(set(looked_up.values())))
            report = _audit(connection, contract, batch, checks)
            loads.write_checks(connection, batch, report.results)
            loads.note(connection, batch, audited_at=sa.func.clock_timestamp())
    except DATABASE_ERRORS as error:
        raise ToolError(f"{batch}: the audit could not be run: {first_line(error)}. Nothing was published.") from None
    if report.rows != batch.rows:
        raise ToolError(f"{batch}: {batch.rows:,} rows were loaded, but the audit saw {report.rows:,}")
    return report


def _audit(connection: sa.Connection, contract: Contract, batch: Batch, checks: Sequence[Check]) -> AuditReport:
    rows, failing, errors = _whole_table(connection, contract, batch, checks)
    errors |= _mark_failed_rows(connection, contract, batch, checks)
    places = canary.put_in(connection, contract, batch)
    errors |= findings.write(connection, contract, batch, checks)
    marked_rows.forget(connection, batch)
    able = [check for check in checks if check.name not in errors]
    alive = canary.take_out(connection, contract, batch, places, able)
    rejected, counted = findings.counts(connection, contract, batch)
    failing |= counted
    seen = samples(connection, contract, batch, checks)
    notes = {
        check.name: references.state_of(connection, check.looks_up[0], batch)
        for check in checks
        if check.looks_up is not None and failing.get(check.name)
    }
    return report_of(contract, checks, alive, rows, rejected, failing, errors, seen, notes)


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
    except findings.CHECK_ERRORS:
        errors = findings.crashes(connection, contract, batch, aggregates)
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
    marked_rows.forget(connection, batch)
    errors: dict[str, str] = {}
    for check in (check for check in checks if check.kind in OF_KEYS):
        try:
            with connection.begin_nested():
                marked_rows.mark_keys(connection, contract, batch, check)
        except findings.CHECK_ERRORS as error:  # what it looks up is not there
            errors[check.name] = first_line(error)
    untraced = [check for check in checks if check.kind == "pandas"]
    return errors | (pandas_checks.mark(connection, contract, batch, untraced) if untraced else {})
