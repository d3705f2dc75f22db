"""First steps of a correction: rows that were rejected or held are judged again, or published by manual override."""

from __future__ import annotations

from prefect.runtime import flow_run

from sluice.contract.errors import ConfigError, DataError
from sluice.ledger import loads
from sluice.project.datasets import contract_for
from sluice.runs.outcomes import Outcome, Verdict
from sluice.runs.plan import Delivery
from sluice.runs.tasks import load_again
from sluice.staging import publish, reload, separate
from sluice.steps.deliver import judge
from sluice.steps.run import current
from sluice.warehouse.batch import Batch
from sluice.warehouse.connection import open_warehouse
from sluice.warehouse.engine import Capability
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.spark.connection import choice
from sluice.warehouse.warehouse import person


def replay(dataset: str, batch: str) -> tuple[Outcome, ...]:
    """Load a batch again from its own rows and its quarantine, under the contract as it is now.

    Raises:
        DataError: the batch has no load to replay, or its rejected rows were dropped.
        BusyError: another run holds the dataset.
    """
    choice.need(Capability.QUARANTINE)
    run, contract = current(), contract_for(dataset)
    warehouse = run.begin()
    with warehouse.lock(dataset):
        separate.settle(warehouse, contract)
        warehouse.data.verify_tables(warehouse.engine, contract)
        of = reload.replayed(warehouse, contract, batch)
        delivery = Delivery(contract, batch, of.address, asked=True)
        with transaction(warehouse.engine, f"{delivery}: the replay could not be begun") as connection:
            load = loads.begin_replay(connection, contract, of, flow_run.get_id())
        outcome = judge(delivery, load, lambda: load_again(load))
    run.delivered.append(outcome)
    return (outcome,)


def release(dataset: str, batch: str, why: str, who: str | None = None) -> tuple[Outcome, ...]:
    """Publish a held batch although its gate is closed. Who decided so, and why, stays in the ledger.

    Args:
        who: the user of the operating system if not given.

    Raises:
        ConfigError: no reason was given.
        DataError: no load of the batch is held.
        BusyError: another run holds the dataset.
    """
    choice.need(Capability.QUARANTINE)
    run, contract = current(), contract_for(dataset)
    if not why.strip():
        raise ConfigError("say why the batch may be published although its gate is closed: --why '...'")
    contract.files.batches.validate(batch)
    warehouse = run.begin()
    with warehouse.lock(dataset):
        separate.settle(warehouse, contract)
        warehouse.data.verify_tables(warehouse.engine, contract)
        with transaction(warehouse.engine, f"{dataset} {batch}: the ledger cannot be read") as connection:
            held = loads.latest(connection, dataset, batch, "held")
        if held is None:
            raise DataError(f"{dataset} {batch}: no load of it is held, so there is nothing to release")
        load = Batch(dataset, batch, held.load_id)
        with run.events.load(open_warehouse, contract, load):
            publish.release(warehouse, contract, load, person(who), why)
    counts = (held.rows_read, held.rows_accepted, held.rows_rejected)
    outcome = Outcome(dataset, batch, Verdict.RELEASED, *counts, warnings=tuple(held.reasons))
    run.delivered.append(outcome)
    return (outcome,)
