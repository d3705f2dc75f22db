"""How old the newest rows of each source are, by `dbt source freshness` and the contracts' limits. Stops nothing.

Old data does not keep readers from what there is; its owner is alerted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from sluice.alerts import rules
from sluice.contract.batches import Calendar
from sluice.contract.contract import Contract
from sluice.contract.errors import ToolError
from sluice.ledger import builds, tables
from sluice.marts.dbt import run as dbt_run
from sluice.marts.dbt.results import age_in_words
from sluice.project.datasets import contract_for, contracts
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Stale:
    """A dataset whose newest row is older than its contract allows.

    Attributes:
        late: dbt's word: `warn` past warn_after, `error` past error_after.
        age: the newest row and its age, as one phrase.
    """

    dataset_id: str
    late: str
    age: str

    def __str__(self) -> str:
        limit = "warn_after" if self.late == "warn" else "error_after"
        return f"{self.dataset_id} is stale: {self.age}, past the contract's {limit}"


def stale(warehouse: Warehouse, run_id: str | None) -> tuple[Stale, ...]:
    """The datasets that are too old; keeps every source's result in `ops.dbt_results`.

    A dataset that was never loaded has no age. The caller holds the lock on dbt.

    Raises:
        ToolError: dbt could not ask, or skipped sources that have data: 1.12 may skip all, without an error (dbt-core
            issue 15634). No source is then reported as recovered.
    """
    if not any(contract.freshness for contract in contracts().values()):
        return ()  # dbt would warn that there is nothing to do
    with transaction(warehouse.engine, "the ledger cannot be read") as connection:
        now = builds.live(connection)
        side = str(now.side) if now else builds.candidate(connection)
        loads = tables.batches
        loaded = set(connection.scalars(sa.select(loads.c.dataset).where(loads.c.status == "published").distinct()))
    run = dbt_run.run_dbt(["source", "freshness"], dbt_run.on_side(warehouse, side))
    with transaction(warehouse.engine, "the age of the sources could not be recorded") as connection:
        dbt_run.keep(connection, side, run, run_id)
    found = [(node.name.split(".", 1)[1], node) for node in run.nodes]
    if skipped := sorted(name for name, node in found if node.status == "skipped" and name in loaded):
        raise ToolError(f"dbt skipped {', '.join(skipped)}; see {run.log}")
    late = [(name, node) for name, node in found if node.status in ("warn", "error")]
    stale = tuple(Stale(name, node.status, node.message) for name, node in late if name in loaded)
    tell(warehouse, stale)
    return stale


def by_ledger(warehouse: Warehouse) -> tuple[Stale, ...]:
    """The datasets that are too old, without dbt: the end of the newest published batch, as the derived
    `loaded_at_query` asks for it. The owners are alerted as by `stale`; `ops.dbt_results` gets nothing.

    Raises:
        ToolError: the database failed.
    """
    found = []
    with transaction(warehouse.engine, "the ledger cannot be read") as connection:
        for contract in contracts().values():
            if late := _late(connection, contract, warehouse.now()):
                found.append(late)
    tell(warehouse, found)
    return tuple(found)


def _late(connection: sa.Connection, contract: Contract, now: datetime) -> Stale | None:
    batches, bounds = contract.files.batches, contract.freshness
    if bounds is None or not isinstance(batches, Calendar):
        return None
    loads = tables.batches
    of_it = (loads.c.dataset == contract.dataset_id) & (loads.c.status == "published")
    names = connection.scalars(sa.select(loads.c.batch).where(of_it, loads.c.batch.op("~")(f"^{batches.form()}$")))
    newest = max(names, default=None)
    if newest is None:
        return None
    ended = batches.instants(newest)[1]
    age = now - ended
    if age <= bounds.warn_after:
        return None
    late = "error" if age > bounds.error_after else "warn"
    return Stale(contract.dataset_id, late, age_in_words(ended, age.total_seconds()))


def tell(warehouse: Warehouse, sources: Iterable[Stale]) -> None:
    """Alert the owners of sources past `error_after`, and report those that recovered. The run reports late ones."""
    too_old = [(contract_for(source.dataset_id), str(source)) for source in sources if source.late == "error"]
    with transaction(warehouse.engine, "the age of the sources could not be recorded") as connection:
        rules.ages(connection, too_old, warehouse.now())
