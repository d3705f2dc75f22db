"""The flows that publish held or rejected rows: replay and release."""

from __future__ import annotations

import getpass

from prefect import flow
from prefect.runtime import flow_run

from flows import nightly
from sluice.contract.errors import ConfigError, DataError
from sluice.ledger import loads
from sluice.project.datasets import contract_for
from sluice.runs import lifecycle, prefect_records
from sluice.runs.outcomes import Outcome, Summary
from sluice.runs.plan import Delivery
from sluice.runs.prefect_records import wait_until_recorded
from sluice.runs.tasks import load_again
from sluice.staging import publish, reload
from sluice.warehouse.connection import open_warehouse, register_embedded
from sluice.warehouse.postgres import schema_evolution
from sluice.warehouse.warehouse import Batch

HOOKS = {
    "on_completion": [wait_until_recorded],
    "on_crashed": [lifecycle.crashed, wait_until_recorded],
    "on_failure": [lifecycle.crashed, wait_until_recorded],
}


@flow(name="replay", flow_run_name="replay {dataset} {batch}", log_prints=True, **HOOKS)  # type: ignore[call-overload]
def replay_batch(dataset: str, batch: str) -> Summary:
    """Load a batch again from its own rows and its quarantine, under the contract as it is now.

    Raises:
        SluiceError: at the end, if it was not published.
    """
    register_embedded()
    contract, warehouse = contract_for(dataset), open_warehouse()
    lifecycle.ensure_tables(warehouse)
    with lifecycle.at_work(warehouse, f"replay {dataset} {batch}", run_id=flow_run.get_id()):
        with warehouse.lock(dataset):
            schema_evolution.verify(warehouse, contract)
            of = reload.replayed(warehouse, contract, batch)
            delivery = Delivery(contract, batch, of.address, asked=True)
            with warehouse.engine.begin() as connection:
                load = loads.begin_replay(connection, contract, of, flow_run.get_id())
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
    lifecycle.ensure_tables(warehouse)
    with lifecycle.at_work(warehouse, f"release {dataset} {batch}", run_id=flow_run.get_id()):
        with warehouse.lock(dataset):
            schema_evolution.verify(warehouse, contract)
            with warehouse.engine.connect() as connection:
                held = loads.latest(connection, dataset, batch, "held")
            if held is None:
                raise DataError(f"{dataset} {batch}: no load of it is held, so there is nothing to release")
            publish.release(warehouse, contract, Batch(dataset, batch, held.load_id), who or getpass.getuser(), why)
        counts = (held.rows_read, held.rows_accepted, held.rows_rejected)
        summary = _summary(Outcome(dataset, batch, "released", *counts, warnings=tuple(held.reasons)))
    summary.raise_worst()
    return summary


def _summary(outcome: Outcome) -> Summary:
    summary = nightly.browsable(Summary((outcome,), nightly.refresh_marts()))
    prefect_records.keep(summary)
    return summary
