"""Published rows whose key has left the dataset that they reference: counted after what was published there changed.

A batch is judged when it is loaded. Its parent may be replaced, withdrawn or rolled back later: then its rows stay, and
the owner is warned. Asked of the ledger, so nothing is counted while no load of a parent is gone.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sluice.alerts import incidents, rules
from sluice.contract.checks.names import references_of
from sluice.contract.columns import Reference
from sluice.contract.contract import Contract
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
    found: list[str] = []
    for contract in contracts().values():
        found += [said for each in references_of(contract) if (said := of_reference(warehouse, contract, each))]
    return tuple(found)


def of_reference(warehouse: Warehouse, contract: Contract, reference: Reference) -> str:
    """The same for one reference; empty if all is well."""
    what = f"{contract}: rows whose {reference.label} is no longer published could not be counted"
    with transaction(warehouse.engine, what) as connection:
        parent = references.published_loads(connection, reference.dataset)
        newest = max(references.published_loads(connection, contract.dataset_id), default=0)
        said = ""
        if _due(connection, contract, reference, set(parent)):
            lost = _lost(warehouse, connection, contract, reference)
            said = rules.keys_lost(connection, contract, reference, lost, warehouse.now())
        _keep(connection, contract, reference, parent, newest)
        return said


def _keep(connection: sa.Connection, contract: Contract, reference: Reference, parent: list[int], newest: int) -> None:
    """Write down up to where all is counted; what was published meanwhile is looked at by the next run."""
    known = _last(connection, contract, reference)
    if known is not None and (known.loads, known.newest) == (parent, newest):
        return
    facts = {"parent": reference.dataset, "loads": parent, "newest": newest}
    row = insert(reference_counts).values(dataset=contract.dataset_id, column_name=reference.label, **facts)
    key = [reference_counts.c.dataset, reference_counts.c.column_name]
    connection.execute(row.on_conflict_do_update(index_elements=key, set_=facts))


def _last(connection: sa.Connection, contract: Contract, reference: Reference) -> sa.Row | None:
    """Up to where all was counted, if it was of the dataset that is referenced now."""
    counted = reference_counts
    query = sa.select(counted).where(counted.c.dataset == contract.dataset_id, counted.c.column_name == reference.label)
    return connection.execute(query.where(counted.c.parent == reference.dataset)).one_or_none()


def _due(connection: sa.Connection, contract: Contract, reference: Reference, published: set[int]) -> bool:
    """Whether a load is gone since the last count, published rows were judged by other loads than are published now,
    or the last count found any."""
    known = _last(connection, contract, reference)
    subjects = {row.subject for row in incidents.open_now(connection)}
    if f"references {contract} {reference.label}" in subjects or (known is not None and set(known.loads) - published):
        return True
    now = references.state_now(connection, reference.dataset)
    since = (
        sa.select(sa.literal(1))
        .join_from(reference_loads, batches, batches.c.load_id == reference_loads.c.load_id)
        .where(
            batches.c.dataset == contract.dataset_id,
            batches.c.status == "published",
            batches.c.load_id > (known.newest if known is not None else 0),
            reference_loads.c.dataset == reference.dataset,
            sa.tuple_(reference_loads.c["count"], reference_loads.c.digest).is_distinct_from(sa.tuple_(*now)),
        )
        .limit(1)
    )
    return connection.scalar(since) is not None


def _lost(warehouse: Warehouse, connection: sa.Connection, contract: Contract, reference: Reference) -> dict[str, int]:
    """How many rows of each published batch have a key that is not published, beyond those it was published with."""
    found = warehouse.data.dangling_keys(connection, contract, reference)
    accepted = _published_with(connection, contract, reference)
    return {batch: rows - accepted.get(batch, 0) for batch, rows in found.items() if rows > accepted.get(batch, 0)}


def _published_with(connection: sa.Connection, contract: Contract, reference: Reference) -> dict[str, int]:
    """Where the check only warns: rows of each published batch that failed it when they were published."""
    if reference.severity != "warn":
        return {}
    query = (
        sa.select(batches.c.batch, checks.c.failing)
        .join(checks, checks.c.load_id == batches.c.load_id)
        .where(
            batches.c.dataset == contract.dataset_id,
            batches.c.status == "published",
            checks.c.check_name == reference.check_name,
        )
    )
    return {row[0]: row[1] for row in connection.execute(query)}
