"""A load touches no table but its own dataset's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from sluice.contract.batches import Single
from sluice.contract.contract import Contract, Files
from sluice.contract.errors import ContractError, ToolError
from sluice.ledger import loads
from sluice.staging import reload
from tests.support import shops


def named(source: str, entity: str) -> Contract:
    return replace(shops.contract(), source=source, entity=entity)


@pytest.mark.parametrize(
    ("source", "entity"),
    [("a", "b__2024_01"), ("a", "b__incoming_2024_01"), ("a__b", "c"), ("a_", "b"), ("a", "_b"), ("a", "B"), ("a", "")],
)
def test_no_dataset_has_a_name_that_a_batch_of_another_has(source: str, entity: str) -> None:
    with pytest.raises(ContractError, match="is not a valid name"):
        named(source, entity)


@pytest.mark.parametrize(
    "name", ["../all", "a b", "a'b", 'a"b', "", "_a", "ALL", "a" * 60, "incoming_all", "a/b", "ä", 1]
)
def test_the_name_of_a_single_batch_is_checked(name: str) -> None:
    with pytest.raises(ContractError):
        replace(shops.contract(), files=Files("x.csv", Single(name=name)))
    assert Single(name="2024-q1").validate("2024-q1") is None


def test_a_publish_drops_nothing_but_the_batchs_own_partition(deliver, warehouse, rows, tmp_path) -> None:
    """A table that stands where the partition would is somebody's, until it is known to be the dataset's own."""
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("create table staging.shop__orders__2021_01 as select 42 as answer"))
    path = shops.write(tmp_path / "1.csv", shops.good_lines(10))
    with pytest.raises(ToolError, match="already exists"):
        deliver(shops.contract(), "2021-01", path)
    assert rows("select answer from staging.shop__orders__2021_01") == [(42,)]
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("alter table staging.shop__orders__2021_01 rename to mine"))
    deliver(shops.contract(), "2021-01", path)
    assert rows("select count(*) from staging.shop__orders") == [(10,)]


def test_a_partition_is_found_by_what_it_holds(deliver, warehouse, rows, tmp_path) -> None:
    """One of an older warehouse is replaced and replayed whatever its name is."""
    deliver(shops.contract(), "2021-01", shops.write(tmp_path / "1.csv", shops.good_lines(10)))
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("alter table staging.shop__orders__2021_01 rename to named_long_ago"))
        connection.execute(sa.text("create table staging.shop__orders__2021_02 (order_id int)"))
    of = reload.replayed(warehouse, shops.contract(), "2021-01")
    with warehouse.engine.begin() as connection:
        again = loads.begin_replay(connection, shops.contract(), of, None)
    assert reload.load_again(warehouse, shops.contract(), again, of).rows == 10
    deliver(shops.contract(), "2021-01", shops.write(tmp_path / "2.csv", shops.good_lines(12)))
    assert rows("select count(*) from staging.shop__orders") == [(12,)]
    assert rows("select count(*) from pg_inherits where inhparent = 'staging.shop__orders'::regclass") == [(1,)]
    assert rows("select to_regclass('staging.named_long_ago')") == [(None,)]
