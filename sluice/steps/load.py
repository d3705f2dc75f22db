"""Rows that the caller has, loaded as a batch: from a notebook, or as a step of a flow."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from sluice.contract.contract import Contract
from sluice.project.datasets import contract_for
from sluice.project.paths import home
from sluice.runs import new_files
from sluice.runs.outcomes import Outcome, Summary
from sluice.runs.plan import Delivery
from sluice.source.files import Listing, SourceFile
from sluice.source.python import spool
from sluice.steps.decorator import flow
from sluice.steps.deliver import deliver_dataset
from sluice.steps.finish import finish
from sluice.steps.run import CURRENT, current
from sluice.steps.transform import transform


def load(contract: Contract | str, batch: str, data: Any) -> Outcome:
    """Load rows as a batch: audited, and published if they pass the gate, like a file.

    In a flow it is a step, and what became of the batch is returned, also if it was not published. Elsewhere, as in a
    notebook, it is a whole run, which builds the marts too.

    Args:
        contract: of a dataset of the project, or its id.
        data: a pyarrow table or a frame of pandas; or an iterable of these or of dicts.

    Raises:
        ConfigError: the dataset is not one of the project, or has no such batch.
        RunFailed: outside of a flow, if the batch or the marts were not published.
    """
    known = contract_for(str(contract))
    known.files.batches.validate(batch)
    if CURRENT.get() is not None:
        return _deliver(known, batch, data)
    found: list[Outcome] = []

    @flow(name="load", flow_run_name=f"load {known} {batch}")
    def once() -> Summary:
        found.append(_deliver(known, batch, data))
        return finish(found, transform())

    once()
    return found[0]


def _deliver(contract: Contract, batch: str, data: Any) -> Outcome:
    run = current()
    run.begin()
    address = spool.address_of(contract, batch)

    def bring(delivery: Delivery) -> SourceFile | None:
        file = spool.keep(contract, Listing(address, None, None, None), data, home() / "downloads")
        return None if new_files.unchanged(delivery, file) else file

    [outcome] = deliver_dataset([Delivery(contract, batch, address, asked=True)], lambda _: nullcontext(bring))
    run.delivered.append(outcome)
    return outcome
