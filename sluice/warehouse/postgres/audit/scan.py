"""The findings table: every row that fails a check, once, by one scan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement, Executable

from sluice.contract.checks import report
from sluice.contract.checks.compile import Check
from sluice.contract.contract import Contract
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.audit import marked_rows
from sluice.warehouse.postgres.rows.tables import findings_table, incoming_table
from sluice.warehouse.postgres.session import first_line

# What the expression of a check can raise (a division by zero, an overflow); anything else is the server's trouble.
CHECK_ERRORS = (sa.exc.DataError, sa.exc.ProgrammingError)


def write(
    connection: sa.Connection,
    contract: Contract,
    batch: Batch,
    checks: Sequence[Check],
    marked: Collection[str] = (),
    temporary: bool = False,
) -> dict[str, str]:
    """Create the findings table of a load, again if it was audited before.

    Args:
        marked: names of the checks whose failing rows were written down before the scan.
        temporary: the connection's tables are temporary ones of its session.

    Returns:
        Why, by its name, for each check that could not be run; it is then left out of the findings.
    """
    errors: dict[str, str] = {}
    connection.execute(sa.schema.DropTable(findings_table(contract, batch.batch), if_exists=True))  # of an audit before
    asked = [check for check in checks if check.kind == "row" or check.name in marked]
    try:
        with connection.begin_nested():
            connection.execute(_Make(contract, batch, asked, temporary))
    except CHECK_ERRORS:
        errors = crashes(connection, contract, batch, [check for check in asked if check.kind == "row"])
        if not errors:
            raise
        able = [check for check in asked if check.name not in errors]
        connection.execute(_Make(contract, batch, able, temporary))
    return errors


def crashes(connection: sa.Connection, contract: Contract, batch: Batch, checks: Iterable[Check]) -> dict[str, str]:
    """Why, by its name, for each traced check whose expression cannot be run over the batch, asked one by one."""
    table = incoming_table(contract, batch.batch)
    errors: dict[str, str] = {}
    for check in checks:
        try:
            with connection.begin_nested():
                asked = check.passes if check.kind == "aggregate" else sa.func.count().filter(check.passes)
                connection.execute(sa.select(asked).select_from(table))
        except CHECK_ERRORS as error:
            errors[check.name] = first_line(error)
    return errors


def counts(connection: sa.Connection, contract: Contract, batch: Batch) -> tuple[int, Mapping[str, int]]:
    """How many rows are rejected, and how many fail each check that any row fails, by its name."""
    table = findings_table(contract, batch.batch)
    rejected = connection.scalar(sa.select(sa.func.count().filter(table.c._rejected)).select_from(table))
    reasons = sa.select(sa.func.unnest(table.c._reasons).label("reason")).subquery()
    failing = connection.execute(sa.select(reasons.c.reason, sa.func.count()).group_by(reasons.c.reason))
    return rejected or 0, dict(failing.tuples().all())


class _Make(Executable, ClauseElement):
    """CREATE TABLE ... AS: unlike INSERT, its query may run in parallel workers."""

    inherit_cache = False

    def __init__(self, contract: Contract, batch: Batch, checks: Sequence[Check], temporary: bool = False) -> None:
        # Unlogged: after a crash it is empty, and publishing, which counts what it moves, refuses to continue.
        self.kind = "TABLE" if temporary else "UNLOGGED TABLE"
        self.table = findings_table(contract, batch.batch)
        self.query = _failing_rows(contract, batch, checks)


@compiles(_Make)
def _compile(element: _Make, compiler: Any, **options: Any) -> str:
    name = compiler.preparer.format_table(element.table)
    return f"CREATE {element.kind} {name} AS {compiler.process(element.query, **options)}"


def _failing_rows(contract: Contract, batch: Batch, checks: Sequence[Check]) -> sa.Select:
    table = incoming_table(contract, batch.batch)
    fails = {check.name: _fails(contract, batch, check) for check in checks}
    rejected = report.rejected(checks, fails)
    warned = [fails[check.name] for check in checks if check.severity == "warn"]
    reasons = report.reasons(contract, fails)
    # With no check that only warns, every row that is found is rejected, and need not be asked again.
    known = sa.func.coalesce(rejected, sa.false()) if warned else sa.true()
    return sa.select(
        table.c.ctid.label("_place"),
        table.c._row_number,
        known.label("_rejected"),
        sa.func.array_remove(sa.cast(array(reasons), ARRAY(sa.Text())), sa.null()).label("_reasons"),
    ).where(sa.or_(rejected, *warned))


def _fails(contract: Contract, batch: Batch, check: Check) -> sa.ColumnElement[bool]:
    """Whether a row fails a check; unknown is no."""
    return sa.not_(check.passes) if check.kind == "row" else marked_rows.is_marked(contract, batch, check)
