"""The same files give the same rows in PostgreSQL and in the lake: published, held, rejected, replaced, released."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sluice.contract.columns import Json, column
from sluice.contract.registry import load_contract
from sluice.demo.files import make
from tests.spark.lakes import Both, quarantine, staging
from tests.support import every_kind, shops
from tests.support.repository import ROOT
from tests.support.shops import good_lines, write

pytestmark = pytest.mark.spark


def test_the_demo(both: Both, tmp_path: Path) -> None:
    for path in make(tmp_path, ("2024-12",), rows=5_000):
        kind, batch = re.fullmatch(r"(\w+)_(\d{4}-\d\d|all)\.parquet", path.name).groups()
        contract = load_contract(ROOT / "contracts" / f"tlc_{kind}.py")
        assert both.deliver(contract, batch, path).decision.open
        assert staging(both.lake, contract)
        assert quarantine(both.lake, contract)


def test_a_value_of_every_type_and_every_kind_of_bad_row(both: Both, tmp_path: Path) -> None:
    class Things(every_kind.Things):
        k: Json = column("Something.", nullable=True)

    things = every_kind.things(Things)
    path = tmp_path / "things.csv"
    path.write_text("\n".join([*every_kind.KEYS, "9,.5,9.99,2021-02-03,2021-01-01T10:00:00.5Z,0,y,00:00:01,,,{}"]))
    both.deliver(things, "all", path)
    assert staging(both.lake, things)
    orders = shops.contract(every_kind.MuchOrders, max_rejected=0.9)
    path = write(tmp_path / "orders_2021-01.csv", [*good_lines(200, first=100), *every_kind.BAD])
    both.deliver(orders, "2021-01", path)
    assert quarantine(both.lake, orders)


def test_batches_are_held_released_replaced_and_emptied(both: Both, tmp_path: Path) -> None:
    orders = shops.contract(max_rejected=0.2)
    path = write(tmp_path / "orders_2021-01.csv", [*good_lines(10), *every_kind.BAD[4:6]])
    both.deliver(orders, "2021-01", path)
    path = write(tmp_path / "orders_2021-02.csv", [*good_lines(4), *every_kind.BAD])
    assert not both.deliver(orders, "2021-02", path).decision.open
    both.release(orders, "2021-02")
    path = write(tmp_path / "orders_2021-01.csv", good_lines(11, first=50))
    assert both.deliver(orders, "2021-01", path).decision.open
    path = write(tmp_path / "orders_2021-01.csv", [*good_lines(2), *every_kind.BAD])
    assert not both.deliver(orders, "2021-01", path).decision.open
    path = write(tmp_path / "orders_2021-01.csv", good_lines(10))
    assert both.deliver(orders, "2021-01", path).decision.open
    lenient = shops.contract(max_rejected=1)
    path = write(tmp_path / "orders_2021-01.csv", ["x,y,z,,,,"] * 9)
    assert both.deliver(lenient, "2021-01", path).decision.open
    assert {row["_batch"] for row in staging(both.lake, lenient)} == {"2021-02"}
