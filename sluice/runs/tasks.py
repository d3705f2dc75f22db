"""The Prefect tasks of all flows: thin shells over plain functions.

None has a tag: a tagged task asks Prefect's server for a slot first, which takes up to two seconds while the server
records other task runs.
"""

from __future__ import annotations

import random
import time
from dataclasses import fields, replace
from datetime import timedelta
from hashlib import sha256
from importlib.metadata import version
from typing import Any, ParamSpec, TypeVar

from prefect import Task, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff

from sluice.contract.authoring import patches
from sluice.contract.errors import ToolError
from sluice.contract.formatting import counted
from sluice.contract.gate import AuditReport, Decision, decide
from sluice.ledger import loads
from sluice.marts import build, candidate, freshness
from sluice.project.datasets import contract_for
from sluice.project.paths import home
from sluice.runs.prefect_records import keep_audit
from sluice.runs.progress import IN_GROUP, step
from sluice.source import fetch as source_file
from sluice.source.addresses import Address
from sluice.source.files import Listing, SourceFile, SourceUnavailable
from sluice.source.python import spool
from sluice.source.readers.row_stream import open_rows
from sluice.staging import audit, load, publish, reload
from sluice.staging.loader_tables import source_table
from sluice.warehouse.batch import Batch
from sluice.warehouse.connection import open_warehouse
from sluice.warehouse.postgres.session import DATABASE_ERRORS
from sluice.warehouse.postgres.transactions import transaction

P = ParamSpec("P")
R = TypeVar("R")


def listing_key(_: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    """The same address, ETag, size and time mean the same bytes: what was fetched is used again for a day.

    By the same version of Sluice alone: another may keep other facts of a file.

    A digest: the key names a file of Prefect's, and an address may hold a token, `../`, or be longer than a name.
    """
    listing: Listing = parameters["listing"]
    parts = [part.name for part in fields(SourceFile)]  # an older version's result lacks what is new in it
    of_file = (Address(listing.address).real, listing.etag, listing.size, listing.modified)
    known = (str(home()), version("sluice-elt"), *of_file, parts)
    return f"sluice-fetch-{sha256(repr(known).encode()).hexdigest()}" if listing.etag or listing.modified else None


def _may_heal(_task: Any, _run: TaskRun, state: State) -> bool:
    return _is_passing(state.result(raise_on_failure=False))


def _is_passing(error: object) -> bool:
    return isinstance(error, SourceUnavailable) or (
        isinstance(error, ToolError) and isinstance(error.__context__, DATABASE_ERRORS)
    )


BACKOFF = 2.0  # s; doubled with each retry
heals: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=BACKOFF),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _may_heal,
}


def run(step_of: Task[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """A step of a batch: a task run; or, within that of a group, a plain call, tried again in the same cases."""
    if not IN_GROUP.get():
        return step_of(*arguments, **options)
    for retry in range(step_of.retries):
        try:
            return step_of.fn(*arguments, **options)
        except ToolError as error:
            if not _is_passing(error):
                raise
            time.sleep(BACKOFF * 2**retry * random.uniform(0.5, 1.5))
    return step_of.fn(*arguments, **options)


@task(name="look", task_run_name="look at {address}", cache_policy=NO_CACHE, **heals)
def look(address: str) -> Listing:
    """What is known of a file without reading it."""
    return source_file.look(address)


@task(
    name="fetch",
    task_run_name="fetch {listing.address}",
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

        return source_file.fetch(listing, home() / "downloads", progress)


@task(name="call", task_run_name="call {listing.address}", cache_policy=NO_CACHE, **heals)
def call(dataset_id: str, listing: Listing, batch: str) -> SourceFile:
    """Call the contract's function, and keep the rows that it gives in a file."""
    with step(f"call {listing.address}") as shown:
        file = spool.call(contract_for(dataset_id), listing, batch, home() / "downloads")
        shown.advance(0, file.size)
    return file


@task(name="load", task_run_name="load {batch}", cache_policy=NO_CACHE, **heals)
def load_batch(batch: Batch, file: SourceFile) -> Batch:
    """Load every row of the file into the batch's incoming table."""
    contract = contract_for(batch.dataset_id)
    if file.format == "table":
        with step(f"load {batch}") as shown:
            loaded = source_table.load(open_warehouse(), contract, batch)
            shown.advance(loaded.rows, 0)
        return loaded
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
    if not IN_GROUP.get():
        keep_audit(batch, report)
    return report


@task(name="gate", task_run_name="gate {batch}", cache_policy=NO_CACHE)
def decide_batch(batch: Batch, report: AuditReport) -> Decision:
    """Open the gate, or close it and say why."""
    contract = contract_for(batch.dataset_id)
    with transaction(open_warehouse().engine, f"{batch}: what is known of it cannot be looked up") as connection:
        known = loads.known(connection, contract, batch)
    decision = decide(contract.gate, report, known)
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
    """Hold the batch; readers keep what they had."""
    publish.hold(open_warehouse(), contract_for(batch.dataset_id), batch, report, decision)


@task(name="dbt build", task_run_name="dbt build", cache_policy=NO_CACHE)
def build_marts(run_id: str | None) -> build.Built:
    """Build and test the candidate side; every dbt node is a separate task run."""
    with step("dbt build") as shown:

        def progress(done: int, total: int, node: str) -> None:
            shown.say(f"{done}/{total} {node}", done, total)

        built = build.build(open_warehouse(), run_id, progress)
        left = f", {built.run.carried} of them unchanged" if built.run.carried else ""
        shown.say(f"{len(built.run.nodes)} nodes on {built.side}{left}")
    return built


@task(name="dbt source freshness", task_run_name="dbt source freshness", cache_policy=NO_CACHE)
def check_freshness(run_id: str | None) -> tuple[freshness.Stale, ...]:
    """The datasets whose newest row is too old."""
    with step("dbt source freshness") as shown:
        stale = freshness.stale(open_warehouse(), run_id)
        shown.say(f"{len(stale)} stale")
    return stale


@task(name="publish marts", task_run_name="publish marts", cache_policy=NO_CACHE)
def publish_marts(built: build.Built, run_id: str | None) -> None:
    """Point readers to the candidate, in one transaction."""
    with step("publish marts"):
        candidate.publish(open_warehouse(), built, run_id)


@task(name="load again", task_run_name="load {batch} again", cache_policy=NO_CACHE)
def load_again(batch: Batch) -> Batch:
    """Load the rows of an earlier load, accepted and rejected."""
    warehouse, contract = open_warehouse(), contract_for(batch.dataset_id)
    with step(f"load {batch} again") as shown:
        loaded = reload.load_again(warehouse, contract, batch, reload.replayed(warehouse, contract, batch.batch))
        shown.advance(loaded.rows, 0)
    return loaded
