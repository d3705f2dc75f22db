"""What a reader of the lake sees while a batch is replaced; keys of other batches and datasets; errors in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest

from sluice.contract.checks.compile import checks_of
from sluice.contract.checks.names import references_of
from sluice.contract.columns import Text, column
from sluice.contract.errors import ConfigError, ToolError
from sluice.staging import lost_keys
from sluice.warehouse.batch import Batch
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import delivered
from tests.spark.lakes import Both, lake_in, left_in_lake, staging
from tests.support import every_kind, shops
from tests.support.references import customers, orders, orders_once, write_customers, write_orders
from tests.support.shops import good_lines, write

pytestmark = pytest.mark.spark


def test_a_reader_sees_the_batch_as_it_was_or_as_it_is(in_lake: Warehouse, tmp_path: Path) -> None:
    from sluice.warehouse.spark.session import session_of

    contract = shops.contract(max_rejected=0.5)
    path = write(tmp_path / "orders_2021-01.csv", [*good_lines(10), every_kind.BAD[4]])
    delivered(in_lake, contract, "2021-01", path, tmp_path / "downloads")
    reader, over, seen = session_of(in_lake.data.lake), Event(), []  # type: ignore[attr-defined]
    query = f"SELECT count(*), min(_load_id), max(_load_id), count_if(price < 0) FROM staging.{contract}"

    def read() -> None:
        while not over.is_set():
            seen.append(tuple(reader.sql(query).collect()[0]))
            over.wait(0.2)  # leave the publish some of the machine

    reading = Thread(target=read)
    reading.start()
    path = write(tmp_path / "orders_2021-01.csv", [*good_lines(20, first=30), *every_kind.BAD])
    delivered(in_lake, contract, "2021-01", path, tmp_path / "downloads")
    over.set()
    reading.join()
    assert {*seen, tuple(reader.sql(query).collect()[0])} == {(10, 1, 1, 0), (20, 2, 2, 0)}


def test_keys_are_looked_up_in_what_is_published(both: Both, tmp_path: Path) -> None:
    both.deliver(customers(), "2024-01", write_customers(tmp_path / "customers_2024-01.csv", 1, 2, 3))
    path = write_orders(tmp_path / "orders_2024-01.csv", 1, 2, "", 9)
    assert both.deliver(orders(0.5), "2024-01", path).report.rejected == 1
    both.deliver(customers(), "2024-01", write_customers(tmp_path / "customers_2024-01.csv", 1, 4, 5))
    [reference] = references_of(orders(0.5))
    said = [lost_keys.of_reference(each, orders(0.5), reference) for each in both]
    assert said[0] == said[1] != ""
    once = replace(orders_once(1), entity="orders_once")
    both.deliver(once, "2024-01", write_orders(tmp_path / "orders_2024-01.csv", 1, 2, 3))
    both.deliver(once, "2024-02", write_orders(tmp_path / "orders_2024-02.csv", 1, 2, 3, 4))
    assert [(row["_batch"], row["order_id"]) for row in staging(both.lake, once)][3:] == [("2024-02", 4)]
    both.deliver(once, "2024-01", write_orders(tmp_path / "orders_2024-01.csv", 1, 2))  # not against itself


def test_a_contract_that_retypes_a_column_is_refused_and_the_canary_rows_are_rejected(in_lake: Warehouse) -> None:
    in_lake.data.make_tables(in_lake.engine, shops.contract())

    class Other(shops.Orders):
        quantity: Text = column("How many.", nullable=True)

    in_lake.data.make_tables(in_lake.engine, shops.contract(Other))
    with pytest.raises(ConfigError, match="quantity is string in the contract, bigint in lake"):
        in_lake.data.verify_tables(in_lake.engine, shops.contract(Other))
    in_lake.data.verify_tables(in_lake.engine, shops.contract())
    with in_lake.engine.begin() as connection:  # what `sluice doctor` asks of each contract
        canary = Batch("shop__orders", "0000-00", -1)
        checks = checks_of(shops.contract(), "2021-01")
        found, errors = in_lake.data.try_canary(connection, shops.contract(), canary, checks)
    assert (found.outcome, errors, left_in_lake(in_lake, shops.contract())) == ("passed", {}, set())


def test_a_lake_that_does_not_answer_is_one_clear_error(
    spark: object, new_ledger: Callable[[], Warehouse], tmp_path: Path
) -> None:
    from sluice.warehouse.spark.engine import Spark

    lake = replace(lake_in(tmp_path / "lake"), catalogue={"type": "rest", "uri": "http://127.0.0.1:9"})
    warehouse = replace(new_ledger(), data=Spark(lake))
    with pytest.raises(ToolError, match=r"^the lake file:\S+ cannot be opened with Spark at \S+: Spark: [^\n]+$"):
        warehouse.data.make_tables(warehouse.engine, shops.contract())
