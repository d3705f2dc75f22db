"""The flow that loads a range of batches, files fetched ahead, and builds the marts once at the end."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sluice import Summary, deliver_range, finish, flow, transform


@flow(name="backfill", flow_run_name="backfill {dataset} {first} to {last}")
def backfill(
    dataset: str,
    first: str,
    last: str,
    url: str | None = None,
    parallel: Annotated[int, Field(ge=1, description="Files to fetch at a time.")] = 2,
) -> Summary:
    """Load every batch from `first` to `last`, then build, test and publish the marts.

    Started again after it was killed, it continues: batches that are published and unchanged are skipped.
    """
    delivered = deliver_range(dataset, first, last, url, parallel)
    marts = transform()
    return finish(delivered, marts)
