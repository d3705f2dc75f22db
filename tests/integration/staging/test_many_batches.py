"""What is asked of the ledger about tens of thousands of batches at once."""

from __future__ import annotations

from sluice.runs import preview
from sluice.runs.plan import Delivery
from tests.support import shops


def test_a_plan_looks_up_the_loads_of_tens_of_thousands_of_files(deliver, warehouse, tmp_path) -> None:
    contract = shops.contract()
    load = deliver(contract, "2021-01", shops.write(tmp_path / "o.csv", shops.good_lines(3))).batch
    names = ["2021-01", *(f"{number:05}" for number in range(27_000))]
    found = preview._known(warehouse, [Delivery(contract, name, f"{name}.csv", asked=False) for name in names])
    assert {key: [row.load_id for row in rows] for key, rows in found.items()} == {
        ("shop__orders", "2021-01"): [load.load_id]
    }
