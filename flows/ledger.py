"""The ledger `ops`: one row per load, every result of every check, every dbt node, every publication of the marts.

Written in the transactions that do the work; nothing else decides what is live.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from contracts.contract import Contract
from contracts.errors import ToolError
from contracts.gate import CheckResult, Decision
from contracts.version import version_of
from flows import versions
from flows.source import SourceFile
from flows.warehouse import OPS

metadata = sa.MetaData(schema=OPS)
Moment = sa.DateTime(timezone=True)

STATUSES = ("started", "held", "published", "failed", "abandoned", "superseded")
FINISHED = ("held", "published", "superseded")

batches = sa.Table(
    "batches",
    metadata,
    sa.Column(
        "load_id",
        sa.BigInteger(),
        sa.Identity(always=True),
        primary_key=True,
        comment="Number of the load; a later load has a higher one.",
    ),
    sa.Column("dataset", sa.Text(), nullable=False, comment="Dataset that was loaded."),
    sa.Column("batch", sa.Text(), nullable=False, comment="Batch that was loaded."),
    sa.Column("status", sa.Text(), nullable=False, comment="What became of the load."),
    sa.Column("address", sa.Text(), nullable=False, comment="Where the file came from, without secrets."),
    sa.Column("bytes", sa.BigInteger(), nullable=False, comment="Size of the file as delivered."),
    sa.Column("sha256", sa.Text(), nullable=False, comment="Of the file as delivered, in hexadecimal."),
    sa.Column("etag", sa.Text(), comment="The server's mark of the file's version, where it gives one."),
    sa.Column("modified", sa.Text(), comment="When the file changed last, as its server or disk says."),
    sa.Column(
        "contract_version", sa.Text(), nullable=False, comment="Fingerprint of the contract that it was held to."
    ),
    sa.Column("code_version", sa.Text(), comment="Of Sluice, with a fingerprint of its source."),
    sa.Column("dbt_project", sa.Text(), comment="Fingerprint of the dbt project, as in ops.builds.project."),
    sa.Column("rows_read", sa.BigInteger(), comment="Rows of the file: those accepted and those rejected."),
    sa.Column("rows_counted", sa.BigInteger(), comment="Counted a second, independent way."),
    sa.Column("rows_accepted", sa.BigInteger(), comment="Rows that failed no check of severity error."),
    sa.Column("rows_rejected", sa.BigInteger(), comment="Rows that failed one, kept in quarantine."),
    sa.Column("reasons", ARRAY(sa.Text()), nullable=False, server_default="{}", comment="Why not published."),
    sa.Column(
        "warnings", ARRAY(sa.Text()), nullable=False, server_default="{}", comment="Told, though they hold nothing."
    ),
    sa.Column("replay_of", sa.BigInteger(), comment="The load whose rows were loaded again, not the file's."),
    sa.Column("released_by", sa.Text(), comment="Who published a held load."),
    sa.Column("released_why", sa.Text(), comment="The reason that person gave."),
    sa.Column("run_id", sa.Text(), comment="Prefect flow run."),
    sa.Column("started_at", Moment, nullable=False, server_default=sa.func.now(), comment="When the load began."),
    sa.Column("loaded_at", Moment, comment="When every row of the file was in the database."),
    sa.Column("audited_at", Moment, comment="When every check had its result."),
    sa.Column("finished_at", Moment, comment="When the load reached its status; null while it runs."),
    sa.Column("rows_dropped_at", Moment, comment="When its rejected rows were dropped, after the retention."),
    sa.CheckConstraint(sa.column("status").in_(STATUSES), name="batches_status"),
    sa.CheckConstraint(
        "status NOT IN ('held', 'published', 'superseded') OR "
        "(rows_read IS NOT NULL AND rows_accepted IS NOT NULL AND rows_rejected IS NOT NULL "
        "AND rows_read = rows_accepted + rows_rejected)",
        name="batches_every_row_accounted_for",
    ),
    sa.Index("batches_by_batch", "dataset", "batch"),
    sa.Index(
        "batches_one_published", "dataset", "batch", unique=True, postgresql_where=sa.text("status = 'published'")
    ),
)

checks = sa.Table(
    "checks",
    metadata,
    sa.Column("load_id", sa.BigInteger(), sa.ForeignKey(batches.c.load_id), nullable=False),
    sa.Column("check_name", sa.Text(), nullable=False),
    sa.Column("outcome", sa.Text(), nullable=False),
    sa.Column("severity", sa.Text(), nullable=False),
    sa.Column("tolerance", sa.Double()),
    sa.Column("rows", sa.BigInteger(), nullable=False),
    sa.Column("failing", sa.BigInteger(), nullable=False),
    sa.Column("error", sa.Text()),
    sa.Column("sample", JSONB(), nullable=False),
    sa.PrimaryKeyConstraint("load_id", "check_name"),
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells one delivered file from another."""

    address: str
    size: int
    sha256: str
    etag: str | None
    modified: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    """One load of one batch: what tasks hand to each other."""

    dataset_id: str
    batch: str
    load_id: int
    rows: int = 0

    def __str__(self) -> str:
        return f"{self.dataset_id} {self.batch}"


def published(connection: sa.Connection, dataset_id: str, batch: str) -> sa.Row | None:
    """The ledger's row of the load whose rows readers have, if the batch is published."""
    query = sa.select(batches).where(
        batches.c.dataset == dataset_id, batches.c.batch == batch, batches.c.status == "published"
    )
    return connection.execute(query).one_or_none()


def rows_of_batch_before(connection: sa.Connection, dataset_id: str, batch: str) -> int | None:
    """Rows read of the published batch that comes before this one in batch order."""
    query = (
        sa.select(batches.c.rows_read)
        .where(batches.c.dataset == dataset_id, batches.c.batch < batch, batches.c.status == "published")
        .order_by(batches.c.batch.desc())
        .limit(1)
    )
    return connection.scalar(query)


def latest(connection: sa.Connection, dataset_id: str, batch: str, *statuses: str) -> sa.Row | None:
    """The ledger's row of the newest load of a batch that has one of these statuses."""
    query = (
        sa.select(batches)
        .where(batches.c.dataset == dataset_id, batches.c.batch == batch, batches.c.status.in_(statuses))
        .order_by(batches.c.load_id.desc())
        .limit(1)
    )
    return connection.execute(query).one_or_none()


def begin_replay(connection: sa.Connection, contract: Contract, of: sa.Row, run_id: str | None) -> Batch:
    """Write the row of a load that takes its rows from another load of the batch, and so has its fingerprint."""
    file = Fingerprint(of.address, of.bytes, of.sha256, of.etag, of.modified)
    batch = begin(connection, contract, of.batch, file, run_id)
    note(connection, batch, replay_of=of.load_id)
    return batch


def begin(
    connection: sa.Connection, contract: Contract, batch: str, file: Fingerprint | SourceFile, run_id: str | None
) -> Batch:
    """Write the load's row. Whoever holds the dataset's lock calls it, so any other started load is dead."""
    connection.execute(
        batches.update()
        .where(batches.c.dataset == contract.dataset_id, batches.c.status == "started")
        .values(status="abandoned", finished_at=sa.func.now(), reasons=["its run ended without a word"])
    )
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
            code_version=versions.code(),
            dbt_project=versions.project(),
            run_id=run_id,
        )
        .returning(batches.c.load_id)
    )
    return Batch(contract.dataset_id, batch, int(load_id or 0))


def fence(connection: sa.Connection, batch: Batch, expected: str = "started") -> None:
    """Lock the load's row until the transaction ends.

    Raises:
        ToolError: a later run has taken over, so this one must not write.
    """
    query = sa.select(batches.c.status).where(batches.c.load_id == batch.load_id).with_for_update()
    status = connection.scalar(query)
    if status != expected:
        raise ToolError(f"{batch}: load {batch.load_id} is {status}: a later run took over. Nothing was changed.")


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
