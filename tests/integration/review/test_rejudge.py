"""The verdict on loaded rows by another contract is the one that a replay comes to; nothing of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sluice.contract.contract import Contract
from sluice.ledger import loads
from sluice.review import rejudge
from sluice.staging import audit, publish, reload
from sluice.warehouse.warehouse import Warehouse
from tests.integration.staging.test_replay import BAD
from tests.support import references, shops

Found = Callable[[Contract, Contract, str], Any]


@pytest.fixture
def judged(warehouse: Warehouse) -> Found:
    """A batch by two contracts."""

    def judge(old: Contract, new: Contract, batch: str) -> Any:
        with warehouse.engine.connect() as connection:
            found = {row.batch: row for row in rejudge.last_loads(connection, new.dataset_id, 3)}
        return rejudge.judge(warehouse, old, new, found[batch])

    return judge


def relations(warehouse: Warehouse) -> list[Any]:
    """Every table and view, temporary ones of any session too."""
    query = "select relname, relnamespace from pg_class where relkind in ('r', 'p', 'v') order by 1, 2"
    with warehouse.engine.connect() as connection:
        return list(connection.execute(sa.text(query)))


@pytest.mark.parametrize("max_rejected", [0.5, 0.0], ids=["published", "held"])
def test_the_counts_are_those_of_the_load_and_of_a_replay(
    warehouse: Warehouse, deliver: Any, judged: Found, tmp_path: Path, max_rejected: float
) -> None:
    old = shops.contract(max_rejected=max_rejected)
    path = shops.write(tmp_path / "o.csv", [*shops.good_lines(10), *BAD, *shops.good_lines(1)])
    loaded = deliver(old, "2021-01", path)
    before = relations(warehouse)
    new = shops.contract(shops.LenientOrders, max_rejected=max_rejected)

    found = judged(old, new, "2021-01")

    assert relations(warehouse) == before
    of_load = {result.name: result.failing for result in loaded.report.checks}
    assert (found.before.rejected, found.before.failing) == (loaded.report.rejected, of_load)
    assert bool(found.before.reasons) is not loaded.decision.open
    with warehouse.engine.begin() as connection:
        of = loads.latest(connection, new.dataset_id, "2021-01", "published", "held")
        batch = loads.begin_replay(connection, new, of, None)  # type: ignore[arg-type]
    batch = reload.load_again(warehouse, new, batch, of)  # type: ignore[arg-type]
    replayed = audit.audit(warehouse, new, batch)
    assert found.now.rejected == replayed.rejected != found.before.rejected
    assert found.now.failing == {result.name: result.failing for result in replayed.checks}
    publish.fail(warehouse, new, batch, "a test")


def test_keys_are_looked_up_in_what_is_published(deliver: Any, judged: Found, tmp_path: Path) -> None:
    once = references.orders_once(max_rejected=1)
    other = references.orders(max_rejected=1)
    deliver(references.customers(), "2024-01", references.write_customers(tmp_path / "c.csv", 1, 2))
    for batch in ("2024-01", "2024-02"):  # both have the orders 1 to 3
        deliver(references.orders(max_rejected=1), batch, references.write_orders(tmp_path / "o.csv", 1, 2, 9))
    found = judged(other, once, "2024-02")
    assert (found.before.rejected, found.now.rejected) == (1, 2)
    assert {str(check) for check in found.checks} == {
        "customer_id references shop__customers.customer_id: 1 failing before, no such check now",
        "order_id unique in shop__orders: no such check before, 2 failing now",
    }


def test_a_load_whose_rows_are_not_all_there_is_not_judged(
    warehouse: Warehouse, deliver: Any, judged: Found, tmp_path: Path
) -> None:
    old, new = shops.contract(), shops.contract(shops.LenientOrders)
    loaded = deliver(old, "2021-01", shops.write(tmp_path / "o.csv", [*shops.good_lines(10), *BAD]))
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("delete from quarantine.shop__orders where _row_number = 12"))
    found = judged(old, new, "2021-01")
    assert (found.before, found.now) == (None, None)
    assert found.not_judged == (f"load {loaded.batch.load_id} read 14 rows, of which 13 are left",)
