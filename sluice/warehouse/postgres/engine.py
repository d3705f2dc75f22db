"""PostgreSQL as the engine that holds the rows: each thing that is asked of it, and where it is done."""

from __future__ import annotations

import sqlalchemy as sa

from sluice.contract.contract import Contract
from sluice.warehouse.engine import Progress, Rows
from sluice.warehouse.postgres import mart_views, other_sessions
from sluice.warehouse.postgres.audit import run_checks
from sluice.warehouse.postgres.rows import batch_tables, bulk_load, schema_evolution
from sluice.warehouse.postgres.rows.tables import incoming_table


class Postgres:
    """Rows in the ledger's own database, changed in the ledger's own transactions."""

    make_tables = staticmethod(schema_evolution.make)
    verify_tables = staticmethod(schema_evolution.verify)
    analyze = staticmethod(batch_tables.analyze_new)
    start = staticmethod(batch_tables.start)
    add_accepted = staticmethod(batch_tables.add_accepted)
    drop = staticmethod(batch_tables.drop)
    fit_held = staticmethod(schema_evolution.fit_held)
    held_batch = staticmethod(batch_tables.batch_in)
    set_aside = staticmethod(batch_tables.set_aside)
    put_back = staticmethod(batch_tables.put_back)
    drop_set_aside = staticmethod(batch_tables.drop_set_aside)
    audit = staticmethod(run_checks.audit)
    try_canary = staticmethod(run_checks.try_canary)
    reject = staticmethod(batch_tables.move_to_quarantine)
    drop_quarantined = staticmethod(batch_tables.drop_quarantined)
    publish = staticmethod(batch_tables.replace_published)
    wait_for_readers = staticmethod(other_sessions.wait_for_old)
    mart_grants = staticmethod(mart_views.granted)
    point_marts = staticmethod(mart_views.point)
    misplaced_marts = staticmethod(mart_views.misplaced)
    missing_marts = staticmethod(mart_views.missing_tables)

    @staticmethod
    def bring_in(
        control: sa.Connection, contract: Contract, batch: str, rows: Rows, progress: Progress | None = None
    ) -> None:
        """Add rows to the incoming table by binary COPY."""
        bulk_load.copy(control, incoming_table(contract, batch), rows, progress)


POSTGRES = Postgres()
