"""Audit one loaded batch: every check of its contract, in the database. Reads the incoming table, changes no row.

All row checks run in one scan, each uniqueness check in one grouped query; checks that could not be
traced run in pandas over streamed chunks (flows/audit_pandas.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from contracts.checks import UNPARSED, Check, checks_of, parse_check_name
from contracts.contract import Contract
from contracts.derive.ddl import incoming_table
from contracts.errors import ToolError
from contracts.gate import AuditReport, CheckResult
from flows import audit_pandas, ledger, rejected
from flows.samples import samples, unparsed_sample
from flows.warehouse import DATABASE_ERRORS, Warehouse, first_line


def audit(warehouse: Warehouse, contract: Contract, batch: ledger.Batch) -> AuditReport:
    """Run every check and keep every result in `ops.checks`.

    Raises:
        ToolError: the incoming table cannot be read, or a later run took over.
    """
    checks = checks_of(contract, batch.batch)
    try:
        with warehouse.engine.begin() as connection:
            ledger.fence(connection, batch)
            errors = _mark_failed_rows(connection, contract, batch, checks)
            report = _report(connection, contract, batch, checks, errors)
            ledger.write_checks(connection, batch, report.results)
            ledger.note(connection, batch, audited_at=sa.func.clock_timestamp())
    except DATABASE_ERRORS as error:
        raise ToolError(f"{batch}: the audit could not be run: {first_line(error)}. Nothing was published.") from None
    if report.rows != batch.rows:
        raise ToolError(f"{batch}: {batch.rows:,} rows were loaded, but the audit saw {report.rows:,}")
    return report


def _mark_failed_rows(
    connection: sa.Connection, contract: Contract, batch: ledger.Batch, checks: Sequence[Check]
) -> dict[str, str]:
    """Write down the rows that fail the grouped and the pandas checks.

    Returns:
        Why, by its name, for each check that could not be run.
    """
    rejected.forget_marks(connection, batch)
    for check in checks:
        if check.kind == "unique":
            rejected.mark_duplicates(connection, contract, batch, check)
    untraced = [check for check in checks if check.kind == "pandas"]
    return audit_pandas.mark(connection, contract, batch, untraced) if untraced else {}


def _report(
    connection: sa.Connection,
    contract: Contract,
    batch: ledger.Batch,
    checks: Sequence[Check],
    errors: dict[str, str],
) -> AuditReport:
    rows, *totals = connection.execute(_scan_all(contract, batch, checks)).one()
    rejected_rows, unparsed, *counts = connection.execute(_scan_failing(contract, batch, checks)).one()
    failing: dict[str, int] = dict(zip(_names(checks, "aggregate"), totals, strict=True))
    failing |= dict(zip(_names(checks, "row"), counts, strict=True))
    marks = rejected.failed_rows
    marked = sa.select(marks.c.check_name, sa.func.count()).where(marks.c.load_id == batch.load_id)
    failing |= dict(connection.execute(marked.group_by(marks.c.check_name)).tuples().all())
    seen = samples(connection, contract, batch, [c for c in checks if c.kind != "aggregate" and failing.get(c.name)])
    results = [
        CheckResult(
            check.name,
            check.severity,
            check.tolerance if check.kind != "aggregate" else check.tolerance or 0,
            rows,
            failing.get(check.name, 0),
            errors.get(check.name),
            seen.get(check.name, ()),
        )
        for check in checks
    ]
    return AuditReport(rows, rejected_rows, (*_parse_results(connection, contract, batch, rows, unparsed), *results))


def _names(checks: Sequence[Check], kind: str) -> list[str]:
    return [check.name for check in checks if check.kind == kind]


def _scan_all(contract: Contract, batch: ledger.Batch, checks: Sequence[Check]) -> sa.Select:
    """Rows, and for each check of one value for the whole table, how many rows fail it: all, or none."""
    count = sa.func.count()
    counts: list[Any] = [count]
    counts += [sa.case((sa.not_(check.passes), count), else_=0) for check in checks if check.kind == "aggregate"]
    return sa.select(*_labelled(counts)).select_from(incoming_table(contract, batch.batch))


def _scan_failing(contract: Contract, batch: ledger.Batch, checks: Sequence[Check]) -> sa.Select:
    """Rejected rows, rows with unparsed cells, and what fails each row check: one scan.

    Every check is asked once of each row, and of the few rows that fail any, once more to tell which.
    """
    count = sa.func.count()
    row_checks = [check for check in checks if check.kind == "row"]
    is_rejected = rejected.is_rejected(checks, batch)
    counts = [count.filter(is_rejected), count.filter(UNPARSED.is_not(None))]
    counts += [count.filter(sa.not_(check.passes)) for check in row_checks]
    warns = [sa.not_(check.passes) for check in row_checks if check.severity == "warn"]
    table = incoming_table(contract, batch.batch)
    return sa.select(*_labelled(counts)).select_from(table).where(sa.or_(is_rejected, *warns))


def _labelled(counts: Sequence[Any]) -> list[Any]:
    return [column.label(f"count_{number}") for number, column in enumerate(counts)]


def _parse_results(
    connection: sa.Connection, contract: Contract, batch: ledger.Batch, rows: int, unparsed: int
) -> list[CheckResult]:
    """One result per column with cells that did not parse, and one for rows of another shape than the header."""
    if not unparsed:
        return []
    table = incoming_table(contract, batch.batch)
    key = (
        sa.func.jsonb_object_keys(sa.cast(table.c._unparsed, JSONB))
        .table_valued("key", joins_implicitly=True)
        .render_derived()
    )
    query = sa.select(key.c.key, sa.func.count()).select_from(table)
    found = connection.execute(query.where(table.c._unparsed.is_not(None)).group_by(key.c.key))
    counts: dict[str, int] = dict(found.tuples().all())
    names = {"_row": rejected.SHAPE_CHECK, **{c.name: parse_check_name(c) for c in contract.columns}}
    tolerances = {column.name: column.tolerance for column in contract.columns}
    return [
        CheckResult(
            label,
            "error",
            tolerances.get(name),
            rows,
            counts[name],
            sample=unparsed_sample(connection, contract, batch, name),
        )
        for name, label in names.items()
        if counts.get(name)
    ]
