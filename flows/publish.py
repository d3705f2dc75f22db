"""Publish one audited batch, or hold it: each in one transaction that also accounts for every row.

Publishing swaps the batch's partition of `staging.<dataset>`, so loading a batch again replaces it whole.
"""

from __future__ import annotations

import sqlalchemy as sa
from psycopg2 import sql

from contracts.contract import Contract
from contracts.derive.ddl import STAGING, findings_table, incoming_table, quarantine_table, table_name
from contracts.errors import SluiceError, ToolError
from contracts.gate import AuditReport, Decision
from flows import alarms, aside, ledger, parents, rejected
from flows.warehouse import DATABASE_ERRORS, Warehouse, execute, first_line


def publish(
    warehouse: Warehouse, contract: Contract, batch: ledger.Batch, report: AuditReport, decision: Decision
) -> None:
    """Make the accepted rows of a batch whose gate is open visible in `staging.<dataset>`.

    Raises:
        ToolError: a later run took over, counts do not add up, or the database failed; nothing was changed.
    """
    if not decision.open:
        raise ValueError(f"{batch}: {decision}")  # a bug of the caller: there is no way round the gate
    try:
        with warehouse.engine.begin() as connection:
            _set_rejected_apart(connection, contract, batch, report)
            _drop_older_quarantine(connection, contract, batch)
            _make_constant_columns(connection, contract, batch)
            _swap_partition(connection, contract, batch)
            aside.drop(connection, contract, batch.batch)
            ledger.supersede(connection, batch, "published", "held")
            _account(connection, batch, "published", report, decision)
            alarms.published(connection, contract, batch, report, warehouse.now())
    except DATABASE_ERRORS as error:
        raise ToolError(f"{batch}: publishing failed: {first_line(error)}. Readers keep what they had.") from None


def hold(
    warehouse: Warehouse, contract: Contract, batch: ledger.Batch, report: AuditReport, decision: Decision
) -> None:
    """Keep a batch whose gate is closed: accepted rows in its incoming table, rejected rows in quarantine.

    Raises:
        ToolError: as `publish`.
    """
    try:
        with warehouse.engine.begin() as connection:
            _set_rejected_apart(connection, contract, batch, report)
            _drop_older_quarantine(connection, contract, batch, held_only=True)
            aside.drop(connection, contract, batch.batch)
            ledger.supersede(connection, batch, "held")
            _account(connection, batch, "held", report, decision)
            alarms.held(connection, contract, batch, report, decision, warehouse.now())
    except DATABASE_ERRORS as error:
        raise ToolError(f"{batch}: holding the batch failed: {first_line(error)}. Nothing was published.") from None


def release(warehouse: Warehouse, contract: Contract, batch: ledger.Batch, who: str, why: str) -> None:
    """Make the accepted rows of a held load visible, on a person's word. Its rejected rows stay in quarantine.

    Raises:
        DataError: its rows were dropped after the contract's retention, or are not what the contract demands now.
        ToolError: the database failed; nothing was changed.
    """
    try:
        with warehouse.engine.begin() as connection:
            ledger.fence(connection, batch, "held")
            parents.fit_held(connection, contract, batch.batch)
            _drop_older_quarantine(connection, contract, batch)
            _make_constant_columns(connection, contract, batch)
            _swap_partition(connection, contract, batch)
            ledger.supersede(connection, batch, "published")
            ledger.note(connection, batch, status="published", released_by=who, released_why=why)
            alarms.fine(connection, contract, batch.batch, f"released by {who}: {why}", warehouse.now())
    except DATABASE_ERRORS as error:
        raise ToolError(f"{batch}: the release failed: {first_line(error)}. Readers keep what they had.") from None


def fail(warehouse: Warehouse, contract: Contract, batch: ledger.Batch, why: str | SluiceError) -> None:
    """End a load that never came to a verdict, and drop what it left. The owner is told of an error."""
    with warehouse.engine.begin() as connection:
        ledger.fence(connection, batch)
        if _has_loaded(connection, batch):  # else what is there is of another load, which may be held
            incoming_table(contract, batch.batch).drop(connection, checkfirst=True)
            findings_table(contract, batch.batch).drop(connection, checkfirst=True)
        aside.put_back(connection, contract, batch.batch)
        ledger.finish(connection, batch, "failed", Decision(False, (str(why),)))
        if isinstance(why, SluiceError):
            alarms.broken(connection, contract, batch.batch, why, warehouse.now())


def _has_loaded(connection: sa.Connection, batch: ledger.Batch) -> bool:
    """Whether the rows in the batch's incoming table are this load's."""
    query = sa.select(ledger.batches.c.loaded_at.is_not(None)).where(ledger.batches.c.load_id == batch.load_id)
    return bool(connection.scalar(query))


def _set_rejected_apart(
    connection: sa.Connection, contract: Contract, batch: ledger.Batch, report: AuditReport
) -> None:
    ledger.fence(connection, batch)
    moved = rejected.move_to_quarantine(connection, contract, batch)
    if moved != report.rejected:
        raise ToolError(f"{batch}: the audit rejected {report.rejected:,} rows, but {moved:,} are found now; try again")


def _drop_older_quarantine(
    connection: sa.Connection, contract: Contract, batch: ledger.Batch, held_only: bool = False
) -> None:
    """A batch is replaced whole, its quarantine too; a held load replaces only what another held load left."""
    quarantine = quarantine_table(contract)
    older = (quarantine.c._batch == batch.batch) & (quarantine.c._load_id != batch.load_id)
    if held_only:
        live = sa.select(ledger.batches.c.load_id).where(ledger.batches.c.status == "published")
        older &= quarantine.c._load_id.not_in(live)
    connection.execute(quarantine.delete().where(older))


def _make_constant_columns(connection: sa.Connection, contract: Contract, batch: ledger.Batch) -> None:
    """Add the other system columns. A constant default reads and writes no row (PostgreSQL 11 and later)."""
    name = incoming_table(contract, batch.batch).name
    constants = {"_dataset": batch.dataset_id, "_load_id": batch.load_id}
    types = {"_dataset": "text", "_load_id": "bigint"}
    parts: list[sql.Composable] = [
        sql.SQL("ADD COLUMN {} {} NOT NULL DEFAULT {}").format(
            sql.Identifier(column), sql.SQL(types[column]), sql.Literal(value)
        )
        for column, value in constants.items()
    ]
    parts += [
        sql.SQL("DROP COLUMN _unparsed"),
        sql.SQL("ADD COLUMN _loaded_at timestamptz NOT NULL DEFAULT now()"),
    ]
    table = sql.Identifier(STAGING, name)
    execute(connection, sql.SQL("ALTER TABLE {} {}").format(table, sql.SQL(", ").join(parts)))


def _swap_partition(connection: sa.Connection, contract: Contract, batch: ledger.Batch) -> None:
    incoming = incoming_table(contract, batch.batch).name
    partition = table_name(contract.dataset_id, batch.batch)
    for statement in (
        sql.SQL("SET LOCAL lock_timeout = '30s'"),  # a reader of staging delays a publish, but not for ever
        sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(STAGING, partition)),
        sql.SQL("ALTER TABLE {} RENAME TO {}").format(sql.Identifier(STAGING, incoming), sql.Identifier(partition)),
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})").format(
            sql.Identifier(STAGING, contract.dataset_id),
            sql.Identifier(STAGING, partition),
            sql.Literal(batch.batch),
        ),
    ):
        execute(connection, statement)


def _account(
    connection: sa.Connection, batch: ledger.Batch, status: str, report: AuditReport, decision: Decision
) -> None:
    ledger.finish(connection, batch, status, decision, rows_accepted=report.accepted, rows_rejected=report.rejected)
