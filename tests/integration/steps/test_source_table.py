"""A table that another tool fills, in runs of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

CONTRACT = """
from __future__ import annotations
import pandera.pandas as pa
from sluice import Contract, Gate, Int, Monthly, Table, column


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number of the order.", unique=True, ge=1)
    month: Int = column("Of the order.")


CONTRACT = Contract("shop", "orders", "me@example.com", Orders,
                    Table("raw.orders", Monthly("2024-01"), batch="'2024-0' || month", key="order_id"))
"""
FLOW = """
from __future__ import annotations
from sluice import Summary, deliver, finish, flow


@flow(name="nightly")
def nightly(datasets: list[str] | None = None, batches: list[str] | None = None, url: str | None = None) -> Summary:
    return finish(deliver(datasets, batches, url))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    for folder in ("contracts", "flows"):
        (root / folder).mkdir(parents=True)
    (root / "sluice.toml").write_text('[project]\nid = "table"\n')
    (root / "flows/nightly.py").write_text(FLOW)
    (root / "contracts/orders.py").write_text(CONTRACT)
    monkeypatch.setenv("SLUICE_PROJECT", str(root))
    monkeypatch.chdir(root)
    return root


@pytest.mark.long
def test_a_table_is_a_source_like_a_folder_of_files(sluice, engine: sa.Engine, project: Path) -> None:
    def raw(*statements: str) -> None:
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    def shown(query: str) -> list[tuple[object, ...]]:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    raw("create schema raw", "create table raw.orders (order_id int, month int)")
    early = sluice("run")
    assert (early.code, "not delivered" in early.out) == (0, True), early.err
    foreseen = sluice("plan", "--json")
    assert (foreseen.code, foreseen.out.count('"not_delivered"')) == (0, 1), foreseen.out

    raw("insert into raw.orders values (1, 1), (2, 1), (3, 2), (-1, 3)")
    said = sluice("run")
    assert said.code == 2  # 2024-03 is held, the others are published
    assert "shop__orders 2024-03: gate closed" in said.err
    assert shown("select _batch, order_id from staging.shop__orders order by 2") == [
        ("2024-01", 1),
        ("2024-01", 2),
        ("2024-02", 3),
    ]

    raw("update raw.orders set order_id = 4 where order_id = -1", "delete from raw.orders where order_id = 1")
    planned = sluice("plan", "--json")
    assert planned.code == 0, planned.err
    assert (planned.out.count('"load"'), planned.out.count('"unchanged"')) == (2, 1), planned.out
    assert sluice("run").code == 0
    assert shown("select order_id from staging.shop__orders order by 1") == [(2,), (3,), (4,)]

    raw("insert into raw.orders values (9, null)")
    closed = sluice("run")
    assert closed.code == 2
    incident = "select batch, resolved_as from ops.incidents where kind = 'batch_refused'"
    assert shown(incident) == [("", None)]  # of the whole table, so that the next month opens no other
    assert "raw.orders: the batch of some rows is null, so they would never be loaded" in closed.err
    assert shown("select status, count(*) from ops.batches where status = 'published' group by 1") == [("published", 3)]

    raw("delete from raw.orders where order_id = 9")
    assert sluice("run").code == 0
    assert shown(incident) == [("", "recovered")]
