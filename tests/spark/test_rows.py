"""The same files give the same rows in PostgreSQL and in the lake: published, held, rejected, replaced, released."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Optional

import pandera.pandas as pa
import pytest

from sluice.contract.columns import Bool, Bytes, Date, Float, Int, Json, Money, Text, Time, UtcTimestamp, Uuid, column
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


class Things(pa.DataFrameModel):
    a: Int = column("Something.", nullable=True, ge=2)
    b: Float = column("Something.", nullable=True)
    c: Money = column("Something.", nullable=True)
    d: Date = column("Something.", nullable=True)
    e: UtcTimestamp = column("Something.", nullable=True)
    f: Bool = column("Something.", nullable=True)
    g: Text = column("Something.", nullable=True)
    h: Time = column("Something.", nullable=True)
    i: Uuid = column("Something.", nullable=True)
    j: Bytes = column("Something.", nullable=True)
    k: Json = column("Something.", nullable=True)


def test_a_value_of_every_type_is_accepted_and_rejected(both: Both, tmp_path: Path) -> None:
    things, path = every_kind.things(Things), tmp_path / "things.csv"
    path.write_text("\n".join([*every_kind.KEYS, '1,,,,,,"a ""b"" \\ \t é",,,x"y,']) + "\n", encoding="utf-8")
    both.deliver(things, "all", path)
    assert [row["_row_number"] for row in staging(both.lake, things)] == [3, 4, 5, 6]
    assert [row["_row_number"] for row in quarantine(both.lake, things)] == [1, 2, 7, 8]
    both.replay(every_kind.things(Things), "all")  # every value is read again as it was


def test_every_kind_of_bad_row(both: Both, tmp_path: Path) -> None:
    orders = shops.contract(every_kind.MuchOrders, max_rejected=0.9)
    path = write(tmp_path / "orders_2021-01.csv", [*good_lines(200, first=100), *every_kind.BAD])
    both.deliver(orders, "2021-01", path)
    assert quarantine(both.lake, orders)


def test_batches_are_held_released_replaced_and_emptied(both: Both, tmp_path: Path) -> None:
    orders = shops.contract(max_rejected=0.2)
    path = write(tmp_path / "orders_2021-01.csv", [*good_lines(10), *every_kind.BAD[4:6]])
    both.deliver(orders, "2021-01", path)
    february = [line.replace("2021-01", "2021-02") for line in good_lines(4, first=70)]
    path = write(tmp_path / "orders_2021-02.csv", [*february, *every_kind.BAD])
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


def test_a_held_batch_is_judged_again_by_a_contract_that_gained_a_column(both: Both, tmp_path: Path) -> None:
    orders = shops.contract(max_rejected=0.2)
    none = "90,2021-01-05 10:00:00,south,0,1,1,a@b"
    path = write(tmp_path / "orders_2021-01.csv", [*good_lines(6), *every_kind.BAD[2:4], none])
    assert not both.deliver(orders, "2021-01", path).decision.open

    class Wider(shops.LenientOrders):
        colour: Optional[Text] = column("Of the wrapping.", nullable=True)  # noqa: UP045  pandera's way to say it

    wider = shops.contract(Wider, max_rejected=0.4)
    both.judge(orders, shops.contract(shops.LenientOrders, max_rejected=0.4), "2021-01", "held")
    both.replay(wider, "2021-01")  # also the row that had no quantity
    assert len(staging(both.lake, wider)) == 7
    assert {row["colour"] for row in staging(both.lake, wider)} == {None}
    both.judge(wider, shops.contract(max_rejected=0.4), "2021-01", "published")
    header = f"{shops.HEADER},colour"
    path = write(tmp_path / "orders_2021-01.csv", [f"{line},red" for line in good_lines(8)], header)
    both.deliver(wider, "2021-01", path)
    assert {row["colour"] for row in staging(both.lake, wider)} == {"red"}
