"""What became of every dbt node, in `ops.dbt_results`: models, seeds, tests, and the freshness of sources."""

from __future__ import annotations

import sqlalchemy as sa

from flows import ledger
from flows.dbt_results import DbtRun
from flows.warehouse import Warehouse

dbt_results = sa.Table(
    "dbt_results",
    ledger.metadata,
    sa.Column("invocation_id", sa.Text(), nullable=False),
    sa.Column("unique_id", sa.Text(), nullable=False),
    sa.Column("side", sa.Text(), nullable=False),
    sa.Column("resource_type", sa.Text(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("rows", sa.BigInteger()),
    sa.Column("failures", sa.BigInteger()),
    sa.Column("seconds", sa.Double(), nullable=False),
    sa.Column("message", sa.Text(), nullable=False),
    sa.Column("run_id", sa.Text()),
    sa.Column("recorded_at", ledger.Moment, nullable=False, server_default=sa.func.now()),
    sa.PrimaryKeyConstraint("invocation_id", "unique_id"),
)


def keep(warehouse: Warehouse, side: str, run: DbtRun, run_id: str | None) -> None:
    """Write every node's status, rows, failing count and time. A run with no node writes nothing."""
    rows = [
        {
            "invocation_id": run.invocation_id,
            "unique_id": node.unique_id,
            "side": side,
            "resource_type": node.resource_type,
            "status": node.status,
            "rows": node.rows,
            "failures": node.failures,
            "seconds": node.seconds,
            "message": node.message or "",
            "run_id": run_id,
        }
        for node in run.nodes
    ]
    if not rows:
        return
    with warehouse.engine.begin() as connection:
        connection.execute(dbt_results.insert(), rows)
