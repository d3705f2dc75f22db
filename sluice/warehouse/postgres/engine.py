"""PostgreSQL as the engine that holds the rows: each thing that is asked of it, and where it is done."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from sluice.contract.checks.compile import Check
from sluice.contract.checks.keys import dangling_by_batch
from sluice.contract.columns import Reference
from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import STAGING
from sluice.warehouse.batch import Batch
from sluice.warehouse.engine import Audited, Progress, TypedRows
from sluice.warehouse.postgres import mart_views, other_sessions, side_rights
from sluice.warehouse.postgres.audit import run_checks
from sluice.warehouse.postgres.rows import batch_tables, bulk_load, past_loads, quarantined, schema_evolution
from sluice.warehouse.postgres.rows.tables import incoming_table


class Postgres:
    """Rows in the ledger's own database, changed in the ledger's own transactions."""

    commits_with_ledger = True
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
    types_of_accepted = staticmethod(past_loads.types_of_accepted)
    reject = staticmethod(batch_tables.move_to_quarantine)
    rejected_rows = staticmethod(quarantined.rows)
    expire_quarantined = staticmethod(quarantined.expire)
    drop_quarantined = staticmethod(batch_tables.drop_quarantined)
    publish = staticmethod(batch_tables.replace_published)
    wait_for_readers = staticmethod(other_sessions.wait_for_old)
    mart_grants = staticmethod(side_rights.granted)
    hand_on = staticmethod(side_rights.hand_on)
    point_marts = staticmethod(mart_views.point)
    misplaced_marts = staticmethod(mart_views.misplaced)
    missing_marts = staticmethod(mart_views.missing_tables)

    @staticmethod
    def bring_in(
        control: sa.Connection, contract: Contract, batch: Batch, rows: TypedRows, progress: Progress | None = None
    ) -> None:
        """Add rows to the incoming table by binary COPY."""
        bulk_load.copy(control, incoming_table(contract, batch.batch), rows, progress)

    @staticmethod
    def dangling_keys(control: sa.Connection, contract: Contract, reference: Reference) -> dict[str, int]:
        """Published rows of each batch whose key is not published."""
        return dict(control.execute(dangling_by_batch(contract.dataset_id, reference, STAGING)).tuples().all())

    @staticmethod
    def audit_again(
        control: sa.Connection,
        contract: Contract,
        batch: Batch,
        checks: Sequence[Check],
        rejected: TypedRows,
        columns: Sequence[str],
        *,
        published: bool,
    ) -> Audited:
        """Run these checks over all rows of a load, in temporary tables of a transaction that is rolled back."""
        looked_up = {check.looks_up[0] for check in checks if check.looks_up}
        past_loads.gather(control, contract, batch, looked_up, rejected, columns, published=published)
        return run_checks.audit(control, contract, batch, checks, temporary=True)


POSTGRES = Postgres()
