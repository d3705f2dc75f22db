"""Loads and their check results: begin, fence, finish, supersede; what is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sluice.contract.batches import Calendar
from sluice.contract.checks.version import version_of
from sluice.contract.contract import Contract
from sluice.contract.errors import Overtaken
from sluice.contract.gate import CheckResult, Decision, Known
from sluice.ledger import files
from sluice.ledger.tables import batches, checks
from sluice.ledger.twins import refuse_twin
from sluice.project import fingerprints
from sluice.source.files import SourceFile
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres import locks

BATCH = batches.c.batch.collate("C")  # batch order is that of Python's text, in any collation of the server
SHOWN = 30  # newest batches on the site: as many as a small plot shows, and somewhat more than two years of months

LOST = "its run stopped without reporting a result"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What distinguishes one delivered file from another."""

    address: str
    size: int
    sha256: str
    etag: str | None
    modified: str | None


def published(connection: sa.Connection, dataset_id: str, batch: str) -> sa.Row | None:
    """The ledger's row of the load whose rows readers have, if the batch is published."""
    query = sa.select(batches).where(
        batches.c.dataset == dataset_id, batches.c.batch == batch, batches.c.status == "published"
    )
    return connection.execute(query).one_or_none()


def newest(dataset_id: str | None = None, statuses: Sequence[str] | None = None) -> sa.Select:
    """The newest load of each batch, of one dataset or of all, in batch order: of these statuses, or not replaced."""
    loads = batches
    counts = loads.c.status != "superseded" if statuses is None else loads.c.status.in_(statuses)
    query = sa.select(loads).distinct(loads.c.dataset, BATCH).where(counts)
    query = query if dataset_id is None else query.where(loads.c.dataset == dataset_id)
    return query.order_by(loads.c.dataset, BATCH, loads.c.load_id.desc())


def readers_have(connection: sa.Connection, dataset_id: str) -> dict[str, sa.Row]:
    """The published load of each batch of a dataset."""
    query = sa.select(batches).where(batches.c.dataset == dataset_id, batches.c.status == "published")
    return {row.batch: row for row in connection.execute(query)}


def rows_of_batch_before(
    connection: sa.Connection, dataset_id: str, batch: str, among: Sequence[str] | None = None
) -> int | None:
    """Rows read of the published batch that comes before this one in batch order.

    Args:
        among: the batches that count, if not all do.
    """
    query = (
        sa.select(batches.c.rows_read)
        .where(batches.c.dataset == dataset_id, batch > BATCH, batches.c.status == "published")
        .order_by(BATCH.desc())
        .limit(1)
    )
    return connection.scalar(query if among is None else query.where(batches.c.batch.in_(among)))


def known(connection: sa.Connection, contract: Contract, batch: Batch) -> Known:
    """What is published of the batch's dataset, to compare the batch with."""
    kind, weekday = contract.files.batches, contract.gate.rows_vs == "weekday"
    among = kind.weeks_before(batch.batch) if weekday and isinstance(kind, Calendar) else None
    replaced = published(connection, batch.dataset_id, batch.batch)
    this = sa.select(batches.c.sha256).where(batches.c.load_id == batch.load_id).scalar_subquery()
    same = (
        sa.select(batches.c.batch)
        .where(
            batches.c.dataset == batch.dataset_id,
            batches.c.batch != batch.batch,
            batches.c.status == "published",
            batches.c.sha256 == this,
            batches.c.rows_read > 0,
        )
        .order_by(batches.c.batch)
        .limit(1)
    )
    twin = connection.scalar(same)
    if replaced is not None and twin is not None:  # it was accepted before, by the contract or by a person
        own = connection.scalar(sa.select(batches.c.sha256).where(batches.c.load_id == batch.load_id))
        twin = None if own == replaced.sha256 else twin
    return Known(
        rows_of_batch_before(connection, batch.dataset_id, batch.batch, among),
        None if replaced is None else replaced.rows_read,
        twin,
        files.same(connection, batch, replaced),
        () if replaced is None else files.gone(connection, batch, replaced),
    )


def latest(connection: sa.Connection, dataset_id: str, batch: str, *statuses: str) -> sa.Row | None:
    """The ledger's row of the newest load of a batch that has one of these statuses."""
    query = (
        sa.select(batches)
        .where(
            batches.c.dataset == dataset_id,
            batches.c.batch == batch,
            batches.c.status.in_(statuses),
        )
        .order_by(batches.c.load_id.desc())
        .limit(1)
    )
    return connection.execute(query).one_or_none()


def begin_replay(connection: sa.Connection, contract: Contract, of: sa.Row, run_id: str | None) -> Batch:
    """Write the row of a load that takes its rows from another load of the batch, and so has its fingerprint."""
    file = Fingerprint(of.address, of.bytes, of.sha256, of.etag, of.modified)
    batch = begin(connection, contract, of.batch, file, run_id)
    note(connection, batch, replay_of=of.load_id)
    files.copy(connection, of.load_id, batch)
    return batch


def begin(
    connection: sa.Connection, contract: Contract, batch: str, file: Fingerprint | SourceFile, run_id: str | None
) -> Batch:
    """Write the load's row. The holder of the dataset's lock calls it, so any other started load is dead.

    Its sessions are ended: a run that was stopped in the middle of a COPY would hold its locks for ever.

    Raises:
        ConfigError: another batch has the same name for its tables.
    """
    refuse_twin(connection, contract, batch)
    take_over(connection, contract.dataset_id)
    abandon(connection, contract.dataset_id)
    load_id = connection.scalar(
        batches.insert()
        .values(
            dataset=contract.dataset_id,
            batch=batch,
            status="started",
            address=file.address,
            bytes=file.size,
            sha256=file.sha256,
            etag=file.etag,
            modified=file.modified,
            contract_version=version_of(contract),
            code_version=fingerprints.code(),
            dbt_project=fingerprints.project(),
            run_id=run_id,
        )
        .returning(batches.c.load_id)
    )
    return Batch(contract.dataset_id, batch, int(load_id or 0))


def abandon(connection: sa.Connection, dataset_id: str) -> None:
    """End the loads of a dataset whose runs are gone, but for those of which a lake may have the rows."""
    dead = (batches.c.dataset == dataset_id) & (batches.c.status == "started") & batches.c.publishing_at.is_(None)
    ended = {"status": "abandoned", "finished_at": sa.func.now(), "reasons": [LOST]}
    connection.execute(batches.update().where(dead).values(**ended))


def take_over(connection: sa.Connection, dataset_id: str) -> None:
    """End every session that still writes to the dataset. The caller holds the dataset's lock.

    Raises:
        ToolError: as `locks.take_over`.
    """
    locks.take_over(connection, locks.write_right(dataset_id))


def status(connection: sa.Connection, batch: Batch) -> str | None:
    """What became of the load so far."""
    return connection.scalar(sa.select(batches.c.status).where(batches.c.load_id == batch.load_id))


def fence(connection: sa.Connection, batch: Batch, expected: str = "started") -> None:
    """Lock the load's row until the transaction ends.

    Raises:
        Overtaken: a later run has taken over, so this one must not write.
    """
    locks.share(connection, locks.write_right(batch.dataset_id))
    query = sa.select(batches.c.status).where(batches.c.load_id == batch.load_id).with_for_update()
    status = connection.scalar(query)
    if status != expected:
        raise Overtaken(f"{batch}: load {batch.load_id} is {status}: a later run took over. Nothing was changed.")


def note(connection: sa.Connection, batch: Batch, **values: Any) -> None:
    """Write facts into the load's row."""
    connection.execute(batches.update().where(batches.c.load_id == batch.load_id).values(**values))


def supersede(connection: sa.Connection, batch: Batch, *statuses: str) -> None:
    """Take the loads that this one replaces off the books."""
    same = (batches.c.dataset == batch.dataset_id) & (batches.c.batch == batch.batch)
    connection.execute(batches.update().where(same, batches.c.status.in_(statuses)).values(status="superseded"))


def finish(connection: sa.Connection, batch: Batch, status: str, decision: Decision, **values: Any) -> None:
    """Write the load's end."""
    note(
        connection,
        batch,
        status=status,
        reasons=list(decision.reasons),
        warnings=list(decision.warnings),
        finished_at=sa.func.clock_timestamp(),  # now() is when its transaction began
        **values,
    )


def write_checks(connection: sa.Connection, batch: Batch, results: tuple[CheckResult, ...]) -> None:
    """Keep every result, also of the checks that passed. Audited again, a load's results are replaced."""
    connection.execute(checks.delete().where(checks.c.load_id == batch.load_id))
    if results:
        connection.execute(checks.insert(), [_check_row(batch, result) for result in results])


def _check_row(batch: Batch, result: CheckResult) -> Mapping[str, Any]:
    return {
        "load_id": batch.load_id,
        "check_name": result.name,
        **{name: getattr(result, name) for name in ("outcome", "severity", "tolerance", "rows", "failing", "error")},
        "sample": [dict(row) for row in result.sample],
    }


def published_loads(connection: sa.Connection) -> list[int]:
    """Numbers of the published loads, in order."""
    published = sa.select(batches.c.load_id).where(batches.c.status == "published").order_by(batches.c.load_id)
    return [int(load) for load in connection.scalars(published)]
