"""The first step: what is new of each dataset is loaded, audited and published, in order, under the dataset's lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from prefect.runtime import deployment, flow_run

from sluice.alerts import missed_nights
from sluice.contract.batches import Calendar
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError
from sluice.ledger import loads
from sluice.ledger.references import ReferencesChanged
from sluice.project.datasets import contract_for
from sluice.runs import lifecycle, logs, new_files, plan, tasks
from sluice.runs.new_files import Bring
from sluice.runs.outcomes import EXPECTED, Outcome
from sluice.runs.plan import Delivery
from sluice.staging import publish
from sluice.steps.run import current, events
from sluice.warehouse.connection import open_warehouse
from sluice.warehouse.postgres import schema_evolution
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Batch

AUDITS = 3  # of one batch, where what it references is published again and again meanwhile


def deliver(
    datasets: Sequence[str] | None = None, batches: Sequence[str] | None = None, url: str | None = None
) -> tuple[Outcome, ...]:
    """Load what is new, audit it, and publish what passes its gate.

    Args:
        datasets: ids such as tlc__yellow_trips; all of the project's if none are given.
        batches: such as 2021-01; those that are due if none are given.
        url: path or address to load from instead of the contract's; {batch}, {dataset} and {entity} are filled in.

    Returns:
        What became of each batch, by dataset and in batch order.

    Raises:
        ConfigError: an unknown dataset or batch, or a template that does not fit. What fails later is an outcome.
    """
    run, deliveries = current(), plan.deliveries(datasets, batches, url)
    named = bool(datasets or batches or url)  # somebody asked for this; the age of all sources was not the question
    warehouse = run.begin(night=not named or bool(deployment.get_id()), freshness=not named)
    missed_nights.find(warehouse)
    outcomes = [outcome for group in plan.by_dataset(deliveries) for outcome in deliver_dataset(group)]
    lifecycle.expire(warehouse)
    run.delivered += outcomes
    return tuple(outcomes)


def deliver_range(
    dataset: str, first: str, last: str, url: str | None = None, parallel: int = 2
) -> tuple[Outcome, ...]:
    """Load every batch from `first` to `last`, both included; files are fetched ahead.

    Args:
        parallel: files that may be on their way at a time.

    Raises:
        ConfigError: the dataset has no calendar, or the range is not valid.
    """
    run = current()
    batches = batches_of_range(contract_for(dataset), first, last, datetime.now(UTC))
    deliveries = plan.deliveries([dataset], batches, url)
    run.begin()
    with new_files.ahead(deliveries, new_files.new_file, parallel) as bring:
        outcomes = deliver_dataset(deliveries, bring)
    run.delivered += outcomes
    return tuple(outcomes)


def batches_of_range(contract: Contract, first: str, last: str, now: datetime) -> tuple[str, ...]:
    """The batches of a range, both ends included.

    Raises:
        ConfigError: the dataset has no calendar, an end is not a batch of it or has not begun, or the order is wrong.
    """
    batches = contract.files.batches
    if not isinstance(batches, Calendar):
        raise ConfigError(
            f"{contract} has no batches of a calendar, so it has no range. Load it: sluice run {contract}"
        )
    for batch in (first, last):
        batches.validate(batch)
    if first > last:
        raise ConfigError(f"--from {first} lies after --to {last}: name the older {batches.noun} first")
    if batches.instants(last)[0] > now:
        raise ConfigError(f"--to {last} has not begun yet")
    return batches.between(first, last)


def deliver_dataset(deliveries: Sequence[Delivery], bring: Bring = new_files.new_file) -> list[Outcome]:
    """Every delivery of one dataset, one after the other, under the dataset's lock."""
    try:
        warehouse, contract = open_warehouse(), deliveries[0].contract
        with warehouse.lock(contract.dataset_id):
            with transaction(
                warehouse.engine, f"{contract}: an earlier run's sessions could not be ended"
            ) as connection:
                loads.take_over(connection, contract.dataset_id)
            schema_evolution.verify(warehouse, contract)
            if plan.seen_whole(deliveries[0]):
                lifecycle.listed(contract)
            return [_deliver_one(delivery, bring) for delivery in deliveries]
    except EXPECTED as error:
        return [lifecycle.undelivered(delivery, error) for delivery in deliveries]


def _deliver_one(delivery: Delivery, bring: Bring) -> Outcome:
    """One delivery: looked up, fetched if it is new, then judged."""
    with logs.about(delivery.contract.dataset_id, delivery.batch):
        try:
            file = bring(delivery)
            if file is None:
                return lifecycle.unchanged(delivery)
            batch = new_files.begin_load(delivery, file, flow_run.get_id())
        except EXPECTED as error:
            return lifecycle.undelivered(delivery, error)
        return judge(delivery, batch, lambda: tasks.load_batch(batch, file))


def judge(delivery: Delivery, batch: Batch, load: Callable[[], Batch]) -> Outcome:
    """A batch from its first row on: load, audit, gate; then publish or hold."""
    with events().load(open_warehouse, delivery.contract, batch):
        return _judge(delivery, batch, load)


def _judge(delivery: Delivery, batch: Batch, load: Callable[[], Batch]) -> Outcome:
    try:
        return _verdict(delivery, load())
    except EXPECTED as error:
        publish.fail(open_warehouse(), delivery.contract, batch, error)
        return Outcome.broken(delivery, error)
    except BaseException as error:  # stopped, or a bug: the ledger says so, and the run ends
        publish.fail(open_warehouse(), delivery.contract, batch, f"stopped: {type(error).__name__}")
        raise


def _verdict(delivery: Delivery, batch: Batch, audits: int = AUDITS) -> Outcome:
    """Audit and gate of a loaded batch, again where a dataset that it references was published meanwhile."""
    audit = tasks.audit_batch(batch)
    decision = tasks.decide_batch(batch, audit)
    if not decision.open:
        tasks.hold_batch(batch, audit, decision)
        return Outcome.held(delivery, audit, decision, batch.blank_lines)
    try:
        tasks.publish_batch(batch, audit, decision)
    except ReferencesChanged:
        if audits == 1:
            raise
        return _verdict(delivery, batch, audits - 1)
    return Outcome.published(delivery, audit, decision, batch.blank_lines)
