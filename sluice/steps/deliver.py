"""The first step: what is new of each dataset is loaded, audited and published, in order, under the dataset's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import deployment, flow_run

from sluice.alerts import missed_nights
from sluice.contract.batches import Calendar
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError
from sluice.ledger.references import ReferencesChanged
from sluice.project.datasets import contract_for
from sluice.runs import lifecycle, logs, new_files, plan, tasks
from sluice.runs.new_files import Bring, Bringing
from sluice.runs.outcomes import EXPECTED, Outcome
from sluice.runs.plan import Delivery
from sluice.runs.prefect_records import keep_group
from sluice.runs.progress import IN_GROUP, step
from sluice.staging import publish
from sluice.steps.run import current, events
from sluice.warehouse.batch import Batch
from sluice.warehouse.connection import open_warehouse

# Small batches of a backlog share a task run, which costs more than a file of a hundred rows does.
LEAST = 10  # batches of one dataset in a run; of fewer, each has its own task runs and artifact
MOST = 100  # batches in one task run: a progress that can be watched, some 20 s each
SMALL = 1 << 20  # bytes of a file; a larger one takes longer than its task runs
SMALL_ROWS = 10_000  # of a batch of a table
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
    outcomes = deliver_dataset(deliveries, lambda new: new_files.ahead(new, new_files.new_file, parallel))
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


def deliver_dataset(deliveries: Sequence[Delivery], bringing: Bringing = new_files.one_by_one) -> list[Outcome]:
    """Every delivery of one dataset, one after the other, under the dataset's lock."""
    try:
        with lifecycle.taken(deliveries[0]):
            return _deliver_new(deliveries, bringing)
    except EXPECTED as error:
        return [lifecycle.undelivered(delivery, error) for delivery in deliveries]


def _deliver_new(deliveries: Sequence[Delivery], bringing: Bringing) -> list[Outcome]:
    """What readers have already is left alone; small batches of a backlog share task runs."""
    looked, same = new_files.sorted_out(deliveries)
    outcomes = {each.batch: each for each in lifecycle.all_unchanged([one for one in looked if one.batch in same])}
    new = [delivery for delivery in looked if delivery.batch not in same]
    with bringing(new) as bring:
        for group in _in_groups(new):
            outcomes |= _deliver_group(group, lambda delivery: _deliver_one(delivery, bring))
    return [outcomes[delivery.batch] for delivery in looked]


def _in_groups(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """The deliveries in groups, in their order: neighbours that are small; others alone."""
    grouped = sum(map(_is_small, deliveries)) >= LEAST
    group: list[Delivery] = []
    for delivery in deliveries:
        small = grouped and _is_small(delivery)
        if group and (not small or len(group) == MOST):
            yield group
            group = []
        if small:
            group.append(delivery)
        else:
            yield [delivery]
    if group:
        yield group


def _is_small(delivery: Delivery) -> bool:
    if delivery.problem is not None:
        return False
    if delivery.found is not None:
        return int(delivery.found.etag or 0) <= SMALL_ROWS
    if plan.is_of_function(delivery.address):  # how many rows it gives is not known before it is called
        return delivery.contract.files.batches.many
    return delivery.listing is not None and delivery.listing.size is not None and delivery.listing.size <= SMALL


def _deliver_group(group: Sequence[Delivery], deliver: Callable[[Delivery], Outcome]) -> dict[str, Outcome]:
    """What became of each batch of a group, by its name."""
    if len(group) == 1:
        return {group[0].batch: deliver(group[0])}
    outcomes: dict[str, Outcome] = {}
    what = f"{group[0].contract} {group[0].batch} to {group[-1].batch}"

    @task(name="load batches", task_run_name=f"load {what}", cache_policy=NO_CACHE)
    def one_task_run() -> int:
        within = IN_GROUP.set(True)
        try:
            for number, delivery in enumerate(group, start=1):
                outcomes[delivery.batch] = deliver(delivery)
                shown.say(f"{number} of {len(group)} batches", number, len(group))
        finally:
            IN_GROUP.reset(within)
        return len(outcomes)

    with step(f"load {what}") as shown:
        one_task_run()
    keep_group(what, list(outcomes.values()))
    return outcomes


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
        return judge(delivery, batch, lambda: tasks.run(tasks.load_batch, batch, file))


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
    audit = tasks.run(tasks.audit_batch, batch)
    decision = tasks.run(tasks.decide_batch, batch, audit)
    if not decision.open:
        tasks.run(tasks.hold_batch, batch, audit, decision)
        return Outcome.held(delivery, audit, decision, batch.blank_lines)
    try:
        tasks.run(tasks.publish_batch, batch, audit, decision)
    except ReferencesChanged:
        if audits == 1:
            raise
        return _verdict(delivery, batch, audits - 1)
    return Outcome.published(delivery, audit, decision, batch.blank_lines)
