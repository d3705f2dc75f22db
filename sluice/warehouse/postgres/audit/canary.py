"""The canary rows: put into every batch before its audit, and all must be rejected, or the audit is dead.

They pass through the same scan as every other row: if it saw nothing, or let everything pass, they show it.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from sluice.contract.checks.compile import Check
from sluice.contract.checks.report import CANARY_ROWS, canary_result
from sluice.contract.contract import Contract
from sluice.contract.gate import CheckResult
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.rows.tables import RowPlace, findings_table, incoming_table

TEXTS, PLACES = ARRAY(sa.Text()), ARRAY(RowPlace())


def put_in(connection: sa.Connection, contract: Contract, batch: Batch) -> Sequence[str]:
    """Add one row that could not be divided into cells, and one that is all null.

    Returns:
        Their places.
    """
    table = incoming_table(contract, batch.batch)
    rows = [{"_row_number": number, "_unparsed": unparsed} for number, unparsed in CANARY_ROWS.items()]
    return connection.scalars(table.insert().values(rows).returning(table.c.ctid)).all()


def take_out(
    connection: sa.Connection,
    contract: Contract,
    batch: Batch,
    places: Sequence[str],
    checks: Sequence[Check],
) -> CheckResult:
    """Remove the canary rows, from the findings too.

    Args:
        places: where `put_in` left them.
        checks: those that could be run.

    Returns:
        Passed, or errored, which closes the gate, unless each canary was rejected for every reason it had to be.
    """
    table, findings = incoming_table(contract, batch.batch), findings_table(contract, batch.batch)
    connection.execute(table.delete().where(table.c.ctid == sa.any_(sa.cast(sa.literal(places, TEXTS), PLACES))))
    removed = findings.delete().where(findings.c._row_number <= 0)
    found = connection.execute(removed.returning(findings.c._row_number, findings.c._rejected, findings.c._reasons))
    rejected = {row._row_number: set(row._reasons) for row in found if row._rejected}
    return canary_result(contract, checks, rejected)
