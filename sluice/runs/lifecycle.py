"""A run from start to end: tables made, run recorded, lost runs found, old rows expired, crashes reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from sluice.alerts import incidents, outbox, rules
from sluice.alerts.incidents import Cause
from sluice.alerts.messages import Facts
from sluice.contract.contract import Contract
from sluice.contract.errors import BusyError, ConfigError, SluiceError
from sluice.ledger import loads, schema
from sluice.ledger.tables import batches, runs
from sluice.project.datasets import contracts
from sluice.project.paths import home
from sluice.runs.outcomes import Outcome, RunFailed
from sluice.runs.plan import Delivery, seen_whole, was_listed
from sluice.source import download_cache
from sluice.source.files import SourceMissing
from sluice.staging import quarantine, separate
from sluice.warehouse.connection import open_warehouse
from sluice.warehouse.engine import Capability
from sluice.warehouse.postgres import locks
from sluice.warehouse.postgres.session import DATABASE_ERRORS
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.spark.connection import choice
from sluice.warehouse.warehouse import Warehouse

UNENDED = sa.select(runs).where(runs.c.ended_at.is_(None)).order_by(runs.c.began_at)

JUDGED = ("published", "held", "failed")  # a verdict, of which the owner was notified where there was a reason
_known: ContextVar[int | None] = ContextVar("number of the newest load before a dataset was taken", default=None)


@contextmanager
def running(warehouse: Warehouse, name: str, *, nightly: bool = False, run_id: str | None = None) -> Iterator[None]:
    """Record the block's work as a run, and deliver the messages that it writes.

    A run that finishes, with any result of its batches, closes the incident of a run that did not.
    """
    with outbox.delivering(warehouse):
        look_for_lost(warehouse)
        this = str(uuid4())
        with warehouse.lock(f"run {this}"):
            row = {"id": this, "run_id": run_id, "name": name, "nightly": nightly, "began_at": warehouse.now()}
            with transaction(warehouse.engine, "the run could not be recorded") as connection:
                connection.execute(runs.insert().values(**row))
            try:
                yield
            except BaseException as error:  # what it means is the hook's to report: `crashed`
                with suppress(*DATABASE_ERRORS), warehouse.engine.begin() as connection:
                    _end(connection, this, type(error).__name__, warehouse.now())
                raise
            with transaction(warehouse.engine, "the run is done, but its end could not be recorded", "") as connection:
                _end(connection, this, "finished", warehouse.now())
                subjects = [rules.RUN, rules.NIGHT] if nightly else [rules.RUN]
                incidents.over(connection, subjects, Facts([f"the run {name} finished"]), warehouse.now())


def look_for_lost(warehouse: Warehouse) -> None:
    """Find runs that were killed, alert the owners, and end their flow runs, which Prefect would show as running."""
    lost: list[str] = []
    with transaction(warehouse.engine, "earlier runs could not be looked up") as connection:
        for row in connection.execute(UNENDED).all():
            if _is_lost(connection, row):
                _end(connection, row.id, "lost", warehouse.now())
                lost += [row.run_id] if row.run_id else []
                since = f"{row.began_at:%Y-%m-%d %H:%M} UTC"
                how = "stopped without reporting a result (killed, or disconnected from the database)"
                reason = f"run {row.name}, started {since}, {how}"
                _crashed(reason, connection, warehouse.now())
    for run_id in lost:
        from sluice.runs import prefect_records  # imports Prefect, 2 s

        prefect_records.end_lost(run_id)


def under_way(connection: sa.Connection) -> list[sa.Row]:
    """Runs in progress, the oldest first."""
    return [row for row in connection.execute(UNENDED).all() if not _is_lost(connection, row)]


def _is_lost(connection: sa.Connection, row: sa.Row) -> bool:
    return locks.is_free(connection, f"run {row.id}")


@contextmanager
def taken(first: Delivery) -> Iterator[None]:
    """Hold a dataset for the block, which looks at its deliveries: `first` and those after it.

    Raises:
        BusyError: another run holds it.
        ToolError: the database failed, or its tables are not the contract's.
    """
    warehouse, contract = open_warehouse(), first.contract
    with transaction(warehouse.engine, f"{contract}: earlier loads could not be looked up") as connection:
        _known.set(connection.scalar(sa.select(sa.func.coalesce(sa.func.max(batches.c.load_id), 0))))
    with warehouse.lock(contract.dataset_id):
        with transaction(warehouse.engine, f"{contract}: an earlier run's sessions could not be ended") as connection:
            loads.take_over(connection, contract.dataset_id)
        separate.settle(warehouse, contract)
        warehouse.data.verify_tables(warehouse.engine, contract)
        if seen_whole(first):
            listed(contract)
        yield


def unchanged(delivery: Delivery) -> Outcome:
    """Readers have what the source has: the batch's incident is resolved."""
    _fine(delivery, "readers have the current file of the source")
    return Outcome.unchanged(delivery)


def all_unchanged(deliveries: Sequence[Delivery]) -> list[Outcome]:
    """The same for many batches of one dataset: only those with an open incident are looked at one by one."""
    if not deliveries:
        return []
    with transaction(open_warehouse().engine, "open incidents could not be looked up") as connection:
        open_of = {row.batch for row in incidents.open_now(connection) if row.dataset == str(deliveries[0].contract)}
    return [unchanged(each) if each.batch in open_of else Outcome.unchanged(each) for each in deliveries]


def undelivered(delivery: Delivery, error: SluiceError) -> Outcome:
    """A delivery without a load: not delivered yet (not an error), or broken (reported to its owner).

    What a list of its folder named is delivered: that it is gone, refused or a link to nothing is an error.
    """
    if isinstance(error, SourceMissing) and not delivery.asked and not was_listed(delivery):
        _fine(delivery, "its source responds again, the batch has not been delivered yet", "batch_failed")
        return Outcome.not_delivered(delivery)

    def tell(connection: sa.Connection, now: datetime) -> None:
        if not _overtaken(connection, delivery):
            rules.broken(connection, delivery.contract, delivery.batch, error, now)

    if not rules.write(_warehouse(), tell):
        reason = error.reason(delivery.contract.dataset_id, delivery.batch)
        facts = Facts([f"{delivery}: {reason}"], readers_see="what they had", next_command="sluice doctor")
        rules.notify_directly("batch_failed", facts)
    return Outcome.broken(delivery, error)


def _overtaken(connection: sa.Connection, delivery: Delivery) -> bool:
    """Whether a later run has judged the batch since this one took the dataset: it answers for the batch now."""
    known = _known.get()
    if known is None:
        return False
    last = loads.latest(connection, delivery.contract.dataset_id, delivery.batch, *JUDGED)
    return last is not None and last.load_id > known


def crashed(flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ARG001 - the names are Prefect's
    """Prefect's hook for a run that ended without a verdict: killed, cancelled, a bug, or it could not begin at all.

    A run that went through has reported its problems, and a person who started one sees why it cannot start.
    """
    error = state.result(raise_on_failure=False)
    if _seen(error, flow_run) or isinstance(error, RunFailed | BusyError):
        return
    kind, why = "run_crashed", state.message or "no reason given"
    if isinstance(error, SluiceError):
        kind, why = "run_failed", str(error)
    report_crash(f"run {flow_run.name} ended as {state.name}: {why}", kind)


def report_crash(reason: str, kind: str = "run_crashed") -> None:
    """Alert the owners to a run without a verdict; directly, where the warehouse does not take it."""
    warehouse = _warehouse()
    if rules.write(warehouse, partial(_crashed, reason, kind=kind)) and warehouse is not None:
        with outbox.delivering(warehouse):
            return
    rules.notify_directly(kind, _facts_of_crash(reason))


def _seen(error: object, flow_run: Any) -> bool:
    """Whether who started the run sees why it cannot begin: at a terminal, or with parameters given in a form.

    Without parameters a run counts as nightly, also if another scheduler started it.
    """
    if flow_run.deployment_id is None:
        return isinstance(error, SluiceError)
    given = any(value is not None for value in flow_run.parameters.values())
    return isinstance(error, ConfigError) and given and not flow_run.auto_scheduled


def _crashed(reason: str, connection: sa.Connection, now: datetime, kind: str = "run_crashed") -> None:
    cause = Cause(kind, rules.RUN)
    incidents.saw(connection, cause, _facts_of_crash(reason), rules.everyone(), now)


def _facts_of_crash(reason: str) -> Facts:
    return Facts([reason], readers_see="what it had published; everything else as before", next_command="sluice doctor")


def listed(contract: Contract) -> None:
    """The folder or table of a dataset was looked at whole: what was wrong with it is over."""
    how = "its folder or table can be looked at whole again"
    _fine(Delivery(contract, "", "", False), how, "batch_failed", "batch_refused")


def _fine(delivery: Delivery, how: str, *kinds: str) -> None:
    def tell(connection: sa.Connection, now: datetime) -> None:
        rules.fine(connection, delivery.contract, delivery.batch, how, now, *kinds)

    rules.write(_warehouse(), tell)


def _warehouse() -> Warehouse | None:
    try:
        return open_warehouse()
    except SluiceError:
        return None


def _end(connection: sa.Connection, this: str, how: str, now: datetime) -> None:
    connection.execute(runs.update().where(runs.c.id == this).values(ended_at=now, ended_as=how))


def ensure_tables(warehouse: Warehouse) -> None:
    """Make the ledger, and every dataset's tables: dbt's sources must be there before the first batch is.

    Raises:
        ConfigError: the project's engine cannot load.
    """
    choice.need(Capability.RUN)
    with transaction(warehouse.engine, "the ledger's tables could not be made") as connection:
        schema.create(connection)
    for contract in contracts().values():
        warehouse.data.make_tables(warehouse.engine, contract)


def expire(warehouse: Warehouse) -> None:
    """Drop what contracts say is too old to keep, and downloads that nothing needs any more."""
    download_cache.expire(home() / "downloads")
    for contract in contracts().values():
        quarantine.expire(warehouse, contract)
