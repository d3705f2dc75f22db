"""Publishing in an engine whose commits are not the ledger's (docs/decisions/0051): said before, found out after.

The ledger says first that a load is being published. Only then may the lake publish it. So of a run that stopped in
between, the next one knows what to ask the lake about: what it published is recorded, and what it did not is loaded
again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

import sqlalchemy as sa

from sluice.alerts import rules
from sluice.contract.contract import Contract
from sluice.contract.errors import SluiceError, ToolError
from sluice.ledger import loads, references
from sluice.ledger.tables import batches
from sluice.warehouse.batch import Batch
from sluice.warehouse.engine import SeparateEngine
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse


def engine_of(warehouse: Warehouse) -> SeparateEngine | None:
    """What holds the rows, if its commits are not the ledger's."""
    return None if warehouse.data.commits_with_ledger else cast(SeparateEngine, warehouse.data)


@contextmanager
def publishing(warehouse: Warehouse, contract: Contract, batch: Batch, expected: str, **facts: Any) -> Iterator[None]:
    """Say in the ledger that the load is being published, for the block, which publishes it and records that.

    Args:
        expected: status of the load.
        facts: of its row in the ledger, should a later run have to record that it was published.
    """
    data = engine_of(warehouse)
    if data is None:
        yield
        return
    what = f"{batch}: publishing failed"
    with transaction(warehouse.engine, what, "Readers keep the data they had.") as connection:
        if loads.status(connection, batch) != "published":
            loads.fence(connection, batch, expected)
            loads.note(connection, batch, publishing_at=sa.func.clock_timestamp(), **facts)
    try:
        yield
    except SluiceError:
        with suppress(SluiceError), transaction(warehouse.engine, what) as connection:
            loads.fence(connection, batch, expected)
            if not data.is_published(connection, contract, batch):
                _take_back(connection, batch)
        raise
    clean(warehouse, contract)


def clean(warehouse: Warehouse, contract: Contract) -> None:
    """Drop what loads have left that are not in progress, held or published. What cannot be now is dropped later."""
    data = engine_of(warehouse)
    if data is None:
        return
    with suppress(ToolError):
        with transaction(warehouse.engine, f"{contract}: its loads cannot be looked up") as connection:
            kept = _with_rows(connection, contract)
        data.clean(warehouse.engine, contract, kept)


def settle(warehouse: Warehouse, contract: Contract) -> None:
    """Find out what became of publishes whose run is gone, and record it. The caller holds the dataset's lock.

    Raises:
        ToolError: the lake or the ledger does not answer, or a session of that run did not end.
    """
    if engine_of(warehouse) is None:
        return
    what = f"{contract}: what became of an interrupted publish cannot be found out"
    with transaction(warehouse.engine, what) as connection:
        loads.take_over(connection, contract.dataset_id)
        for row in _begun(connection, contract):
            batch = Batch(row.dataset, row.batch, row.load_id, row.rows_read or 0)
            if not settled(warehouse, connection, contract, batch):
                _take_back(connection, batch)
        loads.abandon(connection, contract.dataset_id)
    clean(warehouse, contract)


def settled(warehouse: Warehouse, connection: sa.Connection, contract: Contract, batch: Batch) -> bool:
    """Whether the lake has published the load; if so, that is recorded."""
    data = engine_of(warehouse)
    if data is None or not any(row.load_id == batch.load_id for row in _begun(connection, contract)):
        return False
    if not data.is_published(connection, contract, batch):
        return False
    references.announce(connection, batch.dataset_id)
    references.count_again(connection, batch.dataset_id)
    loads.supersede(connection, batch, "published", "held")
    loads.note(connection, batch, status="published", finished_at=sa.func.clock_timestamp())
    rules.fine(
        connection,
        contract,
        batch.batch,
        "published, by a run that stopped before it could record that",
        warehouse.now(),
    )
    return True


def _take_back(connection: sa.Connection, batch: Batch) -> None:
    """The load is not being published any more."""
    loads.note(connection, batch, publishing_at=None, released_by=None, released_why=None)


def _begun(connection: sa.Connection, contract: Contract) -> Sequence[sa.Row]:
    """The loads whose publish in the lake began, and of which the ledger has not learned what became."""
    begun = batches.c.publishing_at.is_not(None) & batches.c.status.in_(("started", "held"))
    query = sa.select(batches).where(batches.c.dataset == contract.dataset_id, begun).order_by(batches.c.load_id)
    return connection.execute(query.with_for_update()).all()


def _with_rows(connection: sa.Connection, contract: Contract) -> dict[int, str]:
    """By number, the status of each load that has rows somewhere."""
    query = sa.select(batches.c.load_id, batches.c.status).where(
        batches.c.dataset == contract.dataset_id, batches.c.status.in_(("started", "held", "published"))
    )
    return dict(connection.execute(query).tuples().all())
