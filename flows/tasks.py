"""The Prefect tasks of the nightly flow: thin shells over plain functions. Retry what heals by itself; never an audit.

Each opens the warehouse's block itself; between tasks go references (`Batch`, `SourceFile`), never rows.
Tags are on tasks whose number at a time somebody may want to limit: a tagged task first asks Prefect's server for a
slot, which on its SQLite can take two seconds, as long as a whole audit.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff

from contracts import patches
from contracts.errors import SluiceError, ToolError
from contracts.gate import AuditReport, Decision, counted, decide
from contracts.registry import contract_for
from flows import audit, freshness, ledger, load, publish, source, transform
from flows.artifacts import keep_audit
from flows.extract import open_rows
from flows.ledger import Batch
from flows.progress import step
from flows.report import Summary
from flows.site import dbt_docs, write
from flows.source import Listing, SourceFile, SourceUnavailable
from flows.warehouse import DATABASE_ERRORS, home, open_warehouse


def listing_key(_: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    """The same address, ETag, size and time mean the same bytes: what was fetched is used again for a day."""
    listing: Listing = parameters["listing"]
    known = (listing.address, listing.etag, listing.size, listing.modified)
    return f"sluice-fetch-{home()}-{known!r}" if listing.etag or listing.modified else None


def _may_heal(_task: Any, _run: TaskRun, state: State) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, SourceUnavailable) or (
        isinstance(error, ToolError) and isinstance(error.__context__, DATABASE_ERRORS)
    )


heals: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=2),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _may_heal,
}


@task(name="look", task_run_name="look at {address}", tags=["source"], cache_policy=NO_CACHE, **heals)
def look(address: str) -> Listing:
    """What is known of a file without reading it."""
    return source.look(address)


@task(
    name="fetch",
    task_run_name="fetch {listing.address}",
    tags=["source"],
    cache_key_fn=listing_key,
    cache_expiration=timedelta(days=1),
    persist_result=True,
    **heals,
)
def fetch(listing: Listing) -> SourceFile:
    """Bring the file here, with its fingerprint."""
    with step(f"fetch {listing.address}", listing.size) as shown:
        seen = 0

        def progress(size: int) -> None:
            nonlocal seen
            seen += size
            shown.advance(0, seen)

        return source.fetch(listing, home() / "downloads", progress)


@task(name="load", task_run_name="load {batch}", tags=["warehouse"], cache_policy=NO_CACHE, **heals)
def load_batch(batch: Batch, file: SourceFile) -> Batch:
    """Load every row of the file into the batch's incoming table."""
    contract = contract_for(batch.dataset_id)
    with step(f"load {batch}", file.size) as shown, open_rows(file, contract, batch.batch) as stream:
        loaded = load.load(open_warehouse(), contract, batch, stream, shown.advance)
        shown.advance(loaded.rows, file.size)
    get_run_logger().info("%s: %s rows from %s", batch, f"{loaded.rows:,}", file)
    return loaded


@task(name="audit", task_run_name="audit {batch}", cache_policy=NO_CACHE)
def audit_batch(batch: Batch) -> AuditReport:
    """Apply the contract's checks to the loaded batch, in the database."""
    with step(f"audit {batch}") as shown:
        report = audit.audit(open_warehouse(), contract_for(batch.dataset_id), batch)
        shown.say(f"{len(report.checks)} checks, {counted(report.rejected, 'row')} rejected")
    keep_audit(batch, report)
    return report


@task(name="gate", task_run_name="gate {batch}", cache_policy=NO_CACHE)
def decide_batch(batch: Batch, report: AuditReport) -> Decision:
    """Open the gate, or close it and say why."""
    contract = contract_for(batch.dataset_id)
    with open_warehouse().engine.begin() as connection:
        before = ledger.rows_of_batch_before(connection, batch.dataset_id, batch.batch)
    decision = decide(contract.gate, report, before)
    if not decision.open:
        decision = replace(decision, reasons=(*decision.reasons, *patches.unread(contract, report)))
    get_run_logger().info("%s: %s", batch, decision)
    return decision


@task(name="publish", task_run_name="publish {batch}", cache_policy=NO_CACHE, **heals)
def publish_batch(batch: Batch, report: AuditReport, decision: Decision) -> None:
    """Make the batch's accepted rows visible in `staging`."""
    with step(f"publish {batch}"):
        publish.publish(open_warehouse(), contract_for(batch.dataset_id), batch, report, decision)


@task(name="hold", task_run_name="hold {batch}", cache_policy=NO_CACHE, **heals)
def hold_batch(batch: Batch, report: AuditReport, decision: Decision) -> None:
    """Keep the batch aside; readers keep what they had."""
    publish.hold(open_warehouse(), contract_for(batch.dataset_id), batch, report, decision)


@task(name="dbt build", task_run_name="dbt build", tags=["dbt"], cache_policy=NO_CACHE)
def build_marts(run_id: str | None) -> transform.Built:
    """Build and test the candidate side; every dbt node is a task run of its own."""
    with step("dbt build") as shown:

        def progress(done: int, total: int, node: str) -> None:
            shown.say(f"{done}/{total} {node}", done, total)

        built = transform.build(open_warehouse(), run_id, progress)
        shown.say(f"{len(built.run.nodes)} nodes on {built.side}")
    return built


@task(name="dbt source freshness", task_run_name="dbt source freshness", tags=["dbt"], cache_policy=NO_CACHE)
def check_freshness(run_id: str | None) -> tuple[freshness.Stale, ...]:
    """The datasets whose newest row is too old."""
    with step("dbt source freshness") as shown:
        stale = freshness.stale(open_warehouse(), run_id)
        shown.say(f"{len(stale)} stale")
    return stale


@task(name="dbt docs", task_run_name="dbt docs", tags=["dbt"], cache_policy=NO_CACHE)
def write_docs(side: str) -> None:
    """Write dbt's docs of the side that is live now, and what the site shows of dbt's models."""
    with step("dbt docs"):
        dbt_docs.write_docs(open_warehouse(), side)


@task(name="site", task_run_name="site", tags=["warehouse"], cache_policy=NO_CACHE)
def write_site(summary: Summary, run_id: str | None) -> str:
    """Make the site that people browse; gives its front page."""
    with step("site"):
        try:
            dbt_docs.renew_tests(open_warehouse())
        except SluiceError as error:  # a project that cannot be read: dbt build has said so
            get_run_logger().warning("the site shows the tests of an older dbt project: %s", error)
        return str(write.write(open_warehouse(), summary, run_id))


@task(name="publish marts", task_run_name="publish marts", cache_policy=NO_CACHE)
def publish_marts(built: transform.Built, run_id: str | None) -> None:
    """Point readers to the candidate, in one transaction."""
    with step("publish marts"):
        transform.publish(open_warehouse(), built, run_id)
