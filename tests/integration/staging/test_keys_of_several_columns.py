"""Rows whose key of several columns must be published in another dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pytest
import sqlalchemy as sa

from sluice import check_file
from sluice.contract.batches import Monthly
from sluice.contract.checks.names import references_of
from sluice.contract.columns import Int, Text, column
from sluice.contract.contract import Contract, Files, Gate
from sluice.staging import lost_keys

CHECK = "(shelf, item) references shop__stock(place, item)"


class Stock(pa.DataFrameModel):
    place: Int = column("Number of the shelf.")
    item: Text = column("What lies there.")


class Picks(pa.DataFrameModel):
    item: Text = column("What was taken.", nullable=True)
    shelf: Int = column("From where.", nullable=True)


STOCK = Contract("shop", "stock", "shop@example.com", Stock, Files("stock_{batch}.csv", Monthly(start="2024-01")))
PICKS = Contract(
    "shop",
    "picks",
    "shop@example.com",
    Picks,
    Files("picks_{batch}.csv", Monthly(start="2024-01")),
    Gate(max_rejected=0.9),
    references={("shelf", "item"): "shop__stock(place, item)"},
)
IN_STOCK = "place,item\n1,pen\n2,ink\n"
PICKED = "item,shelf\npen,1\nink,1\npen,2\n,1\nink,\nink,two\n"  # rows 2 and 3 have values that are there, not together


@pytest.fixture
def warehouse_url(database: sa.URL) -> sa.URL:
    """One kind of server is enough."""
    return database


def put(deliver: Any, folder: Path, contract: Contract, batch: str, text: str) -> Any:
    file = folder / f"{contract.entity}_{batch}.csv"
    file.write_text(text)
    return deliver(contract, batch, file)


def test_a_key_counts_as_a_whole_and_one_null_passes(deliver, rows, tmp_path) -> None:
    put(deliver, tmp_path, STOCK, "2024-01", IN_STOCK)
    found = put(deliver, tmp_path, PICKS, "2024-01", PICKED)
    assert found.decision.open
    published = "select item, shelf from staging.shop__picks order by _row_number"
    assert rows(published) == [("pen", 1), (None, 1), ("ink", None)]
    rejected = rows("select _row_number, _reasons from quarantine.shop__picks order by 1")
    assert rejected == [(2, [CHECK]), (3, [CHECK]), (6, ["shelf is integer"])]
    [[sample]] = rows("select sample from ops.checks where check_name = :check", check=CHECK)
    assert sample == [
        {"_row_number": 2, "shelf": 1, "item": "ink"},
        {"_row_number": 3, "shelf": 2, "item": "pen"},
    ]


def test_a_file_that_is_checked_alone_gets_the_verdict_of_a_run(tmp_path) -> None:
    for name, text in (("stock_2024-01.csv", IN_STOCK), ("picks_2024-01.csv", PICKED)):
        (tmp_path / name).write_text(text)
    known = [(str(tmp_path / "stock_2024-01.csv"), STOCK)]
    found = check_file(str(tmp_path / "picks_2024-01.csv"), PICKS, references=known)
    [result] = [result for result in found.report.results if result.name == CHECK]
    assert (result.failing, found.report.rejected, found.exit_code) == (2, 3, 0)
    assert [row["_row_number"] for row in result.sample] == [2, 3]


def test_rows_that_lose_such_a_key_are_counted_until_it_is_back(deliver, warehouse, tmp_path) -> None:
    [reference] = references_of(PICKS)
    put(deliver, tmp_path, STOCK, "2024-01", IN_STOCK)
    put(deliver, tmp_path, PICKS, "2024-01", "item,shelf\npen,1\nink,2\n")
    assert lost_keys.of_reference(warehouse, PICKS, reference) == ""

    put(deliver, tmp_path, STOCK, "2024-01", "place,item\n1,pen\n2,pen\n1,ink\n")
    said = "1 published row of shop__picks (2024-01) with a (shelf, item) that is no longer published in "
    assert lost_keys.of_reference(warehouse, PICKS, reference) == f"{said}shop__stock(place, item)"
    put(deliver, tmp_path, STOCK, "2024-01", IN_STOCK)
    assert lost_keys.of_reference(warehouse, PICKS, reference) == ""
