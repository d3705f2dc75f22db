"""A few failing rows of each check."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from sluice.contract.checks.compile import Check
from sluice.contract.checks.report import SAMPLE_ROWS, Sample, columns_shown
from sluice.contract.contract import Contract, masked
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.rows.tables import RowPlace, findings_table, incoming_table


def samples(connection: sa.Connection, contract: Contract, batch: Batch, checks: Sequence[Check]) -> dict[str, Sample]:
    """The first five failing rows of each check, by its name: `_row_number` and the columns the check looks at.

    Cells that did not parse show the source's text.
    """
    first = _first_rows(connection, contract, batch)
    rows = _rows_at(connection, contract, batch, {place for _, place in first})
    columns = columns_shown(contract, checks)
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for reason, place in first:
        found[reason].append(_shown(contract, columns[reason], rows[place]))
    return {reason: tuple(shown) for reason, shown in found.items()}


def _first_rows(connection: sa.Connection, contract: Contract, batch: Batch) -> Sequence[tuple[str, str]]:
    """Check and place of up to five failing rows of each check, in the order of the file."""
    table = findings_table(contract, batch.batch)
    reason = sa.func.unnest(table.c._reasons).label("reason")
    reasons = sa.select(reason, table.c._row_number, table.c._place).subquery()
    order = sa.func.row_number().over(partition_by=reasons.c.reason, order_by=reasons.c._row_number)
    numbered = sa.select(reasons, order.label("number")).subquery()
    query = sa.select(numbered.c.reason, sa.cast(numbered.c._place, sa.Text())).where(numbered.c.number <= SAMPLE_ROWS)
    return connection.execute(query.order_by(numbered.c.reason, numbered.c.number)).tuples().all()


def _rows_at(
    connection: sa.Connection, contract: Contract, batch: Batch, places: set[str]
) -> Mapping[str, Mapping[str, Any]]:
    """Rows of the incoming table by their place, which PostgreSQL goes to without a scan."""
    table = incoming_table(contract, batch.batch)
    row = sa.func.to_jsonb(sa.literal_column(f'"{table.name}"'))
    wanted = sa.cast(sa.literal(sorted(places), ARRAY(sa.Text())), ARRAY(RowPlace()))
    query = sa.select(sa.cast(table.c.ctid, sa.Text()), row).where(table.c.ctid == sa.any_(wanted))
    return dict(connection.execute(query).tuples().all())


def _shown(contract: Contract, columns: Sequence[str], row: Mapping[str, Any]) -> Mapping[str, Any]:
    delivered = {**row, **json.loads(row["_unparsed"] or "{}")}
    shown = masked(contract, {name: delivered.get(name) for name in columns})
    return {"_row_number": row["_row_number"], **shown}
