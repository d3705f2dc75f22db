"""Every table of the schema `ops`, declared in one place."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from sluice.contract.derive.schemas import OPS

metadata = sa.MetaData(schema=OPS)
Moment = sa.DateTime(timezone=True)
OPEN, KEPT = sa.text("resolved_at IS NULL"), sa.text("status <> 'superseded'")
STATUSES = ("started", "held", "published", "failed", "abandoned", "superseded")
batches = sa.Table(
    "batches",
    metadata,
    sa.Column(
        "load_id", sa.BigInteger(), sa.Identity(always=True), primary_key=True, comment="A later load has a higher one."
    ),
    sa.Column("dataset", sa.Text(), nullable=False, comment="Dataset that was loaded."),
    sa.Column("batch", sa.Text(), nullable=False, comment="Batch that was loaded."),
    sa.Column("status", sa.Text(), nullable=False, comment="Status of the load."),
    sa.Column("address", sa.Text(), nullable=False, comment="Where the file came from, without secrets."),
    sa.Column("bytes", sa.BigInteger(), nullable=False, comment="Size of the file as delivered."),
    sa.Column("sha256", sa.Text(), nullable=False, comment="Of the file as delivered, in hexadecimal."),
    sa.Column("etag", sa.Text(), comment="The file's ETag, where the server sends one."),
    sa.Column("modified", sa.Text(), comment="When the file was last modified, according to its server or disk."),
    sa.Column(
        "contract_version", sa.Text(), nullable=False, comment="Fingerprint of the contract it was checked against."
    ),
    sa.Column("code_version", sa.Text(), comment="Of Sluice, with a fingerprint of its source."),
    sa.Column("dbt_project", sa.Text(), comment="Fingerprint of the dbt project, as in ops.builds.project."),
    sa.Column("rows_read", sa.BigInteger(), comment="Rows of the file: accepted plus rejected."),
    sa.Column("rows_counted", sa.BigInteger(), comment="Counted a second, independent way."),
    sa.Column("blank_lines", sa.BigInteger(), comment="Blank lines of the file, which are not rows."),
    sa.Column("rows_accepted", sa.BigInteger(), comment="Rows that failed no check of severity error."),
    sa.Column("rows_rejected", sa.BigInteger(), comment="Rows that failed one, kept in quarantine."),
    sa.Column(
        "reasons", ARRAY(sa.Text()), nullable=False, server_default="{}", comment="Why the load was not published."
    ),
    sa.Column(
        "warnings",
        ARRAY(sa.Text()),
        nullable=False,
        server_default="{}",
        comment="Reported problems that do not hold the load.",
    ),
    sa.Column("replay_of", sa.BigInteger(), comment="The load whose rows were replayed, instead of the file."),
    sa.Column("released_by", sa.Text(), comment="Who published a held load."),
    sa.Column("released_why", sa.Text(), comment="The reason given for the release."),
    sa.Column("run_id", sa.Text(), comment="Prefect flow run."),
    sa.Column("started_at", Moment, nullable=False, server_default=sa.func.now(), comment="When the load began."),
    sa.Column("loaded_at", Moment, comment="When every row of the file was in the database."),
    sa.Column("audited_at", Moment, comment="When every check had its result."),
    sa.Column("publishing_at", Moment, comment="When its publish in a lake began, which the ledger then learns of."),
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
    sa.Index("batches_in_order", "dataset", sa.text('batch COLLATE "C", load_id DESC'), postgresql_where=KEPT),
    sa.Index(
        "batches_one_published", "dataset", "batch", unique=True, postgresql_where=sa.text("status = 'published'")
    ),
)
checks = sa.Table(
    "checks",
    metadata,
    sa.Column("load_id", sa.BigInteger(), sa.ForeignKey(batches.c.load_id), nullable=False, comment="Of ops.batches."),
    sa.Column("check_name", sa.Text(), nullable=False, comment="Name of the check."),
    sa.Column("outcome", sa.Text(), nullable=False, comment="passed, warned, failed, or errored: it could not be run."),
    sa.Column("severity", sa.Text(), nullable=False, comment="error rejects the rows that fail, warn keeps them."),
    sa.Column("tolerance", sa.Double(), comment="Share of rows that may fail, from 0 to 1; null without one."),
    sa.Column("rows", sa.BigInteger(), nullable=False, comment="How many rows it looked at."),
    sa.Column("failing", sa.BigInteger(), nullable=False, comment="How many rows fail it."),
    sa.Column("error", sa.Text(), comment="Why it could not be run."),
    sa.Column("sample", JSONB(), nullable=False, comment="Up to five failing rows, personal data masked."),
    sa.PrimaryKeyConstraint("load_id", "check_name"),
)
files = sa.Table(
    "files",
    metadata,
    sa.Column("load_id", sa.BigInteger(), sa.ForeignKey(batches.c.load_id), nullable=False, comment="Of ops.batches."),
    sa.Column("number", sa.Integer(), nullable=False, comment="Of the file in its load, from 1."),
    sa.Column("address", sa.Text(), nullable=False, comment="Where the file came from, without secrets."),
    sa.Column("bytes", sa.BigInteger(), nullable=False, comment="Size of the file as delivered."),
    sa.Column("sha256", sa.Text(), comment="Of the file as delivered, where each file of a batch has its own."),
    sa.Column("modified", sa.Text(), comment="When the file was last modified, according to its server or disk."),
    sa.Column("first_row", sa.BigInteger(), nullable=False, comment="_row_number of its first row."),
    sa.Column("rows", sa.BigInteger(), nullable=False, comment="How many rows it has; they follow one another."),
    sa.PrimaryKeyConstraint("load_id", "number"),
)
incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("incident_id", sa.BigInteger(), sa.Identity(always=True), primary_key=True, comment="Its number."),
    sa.Column("subject", sa.Text(), nullable=False, comment="What it is about; at most one is open for each."),
    sa.Column("kind", sa.Text(), nullable=False, comment="gate_closed, dbt_failed, ...; the end of the event's name."),
    sa.Column("detail", sa.Text(), nullable=False, comment="With another detail it is another incident."),
    sa.Column("dataset", sa.Text(), comment="Null if it concerns all of them."),
    sa.Column("batch", sa.Text(), comment="Null if it concerns no batch."),
    sa.Column("reminded", sa.Boolean(), nullable=False, comment="Whether a reminder is sent every day."),
    sa.Column("facts", JSONB(), nullable=False, comment="What the last message says, or the next would."),
    sa.Column("owners", JSONB(), nullable=False, comment="Pairs of an owner and the notification block, or null."),
    sa.Column("times_seen", sa.Integer(), nullable=False, server_default="1", comment="In how many runs it was seen."),
    sa.Column("opened_at", Moment, nullable=False, comment="When it was first seen."),
    sa.Column("last_seen_at", Moment, nullable=False, comment="When it was last seen."),
    sa.Column("last_told_at", Moment, nullable=False, comment="When the last message was written."),
    sa.Column("resolved_at", Moment, comment="Null while it is open."),
    sa.Column("resolved_as", sa.Text(), comment="recovered, replaced (by another incident), or closed by whom."),
    sa.Index("incidents_one_open", "subject", unique=True, postgresql_where=OPEN),
)
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("message_id", sa.BigInteger(), sa.Identity(always=True), primary_key=True, comment="Its number."),
    sa.Column(
        "event_id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()"), comment="Of its event."
    ),
    sa.Column(
        "incident_id", sa.BigInteger(), sa.ForeignKey(incidents.c.incident_id), nullable=False, comment="Its incident."
    ),
    sa.Column("stage", sa.Text(), nullable=False, comment="first, reminder or recovery."),
    sa.Column("channel", sa.Text(), nullable=False, comment="A notification block, as type/name, or Prefect's events."),
    sa.Column("kind", sa.Text(), nullable=False, comment="As in ops.incidents."),
    sa.Column("dataset", sa.Text(), comment="As in ops.incidents."),
    sa.Column("batch", sa.Text(), comment="As in ops.incidents."),
    sa.Column("owner", sa.Text(), nullable=False, comment="Who gets it."),
    sa.Column("title", sa.Text(), nullable=False, comment="Its subject."),
    sa.Column("body", sa.Text(), nullable=False, comment="Its text."),
    sa.Column("created_at", Moment, nullable=False, comment="When it was written."),
    sa.Column("next_try_at", Moment, nullable=False, comment="When it is sent next, if it is not sent yet."),
    sa.Column("attempts", sa.Integer(), nullable=False, server_default="0", comment="How often sending it failed."),
    sa.Column("last_error", sa.Text(), comment="Why it could not be sent."),
    sa.Column("sent_at", Moment, comment="When the channel took it; null before."),
    sa.Index("outbox_unsent", "next_try_at", postgresql_where=sa.text("sent_at IS NULL")),
)
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text(), primary_key=True, comment="Id of the run."),
    sa.Column("run_id", sa.Text(), comment="Prefect flow run."),
    sa.Column("name", sa.Text(), nullable=False, comment="Name of the flow."),
    sa.Column("nightly", sa.Boolean(), nullable=False, comment="By a deployment, or of all datasets."),
    sa.Column("began_at", Moment, nullable=False, comment="When it began."),
    sa.Column("ended_at", Moment, comment="Null while it runs."),
    sa.Column(
        "ended_as", sa.Text(), comment="finished, lost (stopped without reporting a result), or the error's class."
    ),
    sa.Index("runs_by_time", "began_at"),
)
BUILD_STATUSES = ("started", "not run", "failed", "passed", "published")
WHOLE = ("passed", "published")  # every model of the side was built, and every test passed
builds = sa.Table(
    "builds",
    metadata,
    sa.Column("build_id", sa.BigInteger(), sa.Identity(always=True), primary_key=True, comment="The fencing number."),
    sa.Column("side", sa.Text(), nullable=False, comment="Schema it was built in."),
    sa.Column("status", sa.Text(), nullable=False, comment="not run: dbt touched nothing."),
    sa.Column("project", sa.Text(), nullable=False, comment="Fingerprint of the dbt project."),
    sa.Column("loads", ARRAY(sa.BigInteger()), nullable=False, comment="Published loads when it began."),
    sa.Column("refreshed", ARRAY(sa.Text()), comment="Models built from nothing because their logic changed."),
    sa.Column("manifest", sa.LargeBinary(), comment="dbt's, as gzip; kept while a later build compares with it."),
    sa.Column("invocation_id", sa.Text(), comment="Id of dbt's command, as in ops.dbt_results."),
    sa.Column("run_id", sa.Text(), comment="Prefect flow run."),
    sa.Column("started_at", Moment, nullable=False, server_default=sa.func.clock_timestamp(), comment="When it began."),
    sa.Column("finished_at", Moment, comment="Null while it runs."),
    sa.CheckConstraint(sa.column("status").in_(BUILD_STATUSES), name="builds_status"),
)
comparisons = sa.Table(
    "comparisons",
    metadata,
    sa.Column("build_id", sa.BigInteger(), nullable=False, comment="The candidate's build, see ops.builds."),
    sa.Column("mart", sa.Text(), nullable=False, comment="Name of the mart."),
    sa.Column("batch", sa.Text(), nullable=False, comment="Dataset and batch; empty for a mart that has none."),
    sa.Column("measure", sa.Text(), nullable=False, comment="rows, keys added, keys removed, null share or total"),
    sa.Column("column_name", sa.Text(), nullable=False, comment="Of null shares and totals; else empty."),
    sa.Column("old", sa.Numeric(), comment="In the marts readers had; null if they had no such rows."),
    sa.Column("new", sa.Numeric(), comment="In the candidate; null if it has no such rows."),
    sa.PrimaryKeyConstraint("build_id", "mart", "batch", "measure", "column_name"),
)
publications = sa.Table(
    "publications",
    metadata,
    sa.Column("publication_id", sa.BigInteger(), sa.Identity(always=True), primary_key=True, comment="Its number."),
    sa.Column("side", sa.Text(), nullable=False, comment="Schema that readers read from then on."),
    sa.Column("models", ARRAY(sa.Text()), nullable=False, comment="Names of the marts."),
    sa.Column("inputs", sa.Text(), nullable=False, comment="Fingerprint of the loads and the dbt project it shows."),
    sa.Column("kind", sa.Text(), nullable=False, comment="publish or rollback"),
    sa.Column("run_id", sa.Text(), comment="Prefect flow run."),
    sa.Column("grants", JSONB(), comment="Privileges and roles by view of the marts, for one that is put back."),
    sa.Column("released_by", sa.Text(), comment="Who published marts that the gate would have held."),
    sa.Column("released_why", sa.Text(), comment="The reason given."),
    sa.Column("published_at", Moment, nullable=False, server_default=sa.func.clock_timestamp(), comment="When it was."),
)
reference_loads = sa.Table(
    "reference_loads",
    metadata,
    sa.Column("load_id", sa.BigInteger(), sa.ForeignKey(batches.c.load_id), nullable=False, comment="Of ops.batches."),
    sa.Column("dataset", sa.Text(), nullable=False, comment="Dataset that keys of the load were looked up in."),
    sa.Column("count", sa.BigInteger(), comment="How many loads of it were published when the load was audited."),
    sa.Column("digest", sa.Text(), comment="Digest of their numbers, which differs for another set of loads."),
    sa.PrimaryKeyConstraint("load_id", "dataset"),
)
reference_counts = sa.Table(
    "reference_counts",
    metadata,
    sa.Column("dataset", sa.Text(), nullable=False, comment="Dataset with the referencing column."),
    sa.Column("column_name", sa.Text(), nullable=False, comment="The referencing column."),
    sa.Column("parent", sa.Text(), nullable=False, comment="Dataset that the column references."),
    sa.Column("loads", ARRAY(sa.BigInteger()), nullable=False, comment="Published loads of the parent, then."),
    sa.Column("newest", sa.BigInteger(), nullable=False, comment="Newest load of the dataset, then."),
    sa.PrimaryKeyConstraint("dataset", "column_name"),
)
dbt_results = sa.Table(
    "dbt_results",
    metadata,
    sa.Column("invocation_id", sa.Text(), nullable=False, comment="Id of dbt's command."),
    sa.Column("unique_id", sa.Text(), nullable=False, comment="The node's id in dbt."),
    sa.Column("side", sa.Text(), nullable=False, comment="Schema it was built in."),
    sa.Column("resource_type", sa.Text(), nullable=False, comment="model, test, seed, snapshot, ..."),
    sa.Column("status", sa.Text(), nullable=False, comment="dbt's: success, pass, warn, fail, error, skipped."),
    sa.Column("rows", sa.BigInteger(), comment="Rows written, where the database reports them."),
    sa.Column("failures", sa.BigInteger(), comment="Rows that a test found."),
    sa.Column("seconds", sa.Double(), nullable=False, comment="How long it took."),
    sa.Column("message", sa.Text(), nullable=False, comment="dbt's message; may be empty."),
    sa.Column("run_id", sa.Text(), comment="Prefect flow run."),
    sa.Column("recorded_at", Moment, nullable=False, server_default=sa.func.now(), comment="When it was written down."),
    sa.Column("measured_at", Moment, comment="When dbt ran it, if that was in an earlier build."),
    sa.PrimaryKeyConstraint("invocation_id", "unique_id"),
)
built_nodes = sa.Table(
    "built_nodes",
    metadata,
    sa.Column("side", sa.Text(), nullable=False, comment="Schema it was built in."),
    sa.Column("unique_id", sa.Text(), nullable=False, comment="Node of dbt that the side has whole."),
    sa.Column("record", sa.Text(), nullable=False, comment="What what is built on the node is built from."),
    sa.Column("inputs", sa.Text(), nullable=False, comment="Fingerprint of all that the node was built from."),
    sa.Column("relation", sa.BigInteger(), comment="OID of its table or view; null of a test."),
    sa.Column("build_id", sa.BigInteger(), nullable=False, comment="Build that made it, see ops.builds."),
    sa.Column("result", JSONB(), nullable=False, comment="dbt's result, and when it was measured."),
    sa.PrimaryKeyConstraint("side", "unique_id"),
)
