"""The flows that bring held or rejected rows to their readers: replay and release. Then the marts follow."""

from __future__ import annotations

import getpass

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from contracts.errors import ConfigError, DataError
from contracts.registry import contract_for
from flows import artifacts, ledger, nightly, parents, plan, publish, replay, runs
from flows.ledger import Batch
from flows.plan import Delivery
from flows.progress import step
from flows.recorded import wait_until_recorded
from flows.report import Outcome, Summary
from flows.warehouse import open_warehouse, register_embedded

HOOKS = {
    "on_completion": [wait_until_recorded],
    "on_crashed": [runs.crashed, wait_until_recorded],
    "on_failure": [runs.crashed, wait_until_recorded],
}


@flow(name="replay", flow_run_name="replay {dataset} {batch}", log_prints=True, **HOOKS)  # type: ignore[call-overload]
def replay_batch(dataset: str, batch: str) -> Summary:
    """Load a batch again from its own rows and its quarantine, under the contract as it is now.

    Raises:
        SluiceError: at the end, if it was not published.
    """
    register_embedded()
    contract, warehouse = contract_for(dataset), open_warehouse()
    plan.ensure_tables(warehouse)
    with runs.at_work(warehouse, f"replay {dataset} {batch}", run_id=flow_run.get_id()):
        with warehouse.lock(dataset):
            parents.verify(warehouse, contract)
            of = replay.replayed(warehouse, contract, batch)
            delivery = Delivery(contract, batch, of.address, asked=True)
            with warehouse.engine.begin() as connection:
                load = ledger.begin_replay(connection, contract, of, flow_run.get_id())
            outcome = nightly.judge(delivery, load, lambda: load_again(load))
        summary = _summary(outcome)
    summary.raise_worst()
    return summary


@flow(name="release", flow_run_name="release {dataset} {batch}", log_prints=True, **HOOKS)  # type: ignore[call-overload]
def release_batch(dataset: str, batch: str, why: str, who: str | None = None) -> Summary:
    """Publish a held batch although its gate is closed. Who said so, and why, stays in the ledger.

    Raises:
        SluiceError: it is not held, or nobody said why.
    """
    register_embedded()
    contract, warehouse = contract_for(dataset), open_warehouse()
    if not why.strip():
        raise ConfigError("say why the batch may be published although its gate is closed: --why '...'")
    contract.files.batches.validate(batch)
    plan.ensure_tables(warehouse)
    with runs.at_work(warehouse, f"release {dataset} {batch}", run_id=flow_run.get_id()):
        with warehouse.lock(dataset):
            parents.verify(warehouse, contract)
            with warehouse.engine.connect() as connection:
                held = ledger.latest(connection, dataset, batch, "held")
            if held is None:
                raise DataError(f"{dataset} {batch}: no load of it is held, so there is nothing to release")
            publish.release(warehouse, contract, Batch(dataset, batch, held.load_id), who or getpass.getuser(), why)
        counts = (held.rows_read, held.rows_accepted, held.rows_rejected)
        summary = _summary(Outcome(dataset, batch, "released", *counts, warnings=tuple(held.reasons)))
    summary.raise_worst()
    return summary


@task(name="load again", task_run_name="load {batch} again", cache_policy=NO_CACHE)
def load_again(batch: Batch) -> Batch:
    """Load the rows of an earlier load, accepted and rejected."""
    warehouse, contract = open_warehouse(), contract_for(batch.dataset_id)
    with step(f"load {batch} again") as shown:
        loaded = replay.load_again(warehouse, contract, batch, replay.replayed(warehouse, contract, batch.batch))
        shown.advance(loaded.rows, 0)
    return loaded


def _summary(outcome: Outcome) -> Summary:
    summary = nightly.browsable(Summary((outcome,), nightly.refresh_marts()))
    artifacts.keep(summary)
    return summary
