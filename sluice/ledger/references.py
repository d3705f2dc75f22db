"""Which loads of other datasets a load was judged by, and whether they are still the published ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from sluice.contract.errors import ToolError
from sluice.ledger import loads
from sluice.ledger.tables import batches, reference_counts, reference_loads
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres import locks

COMMA: sa.ColumnElement[str] = sa.literal_column("','")
UNPUBLISHED = ("held", "failed", "abandoned")  # of a batch's newest load: readers do not have it


class ReferencesChanged(ToolError):
    """What a batch was judged by is no longer what is published: it has to be audited again."""


class Loads(NamedTuple):
    """What distinguishes sets of published loads. Not the numbers: there may be thousands, with each load."""

    number: int
    digest: str


def published_loads(connection: sa.Connection, dataset_id: str) -> list[int]:
    """Numbers of a dataset's published loads, in order."""
    found = sa.select(batches.c.load_id).where(batches.c.dataset == dataset_id, batches.c.status == "published")
    return [int(load) for load in connection.scalars(found.order_by(batches.c.load_id))]


def state_now(connection: sa.Connection, dataset_id: str, but: str | None = None) -> Loads:
    """The published loads of a dataset, without those of one batch."""
    numbers = sa.func.string_agg(sa.cast(batches.c.load_id, sa.Text), aggregate_order_by(COMMA, batches.c.load_id))
    query = sa.select(sa.func.count(), sa.func.md5(sa.func.coalesce(numbers, "")))
    query = query.where(batches.c.dataset == dataset_id, batches.c.status == "published")
    query = query if but is None else query.where(batches.c.batch != but)
    return Loads(*connection.execute(query).one())


def note(connection: sa.Connection, batch: Batch, datasets: Iterable[str]) -> None:
    """Keep with the load which loads of these datasets are published now. Call it before the keys are looked up: what
    is published meanwhile is found by `verify`."""
    kept = reference_loads
    of_batch = sa.select(batches.c.load_id).where(
        batches.c.dataset == batch.dataset_id, batches.c.batch == batch.batch, batches.c.status == "superseded"
    )
    old = (kept.c.load_id == batch.load_id) | kept.c.load_id.in_(of_batch)
    connection.execute(kept.delete().where(old))
    for name in datasets:
        number, digest = _judged_by(connection, batch, name)
        row = {"load_id": batch.load_id, "dataset": name, "count": number, "digest": digest}
        connection.execute(kept.insert().values(**row))


def verify(connection: sa.Connection, batch: Batch) -> None:
    """Let nothing of these datasets be published or withdrawn until the transaction ends, and compare.

    Raises:
        ReferencesChanged: other loads are published than those that the load was judged by.
    """
    if names := changed(connection, batch):
        raise ReferencesChanged(
            f"{batch}: other loads of {' and '.join(names)} are published than those it was audited against. "
            "Nothing was published; run again"
        )


def changed(connection: sa.Connection, batch: Batch) -> list[str]:
    """The datasets of which other loads are published than those that the load was judged by; as `verify`, it lets
    nothing of them be published meanwhile."""
    columns = (reference_loads.c.dataset, reference_loads.c["count"], reference_loads.c.digest)
    query = sa.select(*columns).where(reference_loads.c.load_id == batch.load_id).order_by(reference_loads.c.dataset)
    kept = {name: Loads(*then) for name, *then in connection.execute(query)}
    for name in kept:
        if name != batch.dataset_id:  # its own lock is this transaction's
            locks.share(connection, _lock(connection, name))
    return [name for name, then in kept.items() if _judged_by(connection, batch, name) != then]


def announce(connection: sa.Connection, dataset_id: str) -> None:
    """Wait for publications of datasets that reference this one; none begins until the transaction ends."""
    locks.until_commit(connection, _publication(dataset_id))


def count_again(connection: sa.Connection, dataset_id: str) -> None:
    """Have the dataset's rows whose keys are gone counted again: one was published that was audited long ago."""
    connection.execute(reference_counts.delete().where(reference_counts.c.dataset == dataset_id))


def state_of(connection: sa.Connection, dataset_id: str, batch: Batch) -> str:
    """What a reader should know of a referenced dataset, if not all of it is published; else empty."""
    if dataset_id == batch.dataset_id:
        return ""
    there = loads.readers_have(connection, dataset_id)
    if not there:
        return f"nothing of {dataset_id} is published"
    missing = [row for row in connection.execute(loads.newest(dataset_id)) if row.status in UNPUBLISHED]
    if missing:
        names = ", ".join(f"{row.batch} ({row.status})" for row in missing[:3])
        more = f" and {len(missing) - 3} more" if missing[3:] else ""
        return f"of {dataset_id}, what is published counts, not the newest load of {names}{more}"
    if len(max(there)) == len(batch.batch) and max(there) < batch.batch:
        return f"{dataset_id} is published up to {max(there)}"
    return ""


def _judged_by(connection: sa.Connection, batch: Batch, dataset_id: str) -> Loads:
    return state_now(connection, dataset_id, batch.batch if dataset_id == batch.dataset_id else None)


def _publication(dataset_id: str) -> str:
    return f"publication of {dataset_id}"


def _lock(connection: sa.Connection, dataset_id: str) -> str:
    return locks.name_of(connection, _publication(dataset_id))
