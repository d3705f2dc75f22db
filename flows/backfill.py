"""The flow that loads a range of months: nightly's way for each batch, files fetched ahead, the marts once at the end.

Killed and started again it goes on where it was: what is published is nothing new.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from flows import nightly
from sluice.contract.batches import Monthly
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError
from sluice.project.datasets import contract_for
from sluice.runs import lifecycle, logs, new_files, plan, prefect_records
from sluice.runs.new_files import ahead
from sluice.runs.outcomes import Summary
from sluice.runs.prefect_records import wait_until_recorded
from sluice.warehouse.connection import open_warehouse, register_embedded


@flow(
    name="backfill",
    flow_run_name="backfill {dataset} {first} to {last}",
    log_prints=True,
    on_completion=[wait_until_recorded],
    on_crashed=[lifecycle.crashed, wait_until_recorded],
    on_failure=[lifecycle.crashed, wait_until_recorded],
)
def backfill(
    dataset: str,
    first: str,
    last: str,
    url: str | None = None,
    parallel: Annotated[int, Field(ge=1, description="Files on their way at a time.")] = 2,
) -> Summary:
    """Load every month from `first` to `last`, then build, test and publish the marts once.

    Raises:
        ConfigError: the dataset does not come in months, or the range is none.
        SluiceError: at the end, for the worst thing that happened; what could be published was.
    """
    logs.begin(flow_run.get_id())
    register_embedded()
    warehouse = open_warehouse()
    batches = months(contract_for(dataset), first, last, datetime.now(UTC).date())
    deliveries = plan.deliveries([dataset], batches, url)
    lifecycle.ensure_tables(warehouse)
    with lifecycle.at_work(warehouse, f"backfill {dataset} {first} to {last}", run_id=flow_run.get_id()):
        with ahead(deliveries, new_files.new_file, parallel) as bring:
            outcomes = nightly.deliver_dataset(deliveries, bring)
        summary = nightly.browsable(Summary(tuple(outcomes), nightly.refresh_marts()))
        prefect_records.keep(summary)
    summary.raise_worst()
    return summary


def months(contract: Contract, first: str, last: str, today: date) -> list[str]:
    """The batches of a range, both ends in it.

    Raises:
        ConfigError: the dataset does not come in months, an end is no month of it or has not begun, or the order is
            wrong.
    """
    batches = contract.files.batches
    if not isinstance(batches, Monthly):
        raise ConfigError(f"{contract} does not come in months, so it has no range. Load it: sluice run {contract}")
    for month in (first, last):
        batches.validate(month)
    if first > last:
        raise ConfigError(f"--from {first} lies after --to {last}: name the older month first")
    if last > f"{today:%Y-%m}":
        raise ConfigError(f"--to {last} has not begun yet")
    start, end = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (first, last))
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(start, end + 1)]
