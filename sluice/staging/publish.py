"""Publish, hold, release or fail a batch, each in one transaction of the ledger."""

from __future__ import annotations

import sqlalchemy as sa

from sluice.alerts import rules
from sluice.alerts.messages import Facts
from sluice.contract.contract import Contract
from sluice.contract.errors import DataError, Overtaken, SluiceError, ToolError
from sluice.contract.gate import AuditReport, Decision
from sluice.ledger import loads, references, tables
from sluice.staging import separate
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse


def publish(warehouse: Warehouse, contract: Contract, batch: Batch, report: AuditReport, decision: Decision) -> None:
    """Make the accepted rows of a batch whose gate is open visible in `staging.<dataset>`.

    Raises:
        ReferencesChanged: the batch has to be audited again.
        ToolError: a later run took over, counts do not add up, or the database failed; nothing was changed.
    """
    if not decision.open:
        raise ValueError(f"{batch}: {decision}")  # a bug of the caller: there is no way round the gate
    _write_to_lake(warehouse, contract, batch, report)
    facts = {**_counts(report), "warnings": list(decision.warnings)}
    failed, then = f"{batch}: publishing failed", "Readers keep the data they had."
    with (
        separate.publishing(warehouse, contract, batch, "started", **facts),
        transaction(warehouse.engine, failed, then) as connection,
    ):
        if loads.status(connection, batch) == "published":  # by the try before, which could not find that out
            return
        loads.fence(connection, batch)  # first, so that an overtaken run waits for nobody, and nobody for it
        references.verify(connection, batch)
        references.announce(connection, batch.dataset_id)
        if warehouse.data.commits_with_ledger:
            _set_rejected_apart(warehouse, connection, contract, batch, report)
            _drop_older_quarantine(warehouse, connection, contract, batch)
        warehouse.data.publish(connection, contract, batch)
        warehouse.data.drop_set_aside(connection, contract, batch)
        loads.supersede(connection, batch, "published", "held")
        _account(connection, batch, "published", report, decision)
        rules.published(connection, contract, batch, report, warehouse.now())


def hold(warehouse: Warehouse, contract: Contract, batch: Batch, report: AuditReport, decision: Decision) -> None:
    """Keep a batch whose gate is closed: accepted rows in its incoming table, rejected rows in quarantine.

    Raises:
        ToolError: as `publish`.
    """
    with transaction(warehouse.engine, f"{batch}: holding the batch failed", "Nothing was published.") as connection:
        if loads.status(connection, batch) == "held":  # as in publish
            return
        loads.fence(connection, batch)
        _set_rejected_apart(warehouse, connection, contract, batch, report)
        if warehouse.data.commits_with_ledger:
            _drop_older_quarantine(warehouse, connection, contract, batch, held_only=True)
        warehouse.data.drop_set_aside(connection, contract, batch)
        loads.supersede(connection, batch, "held")
        _account(connection, batch, "held", report, decision)
        rules.held(connection, contract, batch, report, decision, warehouse.now())
    separate.clean(warehouse, contract)


def release(warehouse: Warehouse, contract: Contract, batch: Batch, who: str, why: str) -> None:
    """Make the accepted rows of a held load visible, on a person's word. Its rejected rows stay in quarantine.

    Raises:
        DataError: its rows were dropped after the contract's retention, are not what the contract demands now, or are
            another batch's; or keys must be unique in the dataset, and other batches were published since.
        ToolError: the database failed; nothing was changed.
    """
    failed, then = f"{batch}: the release failed", "Readers keep the data they had."
    with (
        separate.publishing(warehouse, contract, batch, "held", released_by=who, released_why=why),
        transaction(warehouse.engine, failed, then) as connection,
    ):
        loads.take_over(connection, contract.dataset_id)
        loads.fence(connection, batch, "held")
        if batch.dataset_id in references.changed(connection, batch):
            raise DataError(
                f"{batch}: other batches of {contract} were published since it was audited, which may have the same "
                f"keys. Judge it again: sluice quarantine replay {contract} {batch.batch}"
            )
        references.announce(connection, batch.dataset_id)
        references.count_again(connection, batch.dataset_id)
        warehouse.data.fit_held(connection, contract, batch)
        _refuse_rows_of_another(warehouse, connection, contract, batch)
        if warehouse.data.commits_with_ledger:
            _drop_older_quarantine(warehouse, connection, contract, batch)
        warehouse.data.publish(connection, contract, batch)
        loads.supersede(connection, batch, "published")
        loads.note(connection, batch, status="published", released_by=who, released_why=why)
        rules.fine(connection, contract, batch.batch, f"released by {who}: {why}", warehouse.now())


def _refuse_rows_of_another(warehouse: Warehouse, connection: sa.Connection, contract: Contract, batch: Batch) -> None:
    """A batch whose name differs in - and _ alone has the same table. All its rows are of one batch."""
    found = warehouse.data.held_batch(connection, contract, batch)
    if found not in (None, batch.batch):
        raise DataError(
            f"{batch}: the rows in its table are of batch {found}, so there is nothing to release. Rename the file, so "
            f"that the names differ by more than - and _, and load it: sluice run {contract}"
        )


def fail(warehouse: Warehouse, contract: Contract, batch: Batch, why: str | SluiceError) -> None:
    """End a load that never came to a verdict, and drop what it left. The owner is alerted to an error.

    Raises nothing of the database: a load that it cannot end now is ended by the next one, or by the run that took
    over.
    """
    try:
        _fail(warehouse, contract, batch, why)
    except Overtaken:
        return
    except ToolError:
        if isinstance(why, SluiceError):
            reason = f"{batch}: {why.reason(contract.dataset_id, batch.batch)}"
            rules.notify_directly(
                "batch_failed", Facts([reason], readers_see="what they had", next_command=rules.DOCTOR)
            )


def _fail(warehouse: Warehouse, contract: Contract, batch: Batch, why: str | SluiceError) -> None:
    with transaction(warehouse.engine, f"{batch}: the end of the load could not be recorded") as connection:
        loads.fence(connection, batch)
        if separate.settled(warehouse, connection, contract, batch):  # only that could not be recorded
            return
        if _has_loaded(connection, batch):  # else what is there is of another load, which may be held
            warehouse.data.drop(connection, contract, batch)
        warehouse.data.put_back(connection, contract, batch)
        loads.finish(connection, batch, "failed", Decision(False, (str(why),)))
        if isinstance(why, SluiceError):
            rules.broken(connection, contract, batch.batch, why, warehouse.now())
    separate.clean(warehouse, contract)


def _has_loaded(connection: sa.Connection, batch: Batch) -> bool:
    """Whether the rows in the batch's incoming table are this load's."""
    query = sa.select(tables.batches.c.loaded_at.is_not(None)).where(tables.batches.c.load_id == batch.load_id)
    return bool(connection.scalar(query))


def _write_to_lake(warehouse: Warehouse, contract: Contract, batch: Batch, report: AuditReport) -> None:
    """What takes long where the rows are not in the ledger's database: done before others wait for the publish."""
    if warehouse.data.commits_with_ledger:
        return
    failed = f"{batch}: writing its rows failed"
    with transaction(warehouse.engine, failed, "Readers keep the data they had.") as connection:
        if loads.status(connection, batch) != "published":
            loads.fence(connection, batch)
            _set_rejected_apart(warehouse, connection, contract, batch, report)


def _set_rejected_apart(
    warehouse: Warehouse, connection: sa.Connection, contract: Contract, batch: Batch, report: AuditReport
) -> None:
    moved = warehouse.data.reject(connection, contract, batch)
    if moved != report.rejected:
        raise ToolError(f"{batch}: the audit rejected {report.rejected:,} rows, but {moved:,} are found now; try again")


def _drop_older_quarantine(
    warehouse: Warehouse, connection: sa.Connection, contract: Contract, batch: Batch, held_only: bool = False
) -> None:
    """A batch is replaced whole, its quarantine too; a held load replaces only what another held load left."""
    loads_of = tables.batches.c
    same = (loads_of.dataset == batch.dataset_id) & (loads_of.batch == batch.batch)
    older = sa.select(loads_of.load_id).where(same, loads_of.load_id != batch.load_id)
    if held_only:
        older = older.where(loads_of.status != "published")
    warehouse.data.drop_quarantined(connection, contract, older)


def _account(connection: sa.Connection, batch: Batch, status: str, report: AuditReport, decision: Decision) -> None:
    loads.finish(connection, batch, status, decision, **_counts(report))


def _counts(report: AuditReport) -> dict[str, int]:
    return {"rows_accepted": report.accepted, "rows_rejected": report.rejected}
