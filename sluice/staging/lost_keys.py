"""Published rows whose key has left the dataset that they reference: counted after what was published there changed.

A batch is judged when it is loaded. Its parent may be replaced, withdrawn or rolled back later: then its rows stay, and
the owner is warned. Asked of the ledger, so nothing is counted while no load of a parent is gone.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sluice.alerts import incidents, rules
from sluice.contract.checks.names import reference_check_name
from sluice.contract.columns import Column
from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import STAGING
from sluice.ledger import references
from sluice.ledger.tables import batches, checks, reference_counts, reference_loads
from sluice.project.datasets import contracts
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse


def count(warehouse: Warehouse) -> tuple[str, ...]:
    """Count them where that is due, and open or close the warnings.

    Returns:
        Each open warning, in one sentence.

    Raises:
        ToolError: the database failed; what was not counted is counted by the next run.
    """
    found = []
    for contract in contracts().values():
        for column in contract.columns:
            if column.references is not None and (said := of_column(warehouse, contract, column)):
                found.append(said)
    return tuple(found)


def of_column(warehouse: Warehouse, contract: Contract, column: Column) -> str:
    """The same for one referencing column; empty if all is well."""
    assert column.references is not None
    what = f"{contract}: rows whose {column.name} is no longer published could not be counted"
    with transaction(warehouse.engine, what) as connection:
        parent = references.published_loads(connection, column.references[0])
        newest = max(references.published_loads(connection, contract.dataset_id), default=0)
        said = ""
        if _due(connection, contract, column, set(parent)):
            lost = _lost(connection, contract, column)
            said = rules.keys_lost(connection, contract, column.name, lost, warehouse.now())
        _keep(connection, contract, column, parent, newest)
        return said


def _keep(connection: sa.Connection, contract: Contract, column: Column, parent: list[int], newest: int) -> None:
    """Write down up to where all is counted; what was published meanwhile is looked at by the next run."""
    assert column.references is not None
    known = _last(connection, contract, column)
    if known is not None and (known.loads, known.newest) == (parent, newest):
        return
    facts = {"parent": column.references[0], "loads": parent, "newest": newest}
    row = insert(reference_counts).values(dataset=contract.dataset_id, column_name=column.name, **facts)
    key = [reference_counts.c.dataset, reference_counts.c.column_name]
    connection.execute(row.on_conflict_do_update(index_elements=key, set_=facts))


def _last(connection: sa.Connection, contract: Contract, column: Column) -> sa.Row | None:
    """Up to where all was counted, if it was of the dataset that the column references now."""
    assert column.references is not None
    counted = reference_counts
    query = sa.select(counted).where(counted.c.dataset == contract.dataset_id, counted.c.column_name == column.name)
    return connection.execute(query.where(counted.c.parent == column.references[0])).one_or_none()


def _due(connection: sa.Connection, contract: Contract, column: Column, published: set[int]) -> bool:
    """Whether a load is gone since the last count, published rows were judged by other loads than are published now,
    or the last count found any."""
    assert column.references is not None
    known = _last(connection, contract, column)
    subjects = {row.subject for row in incidents.open_now(connection)}
    if f"references {contract} {column.name}" in subjects or (known is not None and set(known.loads) - published):
        return True
    now = references.state_now(connection, column.references[0])
    since = (
        sa.select(sa.literal(1))
        .join_from(reference_loads, batches, batches.c.load_id == reference_loads.c.load_id)
        .where(
            batches.c.dataset == contract.dataset_id,
            batches.c.status == "published",
            batches.c.load_id > (known.newest if known is not None else 0),
            reference_loads.c.dataset == column.references[0],
            sa.tuple_(reference_loads.c["count"], reference_loads.c.digest).is_distinct_from(sa.tuple_(*now)),
        )
        .limit(1)
    )
    return connection.scalar(since) is not None


def _lost(connection: sa.Connection, contract: Contract, column: Column) -> dict[str, int]:
    """How many rows of each published batch have a key that is not published, beyond those it was published with."""
    assert column.references is not None
    dataset, name = column.references
    rows = sa.table(contract.dataset_id, sa.column(column.name), sa.column("_batch"), schema=STAGING)
    keys = sa.table(dataset, sa.column(name), schema=STAGING)
    key = rows.c[column.name]
    there = sa.select(sa.literal(1)).select_from(keys).where(keys.c[name] == key)
    query = sa.select(rows.c._batch, sa.func.count()).where(key.is_not(None), ~there.exists())
    found = connection.execute(query.group_by(rows.c._batch).order_by(rows.c._batch)).tuples()
    accepted = _published_with(connection, contract, column)
    return {batch: rows - accepted.get(batch, 0) for batch, rows in found if rows > accepted.get(batch, 0)}


def _published_with(connection: sa.Connection, contract: Contract, column: Column) -> dict[str, int]:
    """Where the check only warns: rows of each published batch that failed it when they were published."""
    if column.severity != "warn":
        return {}
    query = (
        sa.select(batches.c.batch, checks.c.failing)
        .join(checks, checks.c.load_id == batches.c.load_id)
        .where(
            batches.c.dataset == contract.dataset_id,
            batches.c.status == "published",
            checks.c.check_name == reference_check_name(column),
        )
    )
    return {row[0]: row[1] for row in connection.execute(query)}
