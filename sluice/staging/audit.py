"""Audit one loaded batch by its contract, and keep every result."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from sluice.contract.checks.compile import checks_of
from sluice.contract.checks.report import Sample, report_of
from sluice.contract.contract import Contract
from sluice.contract.errors import ToolError
from sluice.contract.gate import AuditReport
from sluice.ledger import files, loads, references
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.postgres.transactions import settled
from sluice.warehouse.warehouse import Warehouse


def audit(warehouse: Warehouse, contract: Contract, batch: Batch) -> AuditReport:
    """Run every check and keep every result in `ops.checks`, and the findings for publishing.

    Raises:
        ToolError: the incoming table cannot be read, or a later run took over.
    """
    try:
        with settled(warehouse.engine) as connection:
            loads.fence(connection, batch)
            report = _audit(connection, warehouse, contract, batch)
            loads.write_checks(connection, batch, report.results)
            loads.note(connection, batch, audited_at=sa.func.clock_timestamp())
    except DATABASE_ERRORS as error:
        raise ToolError(f"{batch}: the audit could not be run: {first_line(error)}. Nothing was published.") from None
    if report.rows != batch.rows:
        raise ToolError(f"{batch}: {batch.rows:,} rows were loaded, but the audit saw {report.rows:,}")
    return report


def _audit(connection: sa.Connection, warehouse: Warehouse, contract: Contract, batch: Batch) -> AuditReport:
    checks = checks_of(contract, batch.batch)
    references.note(connection, batch, sorted({check.looks_up[0] for check in checks if check.looks_up is not None}))
    found = warehouse.data.audit(connection, contract, batch, checks)
    notes = {
        check.name: references.state_of(connection, check.looks_up[0], batch)
        for check in checks
        if check.looks_up is not None and found.failing.get(check.name)
    }
    return report_of(
        contract,
        checks,
        found.canary,
        found.rows,
        found.rejected,
        found.failing,
        found.errors,
        _with_files(connection, batch, found.samples),
        notes,
    )


def _with_files(connection: sa.Connection, batch: Batch, samples: Mapping[str, Sample]) -> dict[str, Sample]:
    """Of a batch of several files, each sample with the file that its row is from."""
    if not samples:
        return {}
    places = files.places(connection, batch.load_id)
    return {
        name: tuple({"_row_number": row["_row_number"], **places.of(row["_row_number"]), **row} for row in sample)
        for name, sample in samples.items()
    }
