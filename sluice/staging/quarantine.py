"""What is in quarantine, and dropping what is past its retention."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from sluice.contract.contract import Contract
from sluice.contract.errors import BusyError
from sluice.contract.formatting import counted
from sluice.ledger import loads as ledger
from sluice.ledger import tables
from sluice.staging import separate
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.rows.tables import quarantine_table
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse


def held_and_rejected(connection: sa.Connection, contracts: Sequence[Contract]) -> list[dict[str, Any]]:
    """One entry for each load that has rows in quarantine or is held: counts, and the check that most rows failed."""
    return [entry for each in contracts if is_there(connection, each) for entry in _of_dataset(connection, each)]


def is_there(connection: sa.Connection, contract: Contract) -> bool:
    """Whether a run ever made the dataset's quarantine."""
    table = quarantine_table(contract)
    return sa.inspect(connection).has_table(table.name, schema=connection.schema_for_object(table))


def reasons(
    connection: sa.Connection, contract: Contract, *, batch: str | None = None, load_id: int | None = None
) -> list[tuple[str, int]]:
    """Why rows of a batch, or of one load, are in quarantine, and how many for each check; the most first.

    A load's rows are found by their key.
    """
    table = quarantine_table(contract)
    query = _by_reason(table)
    query = query if batch is None else query.where(table.c._batch == batch)
    query = query if load_id is None else query.where(table.c._load_id == load_id)
    found = query.subquery()
    return [(row.reason, row.n) for row in connection.execute(sa.select(found).order_by(*_most_first(found)))]


def _by_reason(table: sa.Table, *keys: sa.Column[Any]) -> sa.Select[Any]:
    """How many rows (`n`) are in quarantine for each reason, by these columns."""
    reason = sa.func.unnest(table.c._reasons).table_valued("reason", joins_implicitly=True).render_derived().c.reason
    return sa.select(*keys, reason, sa.func.count().label("n")).select_from(table).group_by(*keys, reason)


def _most_first(counts: sa.Subquery) -> tuple[sa.ColumnElement[Any], ...]:
    return counts.c.n.desc(), counts.c.reason


def _of_dataset(connection: sa.Connection, contract: Contract) -> list[dict[str, Any]]:
    loads, table = tables.batches, quarantine_table(contract)
    counts = sa.select(table.c._load_id, sa.func.count().label("rows")).group_by(table.c._load_id).subquery()
    by_reason = _by_reason(table, table.c._load_id).subquery()
    most = sa.select(by_reason).distinct(by_reason.c._load_id)
    first = most.order_by(by_reason.c._load_id, *_most_first(by_reason)).subquery()
    query = (
        sa.select(loads, counts.c.rows, first.c.reason)
        .outerjoin(counts, counts.c._load_id == loads.c.load_id)
        .outerjoin(first, first.c._load_id == loads.c.load_id)
        .where(loads.c.dataset == contract.dataset_id, loads.c.status.in_(("published", "held")))
        .where(counts.c.rows.is_not(None) | (loads.c.status == "held") | loads.c.rows_dropped_at.is_not(None))
        .order_by(ledger.BATCH, loads.c.load_id)
    )
    return [
        {
            "dataset": row.dataset,
            "batch": row.batch,
            "load": row.load_id,
            "status": row.status,
            "rows_dropped": f"{row.rows_dropped_at:%Y-%m-%d}" if row.rows_dropped_at else None,
            "rejected": row.rows or 0,
            "read": row.rows_read,
            "most_fail": row.reason or "",
        }
        for row in connection.execute(query)
    ]


def expire(warehouse: Warehouse, contract: Contract) -> int:
    """Drop rejected rows, and the rows of held batches, that are older than the contract's retention.

    A held load stays held: the ledger says of each load when its rows were dropped, and their counts stay. Samples
    of failing rows as old as that leave `ops.checks`; all results of loads that nobody has any more do, and their
    files leave `ops.files`. So do, of batches that the site shows no more, the results of checks that no row failed.

    Returns:
        How many rejected rows were dropped; none while another run uses the dataset.
    """
    if contract.retention is None:
        return 0
    loads = tables.batches
    oldest = sa.func.now() - contract.retention
    old = (loads.c.dataset == contract.dataset_id) & (loads.c.finished_at < oldest)
    held = loads.update().where(old, loads.c.status == "held", loads.c.rows_dropped_at.is_(None))
    held = held.values(rows_dropped_at=sa.func.now()).returning(loads.c.batch, loads.c.load_id)
    what = f"{contract}: rows past their retention could not be dropped"
    with suppress(BusyError), warehouse.lock(contract.dataset_id):
        separate.settle(warehouse, contract)
        with transaction(warehouse.engine, what) as connection:
            for name, load_id in connection.execute(held).tuples().all():
                batch = Batch(contract.dataset_id, name, load_id)
                warehouse.data.put_back(connection, contract, batch)
                warehouse.data.drop(connection, contract, batch)
            dropped = warehouse.data.expire_quarantined(connection, contract, contract.retention)
            noted = loads.update().where(loads.c.load_id.in_(dropped), loads.c.rows_dropped_at.is_(None))
            connection.execute(noted.values(rows_dropped_at=sa.func.now()))
            _expire_checks(connection, contract, old)
            return sum(dropped.values())
    return 0


def _expire_checks(connection: sa.Connection, contract: Contract, old: sa.ColumnElement[bool]) -> None:
    """Of a published or held load the counts stay where a row failed, as rows that lose their key later are compared
    with them, and all of a batch that the site shows."""
    loads, checks, files = tables.batches, tables.checks, tables.files
    of_old = sa.select(loads.c.load_id).where(old)
    gone = of_old.where(loads.c.status.not_in(("published", "held", "started")))
    connection.execute(checks.delete().where(checks.c.load_id.in_(gone)))
    connection.execute(files.delete().where(files.c.load_id.in_(gone)))
    newest = ledger.newest(contract.dataset_id).subquery().c.batch.collate("C")
    first_shown = sa.select(newest).order_by(newest.desc()).offset(ledger.SHOWN - 1).limit(1).scalar_subquery()
    unseen = of_old.where(first_shown > ledger.BATCH)  # none, where there are fewer batches than that
    passed = (checks.c.outcome == "passed") & (checks.c.failing == 0)
    connection.execute(checks.delete().where(checks.c.load_id.in_(unseen), passed))
    sampled = checks.c.load_id.in_(of_old) & (sa.func.jsonb_array_length(checks.c.sample) > 0)
    connection.execute(checks.update().where(sampled).values(sample=[]))


def dropped_of(connection: sa.Connection, contract: Contract, batch: str) -> str:
    """Why a batch has no rejected rows, in words: never loaded, or dropped; empty if its newest load rejected none."""
    load = ledger.latest(connection, contract.dataset_id, batch, "published", "held")
    if load is None:
        return "no load of it was published or held"
    if load.rows_dropped_at is None:
        return ""
    rows = counted(load.rows_rejected, "rejected row")
    return (
        f"the {rows} of load {load.load_id} were dropped on {load.rows_dropped_at:%Y-%m-%d}: the contract's retention"
    )
